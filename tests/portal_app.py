"""The portal in this process and event loop, over a SQLite file of its own, with every mail kept in a list."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from litestar import Litestar
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.app import create_app, make_parts
from portal.mail import MailNotTaken
from portal.parts import Parts
from schema.database import create_engine_for, sessions_for
from schema.live import open_live
from schema.settings import PortalSettings
from schema.timeseries.stores import open_reader, open_writer
from tests.databases import bring_up_to_date

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
BASE_URL = "http://portal.example.org"
KEY_OF_ZEROS = "A" * 43 + "="


class _Compiled(BytecodeCache):
    """Each template is compiled once for all portals of this process."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """What another portal has compiled."""
        if known := self._known.get(bucket.key):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Kept for the next portal."""
        self._known[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()
# Applications whose portal has ended, by their settings: to build one takes longer than most tests.
_IDLE: dict[str, list[Litestar]] = {}


class Clock:
    """The time, moved by hand: ``clock.go(hours=25)``."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        """Now."""
        return self.at

    def go(self, **later: float) -> None:
        """Let time pass (arguments of ``timedelta``)."""
        self.at += timedelta(**later)


@dataclass
class MailBag:
    """A transport that keeps what it is given."""

    mails: list[EmailMessage] = field(default_factory=list)
    refusals: int = 0

    async def send(self, message: EmailMessage) -> None:
        """Taken, unless ``refusals`` are still to be given."""
        if self.refusals:
            self.refusals -= 1
            raise MailNotTaken("away")
        self.mails.append(message)

    def to(self, address: str) -> list[EmailMessage]:
        """Mails to this address, oldest first."""
        return [mail for mail in self.mails if mail["To"] == address]


@dataclass
class RunningPortal:
    """A portal whose lifespan has begun.

    ``key`` tells portals with other settings apart; ``file`` is the database where that is a file of its own.
    """

    app: Litestar
    parts: Parts
    bag: MailBag
    clock: Clock
    key: str
    file: Path | None

    def browser(self) -> httpx.AsyncClient:
        """Somebody's browser with cookies of its own, that follows no redirects."""
        app: Any = self.app  # Litestar and httpx describe the same ASGI callable in types of their own
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url=BASE_URL, headers={"accept": "text/html,*/*"}
        )

    def browser_at(self, address: str) -> httpx.AsyncClient:
        """Somebody's browser, at this address."""
        app: Any = self.app
        transport = httpx.ASGITransport(app=app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers={"accept": "text/html,*/*"})

    async def mail_sent(self) -> None:
        """Send what is owed; afterwards the bag holds it."""
        await self.parts.mailer.send_due()


def portal_settings(folder: Path, **values: Any) -> PortalSettings:
    """Settings of a portal on SQLite below ``folder``; nothing is read from the environment."""
    given: dict[str, Any] = {
        "database_url": f"sqlite:///{folder}/deye.db",
        "data_dir": folder,
        "token_key": KEY_OF_ZEROS,
        "auth_secret": "a secret of at least thirty-two characters",
        "cookie_secure": False,
        "base_url": BASE_URL,
        "mqtt_public_host": "mqtt.example.org",
    }
    return PortalSettings(_env_file=None, **(given | values))


@asynccontextmanager
async def _living(app: Litestar) -> AsyncGenerator[None, None]:
    """The application's lifespan in a task of its own: pytest ends a fixture in another task than it began in."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            begun.set()
            await ended.wait()

    task = asyncio.create_task(live(), name="tests.portal")
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(task, waiting)


def _idle_application(parts: Parts, key: str) -> Litestar:
    """One that an earlier portal had, if there is one; it knows these parts now."""
    if idle := _IDLE.get(key):
        app = idle.pop()
        app.state.parts = parts
        return app
    return _application(parts)


def _application(parts: Parts) -> Litestar:
    app = create_app(parts)
    assert isinstance(app.template_engine, JinjaTemplateEngine)
    app.template_engine.engine.bytecode_cache = _COMPILED
    return app


@asynccontextmanager
async def running_portal(
    folder: Path, *, hasher: PasswordHasher = CHEAP, own_app: bool = False, **values: Any
) -> AsyncGenerator[RunningPortal, None]:
    """A migrated database, the application around it, its lifespan entered. ``own_app``: for who adds routes."""
    settings = portal_settings(folder, **values)
    path = folder / "deye.db"
    ours = settings.database_url == f"sqlite:///{path}"
    # No test of the portal pulls the plug.
    engine, live_engine = (
        create_engine_for(settings.database_url, synchronous="OFF"),
        await open_live(settings.live_url),
    )
    await bring_up_to_date(engine)
    # The bridge makes the store's file; here nobody else does.
    await open_writer(settings.store, path=settings.readings_path).close()
    reader = open_reader(settings.store, path=settings.readings_path)
    bag, clock = MailBag(), Clock()
    parts = make_parts(
        settings,
        sessions=sessions_for(engine),
        live_engine=live_engine,
        reader=reader,
        now=clock,
        hasher=hasher,
        transport=bag,
        say=lambda _: None,
    )
    key = repr(sorted((name, value) for name, value in values.items() if name not in ("database_url", "data_dir")))
    app = _application(parts) if own_app else _idle_application(parts, key)
    try:
        async with _living(app):
            yield RunningPortal(app, parts, bag, clock, key, path if ours and hasher is CHEAP and not own_app else None)
    finally:
        await reader.close()
        await live_engine.dispose()
        await engine.dispose()
        if not own_app:
            _IDLE.setdefault(key, []).append(app)
