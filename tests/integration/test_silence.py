"""A year of silence frees a serial; whoever cannot be asked has heard something, and who wakes up claims again."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bridge.routes import Claim
from portal.serials.silence import SILENT_FOR, Silence
from schema import live
from schema.models import (
    AuditEntry,
    ClaimState,
    Feed,
    FormerSerial,
    Inverter,
    Placement,
    PlacementState,
    Rung,
    SerialEnd,
)
from schema.timeseries.port import CounterDay, Sample, Source, StoreUnavailable, Window
from tests.people import Cast, login_of, the_cast
from tests.portal_app import running_portal
from tests.registry_set_up import Site
from tests.waiting import until

pytestmark = pytest.mark.integration

SERIAL = "2711111111"


class OneSample:
    """A store that has one reading of everybody, as old as it is told; None is away."""

    def __init__(self, at: datetime | None) -> None:
        self.at = at
        self.asked = 0

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        """See ``SeriesReader``."""
        del source
        self.asked += 1
        if self.at is None:
            raise StoreUnavailable("away")
        return {"ac_power": Sample(self.at, 1.0)} if self.at >= since else {}

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        """Nobody asks."""
        raise NotImplementedError

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        """Nobody asks."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def cast(tmp_path: Path, database_url: str) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own, over each kind of database; the roof has held its serial for 400 days."""
    async with running_portal(tmp_path, database_url=database_url) as portal, the_cast(portal) as people:
        long_ago = portal.clock() - timedelta(days=400)
        async with portal.parts.sessions.begin() as session:
            claimed = update(Feed).where(Feed.inverter_id == people.roof)
            await session.execute(claimed.values(claim_state=ClaimState.ACTIVE, activated_at=long_ago))
            await session.execute(
                update(Inverter)
                .where(Inverter.id == people.roof)
                .values(active_serial=Inverter.serial, created_at=long_ago)
            )
            await session.execute(update(Placement).values(state=PlacementState.READY))
        yield people


def sweeper(cast: Cast, store: OneSample) -> Silence:
    """The task, over this store."""
    parts = cast.portal.parts
    return Silence(parts.sessions, parts.live_engine, store, parts.sealer, parts.now)


async def heard(cast: Cast, at: datetime) -> None:
    """The roof's live row."""
    row: dict[str, object] = {
        "inverter_id": cast.roof, "version": 1, "rung": Rung.VALUES_PLAUSIBLE, "values": {}, "reading_at": at,
        "seen_at": at, "refusal": "", "refusal_detail": "", "refused_at": None,
    }  # fmt: skip
    await live.put(cast.portal.parts.live_engine, [row])


async def held(cast: Cast) -> str | None:
    """The serial that the roof holds."""
    async with cast.portal.parts.sessions() as session:
        return (await session.get_one(Inverter, cast.roof)).active_serial


async def test_after_a_year_the_serial_is_free_and_its_owner_reads_why(cast: Cast) -> None:
    """Bob's device, disputed until now, claims with its next reading; Alice keeps every reading and is told."""
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    async with cast.portal.parts.sessions.begin() as session:
        waiting = update(Feed).where(Feed.inverter_id == bobs)
        await session.execute(waiting.values(claim_state=ClaimState.DISPUTED))
    freed = await sweeper(cast, OneSample(cast.portal.clock() - timedelta(days=366))).turn()
    again = await sweeper(cast, OneSample(cast.portal.clock() - timedelta(days=366))).turn()
    page = await cast.alice.get("/")

    async with cast.portal.parts.sessions() as session:
        states = dict((await session.execute(select(Feed.inverter_id, Feed.claim_state))).all())
        kept = (await session.scalars(select(FormerSerial))).one()
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "serial.freed"))).one()
    assert (freed, again) == (1, 0)
    assert await held(cast) is None
    assert (states[cast.roof], states[bobs]) == (ClaimState.PENDING, ClaimState.PENDING)
    assert (kept.serial, kept.why) == (SERIAL, SerialEnd.SILENT)
    assert (entry.actor, entry.details) == ("system", {"serial": SERIAL})
    assert f"the serial {SERIAL} is free for others" in page.text


@pytest.mark.parametrize("heard_by", ["live row", "store", "nobody can be asked", "no place", "claimed lately", "new"])
async def test_whatever_speaks_for_it_keeps_the_serial(cast: Cast, heard_by: str) -> None:
    """A year is long; a doubt is enough."""
    now = cast.portal.clock()
    store = OneSample(now - timedelta(days=366))
    async with cast.portal.parts.sessions.begin() as session:
        if heard_by == "live row":
            await heard(cast, now - timedelta(days=300))
        elif heard_by == "store":
            store.at = now - timedelta(days=364)
        elif heard_by == "nobody can be asked":
            store.at = None
        elif heard_by == "no place":
            await session.execute(update(Placement).values(state=PlacementState.PENDING))
        elif heard_by == "claimed lately":
            await session.execute(update(Feed).values(activated_at=now - timedelta(days=10)))
        else:
            await session.execute(update(Inverter).values(created_at=now - timedelta(days=300)))

    assert await sweeper(cast, store).turn() == 0
    assert await held(cast) == SERIAL


async def test_an_old_live_row_asks_the_store_and_a_new_one_spares_it(cast: Cast) -> None:
    """The row is a cache: what it knows is believed, what it does not know is asked."""
    now, store = cast.portal.clock(), OneSample(cast.portal.clock())
    await heard(cast, now - timedelta(days=1))
    await sweeper(cast, store).turn()
    spared = store.asked
    await heard(cast, now - SILENT_FOR - timedelta(days=1))
    await sweeper(cast, store).turn()

    assert (spared, store.asked) == (0, 1)


async def test_who_wakes_up_claims_again(cast: Cast, tmp_path: Path) -> None:
    """With its old secret, by its next reading."""
    await sweeper(cast, OneSample(cast.portal.clock() - timedelta(days=366))).turn()
    login = (await login_of(cast.portal, cast.roof)).name
    place = Site(tmp_path, cast.portal.parts.settings.database_url)
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        claimed = await bridge.registry.claim(entry.routes[""], device_key="", alias="")
    await place.engine.dispose()

    assert claimed.claim is Claim.ACTIVE
    assert await held(cast) == SERIAL


async def test_a_fleet_without_live_rows_is_asked_about_little_by_little(cast: Cast) -> None:
    """Each turn goes on where the last one stopped."""
    long_ago = cast.portal.clock() - timedelta(days=400)
    async with cast.portal.parts.sessions.begin() as session:
        owner_id = (await session.get_one(Inverter, cast.roof)).owner_id
        made = [
            Inverter(
                id=UUID(int=number + 1), owner_id=owner_id, name="x", serial=f"26{number:08}",
                active_serial=f"26{number:08}", created_at=long_ago,
            )
            for number in range(70)
        ]  # fmt: skip
        session.add_all(made)
        await session.flush()
        session.add_all(
            [Placement(inverter_id=one.id, state=PlacementState.READY, updated_at=long_ago) for one in made]
        )
    store = OneSample(cast.portal.clock())
    task = sweeper(cast, store)
    asked = []
    for _ in range(3):
        await task.turn()
        asked.append(store.asked)

    assert asked == [50, 71, 121]
