"""Who told what a device is: an owner's word stays, a collector fills in the rest, the bridge hears of a new power."""

import asyncio
from uuid import UUID, uuid4

import pytest

from portal.inverters.metadata import Told, Value, sources_of, tell
from schema.changes import registry_version
from schema.models import Inverter, ToldBy
from tests.people import Cast

pytestmark = pytest.mark.integration

COLLECTOR = uuid4()


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def said(cast: Cast, told_by: ToldBy, source_id: UUID, **values: Value) -> Told:
    """Somebody says this of Alice's roof."""
    async with cast.portal.parts.sessions.begin() as session:
        inverter = await session.get_one(Inverter, cast.roof)
        return await tell(
            session, inverter, told_by=told_by, source_id=source_id, values=values, now=cast.portal.clock()
        )


async def known(cast: Cast) -> dict[str, tuple[Value, str | None]]:
    """Each value with who told it."""
    async with cast.portal.parts.sessions() as session:
        inverter, sources = await session.get_one(Inverter, cast.roof), await sources_of(session, cast.roof)
    names = ("sw_version", "rated_power_w", "number_of_mppts")
    return {name: (getattr(inverter, name), sources[name].told_by if name in sources else None) for name in names}


async def test_an_owners_word_stays_and_a_collector_fills_in_the_rest(cast: Cast) -> None:
    """The answer says what was kept; nothing of it is lost by what the collector says beside it."""
    await said(cast, ToldBy.OWNER, cast.alice.account_id, rated_power_w=800)

    told = await said(cast, ToldBy.COLLECTOR, COLLECTOR, rated_power_w=600, number_of_mppts=2)

    assert told == Told(before={"number_of_mppts": None}, after={"number_of_mppts": 2}, kept={"rated_power_w": 800})
    assert await known(cast) == {
        "sw_version": (None, None),
        "rated_power_w": (800, "owner"),
        "number_of_mppts": (2, "collector"),
    }


async def test_an_owner_may_correct_a_collector_and_take_his_own_word_back(cast: Cast) -> None:
    """Then the collector may say again."""
    await said(cast, ToldBy.COLLECTOR, COLLECTOR, sw_version="1.0")
    corrected = await said(cast, ToldBy.OWNER, cast.alice.account_id, sw_version="1.1")
    taken_back = await said(cast, ToldBy.OWNER, cast.alice.account_id, sw_version=None)
    again = await said(cast, ToldBy.COLLECTOR, COLLECTOR, sw_version="1.2")

    assert corrected == Told({"sw_version": "1.0"}, {"sw_version": "1.1"})
    assert taken_back == Told({"sw_version": "1.1"}, {"sw_version": None})
    assert again == Told({"sw_version": None}, {"sw_version": "1.2"})
    assert (await known(cast))["sw_version"] == ("1.2", "collector")


async def test_to_repeat_a_value_is_not_to_tell_it(cast: Cast) -> None:
    """A form that shows a collector's value and is sent for another field leaves its source as it was."""
    await said(cast, ToldBy.COLLECTOR, COLLECTOR, sw_version="1.0")
    first = cast.portal.clock()
    cast.portal.clock.go(hours=1)

    told = await said(cast, ToldBy.OWNER, cast.alice.account_id, sw_version="1.0", number_of_mppts=None)

    assert told == Told()
    async with cast.portal.parts.sessions() as session:
        source = (await sources_of(session, cast.roof))["sw_version"]
    assert (source.told_by, source.source_id, source.told_at) == (ToldBy.COLLECTOR, COLLECTOR, first)


async def test_the_bridge_hears_of_another_power_and_of_nothing_else(cast: Cast) -> None:
    """It judges values by the rated power, so that alone raises the registry's version."""

    async def version() -> int:
        async with cast.portal.parts.sessions() as session:
            return await registry_version(session)

    before = await version()
    await said(cast, ToldBy.COLLECTOR, COLLECTOR, sw_version="1.0", number_of_mppts=2)
    untouched = await version()
    await said(cast, ToldBy.COLLECTOR, COLLECTOR, rated_power_w=600)
    raised = await version()
    await said(cast, ToldBy.COLLECTOR, COLLECTOR, rated_power_w=600)

    assert (untouched, raised, await version()) == (before, before + 1, before + 1)


async def test_an_owner_and_collectors_at_once_never_lose_the_owners_word(cast: Cast) -> None:
    """Whoever comes first: afterwards the value is the owner's, and each changed what the one before had left."""
    owner = said(cast, ToldBy.OWNER, cast.alice.account_id, rated_power_w=800)
    collectors = [said(cast, ToldBy.COLLECTOR, COLLECTOR, rated_power_w=600 + number) for number in range(8)]

    told = await asyncio.gather(*collectors[:4], owner, *collectors[4:])

    assert (await known(cast))["rated_power_w"] == (800, "owner")
    befores = [one.before["rated_power_w"] for one in told if one.before]
    assert len(set(befores)) == len(befores)
    assert all(one.before or one.kept == {"rated_power_w": 800} for one in told)
