"""``python -m portal.provisioner server accept URL``: another InfluxDB at an address of ours is meant to be there.

Until a person says so nothing is made, mended or erased there (``same_server``). Afterwards the reconciler makes anew
what the rows name and the server has not.
"""

import argparse
from datetime import UTC, datetime

from portal import audit
from portal.audit import Action
from portal.provisioner.commands import CannotDo, said_yes
from portal.provisioner.known_rows import known_rows
from schema.changes import registry_changed
from schema.database import create_engine_for, reading, sessions_for
from schema.influx_servers import address
from schema.models import StoreServer
from schema.settings import ProvisionerSettings
from schema.timeseries import stores


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its words."""
    parser = commands.add_parser("server", help="say that another InfluxDB at an address of ours is meant")
    accept = parser.add_subparsers(required=True).add_parser("accept", help="what it has not is made anew there")
    accept.add_argument("url", metavar="URL", help="as INFLUX_URL or INFLUX_SERVERS has it")
    accept.add_argument("--yes", action="store_true", help="do not ask")
    accept.set_defaults(act=_accept)


async def _accept(settings: ProvisionerSettings, chosen: argparse.Namespace) -> int:
    """Raises ``CannotDo`` and ``StoreError``."""
    url, token = _named(settings, chosen.url)
    engine, manager = create_engine_for(settings.database_url), stores.open_manager(url, token)
    try:
        sessions = sessions_for(engine)
        seen, there = await manager.identity(), {one.id for one in await manager.organisations()}
        async with reading(sessions) as session:
            row, rows = await session.get(StoreServer, url), await known_rows(session, url)
        if row is None or not row.identity:
            raise CannotDo(f"Nothing is known of {url} yet: the provisioner takes it as it is when it starts.")
        if row.identity == seen:
            print(f"{url} is the InfluxDB that it was: there is nothing to accept.")
            return 0
        wanted = {home.org_id for home in rows.homes.values() if home.org_id}
        said_yes(
            [
                f"{url} is another InfluxDB than before.",
                f"It has {len(wanted & there)} of the {len(wanted)} organisations that the database knows there.",
                "What it has not is made anew, empty and with new tokens.",
            ],
            meant=chosen.yes,
        )
        async with sessions.begin() as session:
            await registry_changed(session)
            known = await session.get_one(StoreServer, url, with_for_update=True)
            known.identity, known.another = seen, False
            await audit.record(
                session,
                Action.SERVER_ACCEPTED,
                subject=f"server:{url}",
                actor=audit.COMMAND,
                details={"organisations": len(wanted), "found": len(wanted & there)},
                now=datetime.now(UTC),
            )
    finally:
        await manager.close()
        await engine.dispose()
    print("Accepted: within a minute the provisioner goes on there.")
    return 0


def _named(settings: ProvisionerSettings, wanted: str) -> tuple[str, str]:
    """The server's address and operator token. Raises ``CannotDo``."""
    known = {one.url: one.operator_token.get_secret_value() for one in settings.servers}
    try:
        url = address(wanted)
    except ValueError as error:
        raise CannotDo(f"{error}.") from error
    if url not in known:
        raise CannotDo(f"The settings name no server {url}, but: {', '.join(known) or 'none at all'}.")
    return url, known[url]
