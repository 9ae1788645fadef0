"""A claim that was begun before its owner changed something takes nothing, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bridge.edges.claiming import activate
from bridge.routes import Claim, Route
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Inverter
from tests.registry_set_up import NOW, Site, site
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    """A database of each kind."""
    async with site(tmp_path, database_url) as made:
        yield made


async def read_before(place: Site, login: str) -> Route:
    """The route as a bridge has it."""
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        return entry.routes[""]


async def held(place: Site, inverter_id: UUID) -> str | None:
    """The serial it holds."""
    async with place.sessions() as session:
        return (await session.get_one(Inverter, inverter_id)).active_serial


@pytest.mark.parametrize("state", [ClaimState.RELEASED, ClaimState.DISPUTED, ClaimState.ACTIVE])
async def test_a_feed_that_is_not_pending_any_more_takes_nothing(place: Site, state: ClaimState) -> None:
    """Given away or settled meanwhile: the answer is what the feed is now."""
    login, inverter_id = await place.pair()
    route = await read_before(place, login)
    async with place.sessions.begin() as session:
        await session.execute(update(Feed).values(claim_state=state))

    claim = await activate(place.sessions, route, NOW)

    assert claim == Claim(state)
    assert await held(place, inverter_id) is None


async def test_a_deleted_inverter_takes_nothing(place: Site) -> None:
    """Its feed stays pending, so that it claims when it is brought back."""
    login, inverter_id = await place.pair()
    route = await read_before(place, login)
    async with place.sessions.begin() as session:
        await session.execute(update(Inverter).values(deleted_at=NOW))

    claim = await activate(place.sessions, route, NOW)

    async with place.sessions() as session:
        state = (await session.scalars(select(Feed.claim_state))).one()
    assert (claim, state) == (Claim.PENDING, ClaimState.PENDING)
    assert await held(place, inverter_id) is None


async def test_claims_and_changes_meet_again_and_again(place: Site) -> None:
    """Two claimants whose bridge claims, while the serial goes from one to the other: nobody waits for ever, and at the
    end exactly one holds it.
    """
    pairs = [await place.pair() for _ in range(2)]
    routes = [await read_before(place, login) for login, _ in pairs]
    ids = [inverter_id for _, inverter_id in pairs]

    async def hand_over(giver: UUID, taker: UUID) -> None:
        async with place.sessions.begin() as session:
            await registry_changed(session, inverter_id=giver)
            await session.execute(update(Feed).where(Feed.inverter_id.in_(ids)).values(claim_state=ClaimState.PENDING))
            await session.execute(update(Inverter).where(Inverter.id == giver).values(active_serial=None))
            await session.execute(update(Inverter).where(Inverter.id == taker).values(active_serial=Inverter.serial))

    await activate(place.sessions, routes[0], NOW)
    for turn in range(20):
        giver, taker = ids if turn % 2 == 0 else reversed(ids)
        await asyncio.wait_for(
            asyncio.gather(hand_over(giver, taker), *(activate(place.sessions, route, NOW) for route in routes * 2)), 30
        )

    holders = [await held(place, inverter_id) for inverter_id in ids]
    assert sorted(holder is None for holder in holders) == [False, True]
