"""Acts about one serial that meet: whatever wins, one inverter or none holds it, and feeds and inverters say the same.

On both databases. What else meets is in ``test_stale_claims`` (claims and a serial that moves), ``test_serials`` (yes
and no at once) and ``test_admin_claims`` (two decisions).
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bridge.edges.claiming import activate, contest
from bridge.routes import Claim, Route
from portal.serials.freeing import others_may_claim
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Inverter, Login
from tests.people import login_of, the_cast
from tests.portal_app import running_portal
from tests.registry_set_up import NOW, Site, Watched, site
from tests.serial_states import desk, has_spoken, request_of, state_of
from tests.waiting import until

pytestmark = pytest.mark.integration

SERIAL = "2711111111"


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    """A database of each kind."""
    async with site(tmp_path, database_url) as made:
        yield made


async def route_of(bridge: Watched, login: str) -> Route:
    """As a bridge has read it."""
    await until(lambda: bridge.knows(login))
    entry = bridge.registry.directory.login(login)
    assert entry is not None
    return entry.routes[""]


async def standing(place: Site) -> dict[UUID, tuple[ClaimState, str | None]]:
    """By inverter: its feed's claim, and the serial it holds."""
    async with place.sessions() as session:
        rows = await session.execute(
            select(Inverter.id, Feed.claim_state, Inverter.active_serial).join(Feed, Feed.inverter_id == Inverter.id)
        )
        return {inverter_id: (state, serial) for inverter_id, state, serial in rows}


async def test_of_two_who_claim_at_once_one_holds_the_serial(place: Site) -> None:
    """T35: two bridges, as while one takes over from the other, claim the same serial for two owners, each for both."""
    pairs = [await place.pair() for _ in range(2)]
    async with place.registry(following=False) as one, place.registry(following=False) as other:
        for _ in range(5):
            async with place.sessions.begin() as session:
                await session.execute(update(Feed).values(claim_state=ClaimState.PENDING))
                await session.execute(update(Inverter).values(active_serial=None))
            for bridge in (one, other):
                await bridge.registry.look_up([login for login, _ in pairs])
            routes = [(bridge, await route_of(bridge, login)) for bridge in (one, other) for login, _ in pairs]
            told = await asyncio.gather(
                *(bridge.registry.claim(route, device_key="", alias="") for bridge, route in routes)
            )
            found = await standing(place)

            assert sorted(found.values(), key=str) == [(ClaimState.ACTIVE, SERIAL), (ClaimState.DISPUTED, None)]
            assert all(Claim(found[route.inverter_id][0]) is route.claim for route in told)


class Contest:
    """One inverter holds the serial; another one's first reading has found that out and is about to note it."""

    def __init__(self, place: Site, holder: UUID, claimant: Route) -> None:
        self.place = place
        self.holder = holder
        self.claimant = claimant

    async def begin(self) -> None:
        """From the beginning."""
        async with self.place.sessions.begin() as session:
            mine = Feed.id == self.claimant.feed_id
            await session.execute(update(Feed).where(mine).values(claim_state=ClaimState.PENDING))
            await session.execute(update(Feed).where(~mine).values(claim_state=ClaimState.ACTIVE))
            held = update(Inverter).where(Inverter.id == self.holder)
            await session.execute(held.values(active_serial=Inverter.serial))
        assert await activate(self.place.sessions, self.claimant, NOW) is Claim.DISPUTED

    async def noted(self) -> Claim:
        """The bridge's second step."""
        async with self.place.sessions.begin() as session:
            return await contest(session, self.claimant)

    async def released(self) -> None:
        """As whoever frees a serial: given away, deleted, replaced, silent for a year."""
        async with self.place.sessions.begin() as session:
            await registry_changed(session, inverter_id=self.holder)
            await others_may_claim(session, SERIAL, but=self.holder)
            gone = update(Feed).where(Feed.inverter_id == self.holder)
            await session.execute(gone.values(claim_state=ClaimState.RELEASED))
            await session.execute(update(Inverter).where(Inverter.id == self.holder).values(active_serial=None))

    async def state(self) -> ClaimState:
        """The claimant's claim."""
        return (await standing(self.place))[self.claimant.inverter_id][0]


async def test_nobody_is_left_contesting_a_serial_that_was_let_go(place: Site) -> None:
    """In either order, and begun at once: the claimant's next reading claims it."""
    _, holder = await place.pair()
    login, _ = await place.pair()
    async with place.registry() as bridge:
        one = Contest(place, holder, await route_of(bridge, login))
    await one.begin()
    alone = (await one.noted(), await one.state())
    await one.released()
    after = await one.state()
    await one.begin()
    await one.released()
    before = (await one.noted(), await one.state())
    met = []
    for turn in range(10):
        await one.begin()
        acts = (one.noted, one.released) if turn % 2 else (one.released, one.noted)
        await asyncio.wait_for(asyncio.gather(*(act() for act in acts)), 30)
        met.append(await one.state())

    assert alone == (Claim.DISPUTED, ClaimState.DISPUTED)
    assert after == ClaimState.PENDING
    assert before == (Claim.PENDING, ClaimState.PENDING)
    assert met == [ClaimState.PENDING] * 10
    assert await activate(place.sessions, one.claimant, datetime.now(UTC)) is Claim.ACTIVE


async def test_a_transfer_and_the_end_of_the_holders_login_at_once(tmp_path: Path, database_url: str) -> None:
    """Alice says yes to Bob and revokes her login in another tab while his device speaks: the serial is his, her login
    is gone, and nothing is half done.
    """
    async with running_portal(tmp_path, database_url=database_url) as portal, the_cast(portal) as cast:
        await has_spoken(cast, cast.roof)
        bobs = await cast.bob.add_inverter("Bought", SERIAL)
        await cast.bob.post(f"/inverters/{bobs}/serial/ask")
        await desk(cast)
        hers, his = [await login_of(portal, one) for one in (cast.roof, bobs)]
        question = await request_of(cast)
        place = Site(tmp_path, portal.parts.settings.database_url)
        async with place.registry(following=False) as bridge:
            route = await route_of(bridge, his.name)
            answers = await asyncio.gather(
                cast.alice.post(f"/serials/{question.id}/answer", answer="yes"),
                cast.alice.post(f"/inverters/{cast.roof}/logins/revoke", login=hers.name),
                bridge.registry.claim(route, device_key="", alias=""),
            )
            claimed = await bridge.registry.claim(route, device_key="", alias="")
        await place.engine.dispose()
        async with portal.parts.sessions() as session:
            revoked = (await session.get_one(Login, hers.name)).revoked_at

        assert answers[0].status_code == 303
        assert answers[1].status_code in (303, 404)
        assert claimed.claim is Claim.ACTIVE
        assert revoked is not None
        assert await state_of(cast, cast.roof) == (None, [ClaimState.RELEASED], False)
        assert await state_of(cast, bobs) == (SERIAL, [ClaimState.ACTIVE], True)
