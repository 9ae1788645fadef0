"""An inverter is erased while its bridge runs: what the spool keeps for it and what was set aside goes too."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import select, update

from bridge.app import Bridge
from bridge.replay import ABSENT_FOR_S
from portal.provisioner import erased_rows
from portal.provisioner.backoff import Backoff
from portal.provisioner.erasing import Erasing
from portal.provisioner.remains import NoRemains
from schema.changes import registry_changed
from schema.models import DeadLetter, Inverter, Login, PlacementState
from schema.timeseries.stores import open_eraser
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, settled
from tests.broker import Broker, broker
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults
_SECONDS = MappingProxyType({"limit_s": 60.0})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker."""
    with broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, server: Broker, database_url: str) -> AsyncIterator[Home]:
    """A home on each database, its readings in the embedded store."""
    async with home(tmp_path, server, database_url) as made:
        yield made


def _erasing(place: Home) -> Erasing:
    """The provisioner's, with the same clock as everybody's."""
    clock = iter(range(0, 1_000_000, 60))
    return Erasing(
        place.sessions,
        NoRemains(),
        open_eraser(place.settings.readings_path),
        here=erased_rows.not_at(()),
        live_url=place.settings.live_url,
        now=lambda: datetime.now(UTC),
        backoff=Backoff(lambda: float(next(clock)), lambda: 1.0),
    )


async def _delete(place: Home, *gone: Paired) -> None:
    """As after the last day on which they could be brought back."""
    now = datetime.now(UTC)
    async with place.sessions() as session, session.begin():
        ids, logins = [one.inverter_id for one in gone], [one.login for one in gone]
        await session.execute(update(Login).where(Login.name.in_(logins)).values(revoked_at=now))
        await session.execute(
            update(Inverter).where(Inverter.id.in_(ids)).values(deleted_at=now, erase_after=now, active_serial=None)
        )
        await registry_changed(session)


async def _erased(place: Home, one: Bridge, erasing: Erasing, *gone: Paired) -> None:
    """Provisioner and bridge go on until no row and no line of these is left."""
    ids = [each.inverter_id for each in gone]

    async def no_rows() -> bool:
        await erasing.turn()
        async with place.sessions() as session:
            return not (await session.scalars(select(Inverter.id).where(Inverter.id.in_(ids)))).all()

    await until_async(no_rows, **_SECONDS)

    async def no_lines() -> bool:
        for lane in one.writer.lanes:
            if lane.absent_since is not None:
                lane.absent_since = one.clock.monotonic() - ABSENT_FOR_S
        await one.writer._replay.drop_deleted()
        return not (await one.spool.holdings()).keys() & set(ids)

    await until_async(no_lines, **_SECONDS)


def _in_the_spool(place: Home, text: bytes) -> bool:
    """Whether the spool's tables still have it."""
    with closing(sqlite3.connect(f"file:{place.settings.spool_path}?mode=ro", uri=True)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return any(text in repr(row).encode() for table in tables for row in file.execute(f"SELECT * FROM {table}"))


async def test_nothing_of_it_stays_anywhere_and_its_neighbour_goes_on(place: Home) -> None:
    """Readings, originals and their counts, live row, lines that had no place yet; the neighbour loses nothing."""
    gone = await place.pair(serial="2711111111")
    unplaced = await place.pair(serial="2733333333", state=PlacementState.PENDING)
    kept = await place.pair(serial="2722222222")
    async with bridge(place) as one:
        async with (
            Publisher(place.broker, gone.login) as hers,
            Publisher(place.broker, unplaced.login) as waiting,
            Publisher(place.broker, kept.login) as his,
        ):
            await hers.send(gone.topic(), {"ac_power": 1.0})
            await hers.send(gone.topic(), "canary of alice")
            await waiting.send(unplaced.topic(), {"ac_power": 3.0})
            await his.send(kept.topic(), {"ac_power": 2.0})
            await his.send(kept.topic(), "canary of bob")
            await settled(one, 5)
            await until_async(lambda: place.live(gone))
            had = _in_the_spool(place, b"canary of alice"), len(await one.spool.holdings())
            await _delete(place, gone, unplaced)
            await _erased(place, one, _erasing(place), gone, unplaced)
            await his.send(kept.topic(), {"ac_power": 4.0})
            await settled(one, 6)
        await until(lambda: not _in_the_spool(place, b"canary of alice"))
        stored = await place.points(gone), await place.points(kept)
        letters = {letter.login for letter in await place.letters() if letter.payload}

    assert had == (True, 1)
    assert stored[0] == {}
    assert sorted(stored[1].values()) == [2.0, 4.0]
    assert await place.live(gone) is None
    assert await place.live(kept) is not None
    assert _in_the_spool(place, b"canary of bob")
    assert letters == {kept.login}
    async with place.sessions() as session:
        assert (await session.scalars(select(DeadLetter.login).where(DeadLetter.login == gone.login))).all() == []
        assert (await session.get_one(Login, gone.login)).revoked_at is not None
