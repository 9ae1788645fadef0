"""Commands: ``python -m portal.audit_log verify [--head HASH]`` checks the chain, ``show`` prints the newest entries.

It needs the database alone (``DATABASE_URL``, else the file in ``DATA_DIR``). Exit status: 0 where all is as it was
written, 1 where it is not, 2 where nothing can be said: wrong arguments, or no database.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from portal.audit import ActorKind
from portal.audit_log import checking
from portal.audit_log.checking import Verdict
from schema.database import create_engine_for, is_sqlite, reading, sessions_for
from schema.database_faults import database_faults
from schema.models import AuditEntry

_SHOWN = 50
_MOST_SHOWN = 10_000


class CannotLook(Exception):
    """There is nothing to look at; the message says what to do."""


def _url() -> str:
    """Raises ``CannotLook`` where the file of this computer is not there: SQLite would make an empty one."""
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{os.environ.get('DATA_DIR') or 'data'}/deye.db"
    if is_sqlite(url) and not Path(url.partition(":///")[2]).is_file():
        raise CannotLook(f"There is no database at {url}. Set DATABASE_URL or DATA_DIR as for the portal.")
    return url


async def _verified(url: str, head: str) -> Verdict:
    engine = create_engine_for(url)
    try:
        return await checking.verify(sessions_for(engine), head=head)
    finally:
        await engine.dispose()


async def _newest(url: str, most: int) -> Sequence[AuditEntry]:
    engine = create_engine_for(url)
    try:
        async with reading(sessions_for(engine)) as session:
            statement = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(most)
            return (await session.scalars(statement)).all()
    finally:
        await engine.dispose()


def _verify(url: str, head: str) -> int:
    verdict = asyncio.run(_verified(url, head))
    for fault in verdict.faults:
        print(fault.sentence)
    if verdict.waiting:
        print(f"{verdict.waiting} entries are not sealed yet. A running portal does so within seconds.")
    if verdict.faults:
        print(f"The audit log is NOT as it was written ({verdict.links} links, head {verdict.head}).")
        return 1
    print(f"The audit log is as it was written: {verdict.links} links, head {verdict.head}.")
    return 0


def _show(url: str, most: int) -> int:
    for entry in reversed(asyncio.run(_newest(url, most))):
        who = str(entry.actor_id or entry.actor)
        who = f"{entry.actor}:{who}" if entry.actor == ActorKind.COLLECTOR else who
        # JSON in ASCII: what somebody typed as a name must not steer the terminal.
        details = json.dumps(entry.details, sort_keys=True)
        print(f"{entry.id}  {entry.at:%Y-%m-%d %H:%M:%S}Z  {who}  {entry.action}  {entry.subject}  {details}")
    return 0


def main() -> int:
    """Run the command that was named."""
    parser = argparse.ArgumentParser(prog="python -m portal.audit_log", description="The audit log.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="check that nothing was changed, removed or added")
    check.add_argument("--head", default="", help="a hash noted earlier, that the chain has to contain")
    show = commands.add_parser("show", help="print the newest entries")
    show.add_argument("--most", type=int, default=_SHOWN, choices=range(1, _MOST_SHOWN + 1), metavar="N")
    chosen = parser.parse_args()
    try:
        url = _url()
        return _verify(url, chosen.head.strip().lower()) if chosen.command == "verify" else _show(url, chosen.most)
    except CannotLook as reason:
        print(reason, file=sys.stderr)
    except database_faults(os.environ.get("DATABASE_URL") or "sqlite:") as error:
        kind = type(error).__name__
        said = f"The database does not answer ({kind}). Is it there, and did `python -m schema migrate` run?"
        print(said, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
