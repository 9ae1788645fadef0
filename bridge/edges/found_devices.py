"""Devices that speak through a login and have no feed there, noted for its owner to adopt. Best effort: gathered in
memory, written now and then, never waited for.

Who owns a login can make up devices as he likes, so there are 32 of them for each, and one that has been silent for a
day gives way to a new one. Of a login that the registry does not have nothing is noted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.decoded import LONGEST_DEVICE
from bridge.routes import Directory
from bridge.seldom import Seldom
from schema.database import Sessions, insert_or_update
from schema.database_faults import database_faults
from schema.models import Feed, FoundDevice, Login

_log = structlog.get_logger(__name__)

MOST_FOR_A_LOGIN = 32
GIVES_WAY_AFTER = timedelta(days=1)
KEPT_FOR = timedelta(days=30)
# A new device is shown at once, its count and its last word now and then.
FLUSH_S = 1.0
AGAIN_S = 60.0
TIDY_EVERY_S = 3600.0
_MOST_AT_ONCE = 200
_MOST_IN_MEMORY = 20_000

_Key = tuple[str, str]


@dataclass(slots=True)
class _Device:
    """What has come since it was last written."""

    serial: str
    dialect: str
    first_at: datetime
    last_at: datetime
    messages: int = 0
    written: float = float("-inf")


class FoundDevices:
    """``run`` writes what was noted."""

    def __init__(
        self, sessions: Sessions, directory: Callable[[], Directory], url: str, clock: Clock, counters: Counters
    ) -> None:
        self._sessions = sessions
        self._directory = directory
        self._faults = database_faults(url)
        self._clock = clock
        self._counters = counters
        self._trouble = Seldom(clock.monotonic)
        self._devices: dict[_Key, _Device] = {}
        self._of_login: dict[str, int] = {}

    def note(self, login: str, selector: str, *, serial: str, dialect: str, at: datetime) -> None:
        """A message of it came. A name that no feed could have is left alone."""
        if not 0 < len(selector) <= LONGEST_DEVICE or not selector.isprintable() or login not in self._directory():
            return
        device = self._devices.get((login, selector))
        if device is None:
            if self._of_login.get(login, 0) >= MOST_FOR_A_LOGIN or len(self._devices) >= _MOST_IN_MEMORY:
                return
            device = self._devices[login, selector] = _Device(serial, dialect, at, at)
            self._of_login[login] = self._of_login.get(login, 0) + 1
        device.serial = serial or device.serial
        device.last_at = max(device.last_at, at)
        device.messages += 1

    async def run(self) -> None:
        """Write, for ever."""
        tidy_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(FLUSH_S)
            with self._trouble.outlived(self._faults, _log, "found_devices.not_written"):
                while await self.flush() == _MOST_AT_ONCE:
                    pass
                if self._clock.monotonic() >= tidy_at:
                    await self.tidy()
                    tidy_at = self._clock.monotonic() + TIDY_EVERY_S

    async def flush(self) -> int:
        """Write what is due; how many devices."""
        now = self._clock.monotonic()
        rested = [key for key, device in self._devices.items() if now - device.written >= AGAIN_S]
        self._forget(key for key in rested if not self._devices[key].messages)
        due = [key for key in rested if key in self._devices][:_MOST_AT_ONCE]
        if not due:
            return 0
        told = [self._row(key) for key in due]
        async with self._sessions() as session, session.begin():
            adoptable = await self._adoptable(session, due)
            known = await _rows_of(session, {login for login, _ in due})
            for row in told:
                key = (str(row["login"]), str(row["selector"]))
                if key in adoptable and await _has_room(session, known[key[0]], key, self._clock.now()):
                    await session.execute(_upsert(session, row))
                    known[key[0]][key[1]] = self._devices[key].last_at
        self._forget(key for key in due if key not in adoptable)
        for key, row in zip(due, told, strict=True):
            if key in adoptable:
                device = self._devices[key]
                device.messages -= int(str(row["messages"]))
                device.written = now
        self._counters.devices_noted += len(adoptable)
        return len(due)

    async def tidy(self) -> None:
        """Forget devices that have not spoken for long."""
        async with self._sessions() as session, session.begin():
            await session.execute(delete(FoundDevice).where(FoundDevice.last_seen_at < self._clock.now() - KEPT_FOR))

    def _row(self, key: _Key) -> dict[str, object]:
        device = self._devices[key]
        return {
            "login": key[0],
            "selector": key[1],
            "serial": device.serial,
            "dialect": device.dialect,
            "first_seen_at": device.first_at,
            "last_seen_at": device.last_at,
            "messages": device.messages,
        }

    def _forget(self, keys: Iterable[_Key]) -> None:
        for key in list(keys):
            del self._devices[key]
            left = self._of_login[key[0]] - 1
            self._of_login[key[0]] = left
            if not left:
                del self._of_login[key[0]]

    @staticmethod
    async def _adoptable(session: AsyncSession, keys: Sequence[_Key]) -> set[_Key]:
        """Those whose login is still there and has no feed for them by now."""
        names = {login for login, _ in keys}
        living = set((await session.scalars(select(Login.name).where(Login.name.in_(names)))).all())
        adopted = select(Feed.login, Feed.selector).where(tuple_(Feed.login, Feed.selector).in_(keys))
        taken = {(login, selector) for login, selector in (await session.execute(adopted)).all()}
        return {key for key in keys if key[0] in living and key not in taken}


async def _rows_of(session: AsyncSession, logins: set[str]) -> dict[str, dict[str, datetime]]:
    """The devices these logins have, and when each was last heard."""
    found: dict[str, dict[str, datetime]] = {login: {} for login in logins}
    columns = select(FoundDevice.login, FoundDevice.selector, FoundDevice.last_seen_at)
    for login, selector, last_at in await session.execute(columns.where(FoundDevice.login.in_(logins))):
        found[login][selector] = last_at
    return found


async def _has_room(session: AsyncSession, known: dict[str, datetime], key: _Key, now: datetime) -> bool:
    """Whether the device has its row, or may have one: perhaps that of the one that has been silent longest."""
    if key[1] in known or len(known) < MOST_FOR_A_LOGIN:
        return True
    quietest = min(known, key=known.__getitem__)
    if now - known[quietest] < GIVES_WAY_AFTER:
        return False
    del known[quietest]
    await session.execute(delete(FoundDevice).where(FoundDevice.login == key[0], FoundDevice.selector == quietest))
    return True


def _upsert(session: AsyncSession, row: dict[str, object]) -> Any:
    statement = insert_or_update(session.get_bind().dialect.name, FoundDevice).values(**row)
    new = statement.excluded
    changed = {
        "last_seen_at": new.last_seen_at,
        "messages": FoundDevice.messages + new.messages,
        "dialect": new.dialect,
        **({"serial": new.serial} if row["serial"] else {}),
    }
    return statement.on_conflict_do_update(index_elements=["login", "selector"], set_=changed)
