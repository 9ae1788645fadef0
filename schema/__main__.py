"""Commands: ``python -m schema migrate | downgrade REVISION | revise MESSAGE | check-settings``."""

import argparse
import asyncio
import os
import sys

from schema import bridge_role, migrate
from schema.bridge_role import PASSWORD_VARIABLE, RoleNotMade
from schema.database import create_engine_for, is_sqlite
from schema.settings import BridgeSettings, PortalSettings, ProvisionerSettings, SettingsInvalid, load


async def _migrate(action: str, argument: str) -> None:
    url = os.environ.get("DATABASE_URL", "sqlite:///data/deye.db")
    engine = create_engine_for(url)
    try:
        if action == "migrate":
            await migrate.upgrade(engine)
            if (password := os.environ.get(PASSWORD_VARIABLE)) and not is_sqlite(url):
                await bridge_role.ensure(engine, password)
        elif action == "downgrade":
            await migrate.downgrade(engine, argument)
        else:
            await migrate.revise(engine, argument)
    finally:
        await engine.dispose()


def _check_settings() -> int:
    faults = 0
    for kind in (BridgeSettings, ProvisionerSettings, PortalSettings):
        try:
            load(kind)
            print(f"{kind.__name__}: good")
        except SettingsInvalid as fault:
            faults += 1
            print(f"{kind.__name__}: {fault}", file=sys.stderr)
    return min(faults, 1)


def main() -> int:
    """Exit status 0 when the command did what it says."""
    parser = argparse.ArgumentParser(prog="python -m schema", description="The database and the settings.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "migrate",
        help=f"bring the database of DATABASE_URL to the newest revision; with {PASSWORD_VARIABLE} set, "
        f"PostgreSQL gets the bridge's own role {bridge_role.ROLE} too",
    )
    commands.add_parser("downgrade", help="take revisions back").add_argument("argument", metavar="REVISION")
    commands.add_parser("revise", help="draft a new revision from the models").add_argument(
        "argument", metavar="MESSAGE"
    )
    commands.add_parser("check-settings", help="say which variables are missing or wrong")
    chosen = parser.parse_args()
    if chosen.command == "check-settings":
        return _check_settings()
    try:
        asyncio.run(_migrate(chosen.command, getattr(chosen, "argument", "")))
    except RoleNotMade as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
