"""Commands: ``python -m portal [serve]`` answers requests, ``python -m portal create-admin EMAIL`` appoints one,
``python -m portal end-second-factor EMAIL`` lets somebody in who lost telephone and recovery codes.

The only place of the portal that reads the environment and opens databases.
"""

import argparse
import asyncio
import getpass
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from sqlalchemy.exc import SQLAlchemyError

from portal import audit, letters
from portal.accounts import second_factor, service
from portal.accounts.forms import ChosenPassword, Email, not_about
from portal.app import create_app, make_parts
from portal.audit import Action
from portal.mail import owe
from portal.parts import Parts
from portal.server import Server, server_config
from schema import live, logs, sealed_rows
from schema.database import create_engine_for, sessions_for
from schema.sealed_rows import KeyDoesNotOpen
from schema.sealing import AesSealer
from schema.settings import PortalSettings, SettingsInvalid, load
from schema.timeseries.stores import open_reader

_log = structlog.get_logger(__name__)

_NEVER_CONFIRMED = "Somebody had signed up with this address and never confirmed it: the password is the one you typed."


class _Administrator(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    email: Email
    password: ChosenPassword

    @field_validator("password")
    @classmethod
    def _not_about_the_owner(cls, password: str, typed: ValidationInfo) -> str:
        return not_about(password, typed.data.get("email", ""))


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
    await sealed_rows.check(settings.database_url, AesSealer(*settings.token_keys))
    async with _opened(settings) as parts:
        config = server_config(create_app(parts), settings)
        _log.info("portal.serving", host=settings.portal_host, port=settings.portal_port)
        await Server(config, parts.live_feed).serve()


async def _create_admin(settings: PortalSettings, email: str, password: str) -> str:
    """A confirmed account with administration; one that was confirmed before keeps its password. Says what was done."""
    async with _opened(settings) as parts:
        password_hash = await parts.passwords.hashed(password)
        async with parts.sessions.begin() as session:
            account = await service.create(session, email, password_hash, "UTC", now=parts.now())
            known = account or await service.find(session, email)
            if known is None:
                return f"{email} was removed at this very moment; please try again."
            if known.disabled_at is not None:
                return (
                    f"{email} is disabled and cannot log in: nothing was changed. Enable it at /admin, or name another."
                )
            settled = account is None and await service.settle(session, known.id, password_hash)
            await service.mark_verified(session, known.id, now=parts.now())
            await service.make_admin(session, known.id, now=parts.now())
    done = f"{email} is an administrator now"
    if settled:
        return f"{done}. {_NEVER_CONFIRMED}"
    return f"{done}." if account else f"{done} (its password is unchanged)."


async def _end_second_factor(settings: PortalSettings, email: str) -> str:
    """For somebody who has lost telephone and recovery codes and has shown the operator who he is."""
    async with _opened(settings) as parts:
        async with parts.sessions.begin() as session:
            account = await service.find(session, email.strip())
            if account is None or account.totp_sealed is None:
                return f"{email} has no account with two-step log-in."
            await second_factor.switch_off(session, account.id)
            subject = audit.account(account.id)
            await audit.record(session, Action.TOTP_OFF, subject=subject, actor=audit.COMMAND, now=parts.now())
            letter = letters.second_factor_off(parts.links.base_url, language=account.language)
            await owe(session, account.email, letter, sealer=parts.sealer, now=parts.now(), always=True)
        return f"{email} logs in with the password alone from now on, and is told so by mail."


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
    return _done(_create_admin(settings, wanted.email, wanted.password))


def _done(command: Coroutine[Any, Any, str]) -> int:
    """Say what a command did, or that the database is away."""
    try:
        print(asyncio.run(command))
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
    lost = commands.add_parser("end-second-factor", help="let somebody in who lost telephone and recovery codes")
    lost.add_argument("email", metavar="EMAIL")
    chosen = parser.parse_args()
    try:
        settings = load(PortalSettings)
    except SettingsInvalid as fault:
        print(f"The portal cannot start: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format, hidden=settings.secrets())
    if chosen.command == "create-admin":
        return _admin(settings, chosen.email)
    if chosen.command == "end-second-factor":
        return _done(_end_second_factor(settings, chosen.email))
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again after its orderly stop; by then there is nothing left to do about it.
        signal.signal(signal_number, lambda *_: None)
    try:
        asyncio.run(_serve(settings))
    except KeyDoesNotOpen as fault:
        print(f"The portal cannot start: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
