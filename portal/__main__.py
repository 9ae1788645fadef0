"""Commands: ``python -m portal [serve]`` answers requests, ``python -m portal create-admin EMAIL`` appoints one.

The only place of the portal that reads the environment and opens databases.
"""

import argparse
import asyncio
import getpass
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from portal.accounts import service
from portal.accounts.forms import ChosenPassword, Email
from portal.app import create_app, make_parts
from portal.live import LiveFeed
from portal.parts import Parts
from schema import live, logs
from schema.database import create_engine_for, sessions_for
from schema.settings import PortalSettings, SettingsInvalid, load
from schema.timeseries.stores import open_reader

_log = structlog.get_logger(__name__)

# An open page holds a stream that never ends by itself: a stop waits this long for such answers, no longer.
STOP_TIMEOUT_S = 3


class _Administrator(BaseModel):
    model_config = ConfigDict(frozen=True)
    email: Email
    password: ChosenPassword


class _Server(uvicorn.Server):
    """Ends the pages' streams first when it stops, so that a stop takes no longer than the answers under way."""

    def __init__(self, config: uvicorn.Config, live_feed: LiveFeed) -> None:
        super().__init__(config)
        self._live_feed = live_feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the streams, then stop as uvicorn does."""
        self._live_feed.close()
        await super().shutdown(sockets)


def _say_at_once(text: str) -> None:
    """Whoever started us waits for a mail's link: it must not lie in a buffer."""
    print(text, flush=True)


@asynccontextmanager
async def _opened(settings: PortalSettings) -> AsyncGenerator[Parts, None]:
    """Databases and store opened, and closed again."""
    engine = create_engine_for(settings.database_url)
    live_engine = await live.open_live(settings.live_url)
    reader = open_reader(settings.store, path=settings.readings_path)
    try:
        yield make_parts(
            settings, sessions=sessions_for(engine), live_engine=live_engine, reader=reader, say=_say_at_once
        )
    finally:
        await reader.close()
        await live_engine.dispose()
        await engine.dispose()


async def _serve(settings: PortalSettings) -> None:
    async with _opened(settings) as parts:
        config = uvicorn.Config(
            create_app(parts),
            host=settings.portal_host,
            port=settings.portal_port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The caller's address counts for throttles: only a proxy that the operator names may say another.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        _log.info("portal.serving", host=settings.portal_host, port=settings.portal_port)
        await _Server(config, parts.live_feed).serve()


async def _create_admin(settings: PortalSettings, email: str, password: str) -> str:
    """A confirmed account with administration; an account that exists keeps its password. Returns what was done."""
    async with _opened(settings) as parts:
        password_hash = await parts.passwords.hashed(password)
        async with parts.sessions.begin() as session:
            account = await service.create(session, email, password_hash, "UTC", now=parts.now())
            known = account or await service.find(session, email)
            if known is None:
                return f"{email} was removed at this very moment; please try again."
            await service.mark_verified(session, known.id, server=parts.store_server, now=parts.now())
            await service.make_admin(session, known.id)
        return f"{email} is an administrator now" + (" (its password is unchanged)." if account is None else ".")


def _asked_password() -> str:
    """Typed without echo at a terminal, else the first line of standard input; never an argument, which others see."""
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _admin(settings: PortalSettings, email: str) -> int:
    try:
        wanted = _Administrator(email=email, password=_asked_password())
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            print(f"{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return 1
    try:
        print(asyncio.run(_create_admin(settings, wanted.email, wanted.password)))
    except (SQLAlchemyError, OSError) as error:
        kind = type(error).__name__
        said = f"The database does not answer ({kind}). Is it there, and did `python -m schema migrate` run?"
        print(said, file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Exit status 0 after an orderly stop, 1 for a wrong argument, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m portal", description="What owners and administrators see.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="answer requests (the default)")
    commands.add_parser("create-admin", help="make an administrator").add_argument("email", metavar="EMAIL")
    chosen = parser.parse_args()
    try:
        settings = load(PortalSettings)
    except SettingsInvalid as fault:
        print(f"The portal cannot start: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    if chosen.command == "create-admin":
        return _admin(settings, chosen.email)
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again after its orderly stop; by then there is nothing left to do about it.
        signal.signal(signal_number, lambda *_: None)
    asyncio.run(_serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
