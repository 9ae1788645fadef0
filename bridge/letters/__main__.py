"""``python -m bridge.letters list | show | replay | purge | requests``: messages that could not become readings.

It needs the database alone (``DATABASE_URL``, else the file in ``DATA_DIR``). The bridge carries requests out; where it
does not run, they wait for it.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from bridge.letters import rows, words
from bridge.letters.rows import NotOne, Wanted
from schema.database import Sessions, create_engine_for, is_sqlite, reading, sessions_for
from schema.database_faults import database_faults
from schema.letters import TITLES
from schema.models import DeadLetterRequest, LetterAction, RequestState

_LOOK_EVERY_S = 0.5
_EPILOG = "An id may be shortened. Login '-' means letters that nobody's login is known of. Times are UTC."


class CannotDo(Exception):
    """The command cannot be carried out; the message says what to do."""


def _url() -> str:
    """Raises ``CannotDo`` where the file of this computer is not there: SQLite would make an empty one."""
    data_dir = os.environ.get("DATA_DIR") or "data"
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{data_dir}/deye.db"
    if is_sqlite(url) and not Path(url.partition(":///")[2]).is_file():
        raise CannotDo(f"There is no database at {url}. Set DATABASE_URL or DATA_DIR as for the bridge.")
    return url


@asynccontextmanager
async def _opened() -> AsyncIterator[Sessions]:
    engine = create_engine_for(_url())
    try:
        yield sessions_for(engine)
    finally:
        await engine.dispose()


def _wanted(chosen: argparse.Namespace) -> Wanted:
    return Wanted(chosen.login.upper(), chosen.topic, chosen.reason or "", chosen.inverter)


async def _list(chosen: argparse.Namespace) -> int:
    async with _opened() as sessions, reading(sessions) as session:
        wanted = _wanted(chosen)
        kinds, _, _ = await rows.how_many(session, wanted)
        print(words.listing(await rows.letters(session, wanted, chosen.limit), kinds))
    return 0


async def _show(chosen: argparse.Namespace) -> int:
    async with _opened() as sessions, reading(sessions) as session:
        print(words.one(await rows.letter(session, chosen.id)))
    return 0


async def _requests(chosen: argparse.Namespace) -> int:
    async with _opened() as sessions, reading(sessions) as session:
        print(words.requests(await rows.requests(session, chosen.limit)))
    return 0


async def _ask(chosen: argparse.Namespace) -> int:
    """Raises ``CannotDo`` where nothing is named: everything must be asked for by that word."""
    wanted = _wanted(chosen)
    if wanted == Wanted() and not chosen.all:
        raise CannotDo("Say which letters: --login, --topic, --reason, --inverter, or --all.")
    async with _opened() as sessions:
        async with sessions.begin() as session:
            _, messages, kept = await rows.how_many(session, wanted)
            request = await rows.ask(session, LetterAction(chosen.command), wanted, datetime.now(UTC))
        print(words.asked(request, messages, kept))
        if not chosen.wait:
            print("'python -m bridge.letters requests' shows how far it has come.")
            return 0
        return await _awaited(sessions, request.id, chosen.wait)


async def _awaited(sessions: Sessions, request_id: UUID, seconds: float) -> int:
    """Status 0 when it is done, 1 when it failed or has not ended in time."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        async with reading(sessions) as session:
            request = await session.get(DeadLetterRequest, request_id)
        if request is None or request.state in (RequestState.DONE, RequestState.FAILED):
            break
        if asyncio.get_running_loop().time() >= end:
            print(f"{words.state(request)}. Does the bridge run?")
            return 1
        await asyncio.sleep(_LOOK_EVERY_S)
    print(words.state(request) if request else "The request is gone: its inverter was removed.")
    return 0 if request and request.state == RequestState.DONE else 1


def _id(text: str) -> str:
    digits = text.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or any(digit not in "0123456789abcdef" for digit in digits):
        raise argparse.ArgumentTypeError(f"{text!r} is no id: four digits or more of the first column of 'list'")
    return digits


def _reason(text: str) -> str:
    if text not in TITLES:
        raise argparse.ArgumentTypeError(f"there is no reason {text!r}, but: {', '.join(TITLES)}")
    return text


def _inverter(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no inverter's id: it is in the address of its page") from None


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 100000")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("--login", default="", help="of this login; '-' for those of nobody")
    which.add_argument("--topic", default="", help="of this topic, as 'list' shows it")
    which.add_argument("--reason", type=_reason, help="set aside for this reason")
    which.add_argument("--inverter", type=_inverter, metavar="ID", help="of this inverter")
    limited = argparse.ArgumentParser(add_help=False)
    limited.add_argument("--limit", default=50, type=_at_least_one, metavar="N", help="at most so many (50)")
    asking = argparse.ArgumentParser(add_help=False)
    asking.add_argument("--all", action="store_true", help="all there are")
    asking.add_argument("--wait", default=0, type=_at_least_one, metavar="SECONDS", help="wait for the bridge's answer")
    parser = argparse.ArgumentParser(
        prog="python -m bridge.letters", description="Messages that could not become readings.", epilog=_EPILOG
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", parents=[which, limited], help="what is set aside, newest first")
    commands.add_parser("show", help="one of them with its newest payload").add_argument("id", metavar="ID", type=_id)
    commands.add_parser("replay", parents=[which, asking], help="take the originals up again")
    commands.add_parser("purge", parents=[which, asking], help="drop them for good")
    commands.add_parser("requests", parents=[limited], help="what was asked for, and how far it has come")
    return parser


_COMMANDS = {"list": _list, "show": _show, "replay": _ask, "purge": _ask, "requests": _requests}


def main() -> int:
    """Exit status 0 when it was done, 1 with one sentence when not, 2 for wrong arguments."""
    chosen = _parser().parse_args()
    try:
        return asyncio.run(_COMMANDS[chosen.command](chosen))
    except (CannotDo, NotOne) as reason:
        print(reason, file=sys.stderr)
    except database_faults(os.environ.get("DATABASE_URL") or "sqlite:") as fault:
        kind = type(fault).__name__
        print(f"The database does not answer ({kind}). Did `python -m schema migrate` run?", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
