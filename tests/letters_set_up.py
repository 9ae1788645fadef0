"""What tests of dead letters do to a home: make trouble, repair it, ask for a replay or a purge, look at originals."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import update

from schema.changes import registry_changed
from schema.models import (
    DeadLetterRequest,
    Feed,
    Inverter,
    LetterAction,
    Login,
    RequestSource,
    RequestState,
)
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Destination, PointsRefused
from schema.timeseries.stores import open_writer
from schema.verifiers import new_login
from tests.bridge_set_up import SECRET, Home, Paired
from tests.waiting import until_async


def stranger(place: Home) -> str:
    """A login that the broker lets in and the database does not know."""
    login = new_login()
    place.broker.allow({login: SECRET})
    return login


async def make_known(place: Home, login: str, paired: Paired) -> None:
    """The login appears in the database, as another one of this inverter."""
    now = datetime.now(UTC)
    async with place.sessions.begin() as session:
        version = await registry_changed(session)
        session.add(Login(name=login, owner_id=paired.owner_id, verifier="-", registry_version=version, created_at=now))
        await session.flush()
        session.add(Feed(login=login, inverter_id=paired.inverter_id))


async def rate(place: Home, paired: Paired, watts: int) -> None:
    """The owner corrects what his inverter can deliver."""
    async with place.sessions.begin() as session:
        await session.execute(update(Inverter).where(Inverter.id == paired.inverter_id).values(rated_power_w=watts))
        await registry_changed(session)


async def ask(place: Home, action: LetterAction, *, inverter_id: UUID | None = None, **named: str) -> UUID:
    """A request's row, as page and command write it."""
    request = DeadLetterRequest(
        id=uuid4(),
        action=action,
        source=RequestSource.COMMAND,
        requested_at=datetime.now(UTC),
        inverter_id=inverter_id,
        **named,
    )
    async with place.sessions.begin() as session:
        session.add(request)
    return request.id


async def carried_out(
    place: Home, action: LetterAction, *, inverter_id: UUID | None = None, limit_s: float = 30.0, **named: str
) -> DeadLetterRequest:
    """Ask and wait until a running bridge has done it; the row afterwards."""
    return await answered(place, await ask(place, action, inverter_id=inverter_id, **named), limit_s=limit_s)


async def answered(place: Home, request_id: UUID, *, limit_s: float = 30.0) -> DeadLetterRequest:
    """Wait for the end of a request; its row."""

    async def row() -> DeadLetterRequest | None:
        async with place.sessions() as session:
            found = await session.get(DeadLetterRequest, request_id)
        return found if found is not None and found.finished_at is not None else None

    found = await until_async(row, limit_s=limit_s)
    assert found is not None
    assert found.state in (RequestState.DONE, RequestState.FAILED)
    return found


async def shown(place: Home, count: int) -> None:
    """Wait until the pages would show so many messages in all as set aside."""

    async def told() -> bool:
        return sum(letter.count for letter in await place.letters()) == count

    await until_async(told, limit_s=20.0)


def originals(path: Path) -> list[tuple[str, bytes]]:
    """Topic and payload of each original in a spool, in their order."""
    other = sqlite3.connect(path)
    try:
        return other.execute("SELECT topic, payload FROM letter ORDER BY at_ms, id").fetchall()
    finally:
        other.close()


def points(place: Home, paired: Paired, *quantities: str) -> dict[int, tuple[float | None, ...]]:
    """What the embedded store holds for this inverter: UTC milliseconds to values, None where a point has none."""
    other = sqlite3.connect(place.settings.readings_path)
    try:
        scales = dict(other.execute("SELECT name, scale FROM quantity").fetchall())
        columns = ", ".join(f'"{name}"' for name in quantities)
        rows = other.execute(
            f"SELECT at_ms, {columns} FROM point JOIN inverter ON inverter.id = point.inverter"
            " WHERE inverter.inverter = ? ORDER BY at_ms",
            (paired.inverter_id.bytes,),
        ).fetchall()
    finally:
        other.close()
    return {
        at: tuple(
            None if value is None else value / scales[name] for name, value in zip(quantities, values, strict=True)
        )
        for at, *values in rows
    }


class RefusingStore:
    """The embedded store with a wrong idea: until it is ``repaired`` it refuses every line with this text in it."""

    durable = True

    def __init__(self, place: Home, text: bytes) -> None:
        self._store = open_writer(StoreKind.EMBEDDED, path=place.settings.readings_path)
        self._text = text
        self.repaired = False

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Write, or refuse."""
        if not self.repaired and any(self._text in line for line in lines):
            raise PointsRefused("field type conflict: \x00<b>ac_power</b>", status=422)
        await self._store.write(destination, lines)

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()
