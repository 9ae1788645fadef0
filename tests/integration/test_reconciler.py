"""Whatever somebody changes in InfluxDB by hand is as the rows say within a sweep; nothing else is touched."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.audit import Action
from portal.provisioner import saga
from schema.changes import registry_changed, registry_version
from schema.database import reading
from schema.models import Orphan, OwnerPlacement, Placement, PlacementState
from schema.timeseries.management import StoreManager
from tests.estate import Estate, InInflux
from tests.mended import acts, mended, one_of_each, told

pytestmark = pytest.mark.integration


async def test_where_nothing_was_changed_nothing_is_done(place: Estate) -> None:
    """No version, no entry, no write."""
    held = await place.settled()
    async with reading(place.sessions) as session:
        before = await registry_version(session)

    count = await place.reconciler().sweep()

    async with reading(place.sessions) as session:
        assert await registry_version(session) == before
    assert (count, await acts(place)) == (0, [])
    await one_of_each(place, held)


async def test_a_deleted_bucket_is_made_anew_and_its_owner_told(place: Estate, manager: StoreManager) -> None:
    """With new tokens, empty; a neighbour of the same owner keeps what he has."""
    roof = await place.settled()
    shed = await place.inverter(roof.owner_id)
    await place.provisioner().turn()
    await place.write(shed, 17.0)
    _, before = await place.rows(roof)
    assert before is not None
    await manager.delete_bucket(before.bucket_id)

    count = await mended(place)
    after = await place.newest(roof)
    await place.write(roof, 5.0)

    assert (count, after) == (1, None)
    assert (await place.newest(roof), await place.newest(shed)) == (5.0, 17.0)
    assert await acts(place) == [Action.PLACE_RENEWED]
    assert await told(place) == {roof.inverter_id}
    assert [await manager.token(one) for one in (before.bridge_authorization_id, before.external_authorization_id)] == [
        None,
        None,
    ]
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    assert len((await place.in_influx(roof, shed)).tokens) == 5


async def test_a_deleted_organisation_is_made_anew_with_all_that_was_in_it(
    place: Estate, manager: StoreManager
) -> None:
    """Its tokens are in no list any more; they go by the ids in the rows."""
    roof = await place.settled()
    shed = await place.inverter(roof.owner_id)
    await place.provisioner().turn()
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    await manager.delete_organisation(home.org_id)

    count = await mended(place)
    for one in (roof, shed):
        await place.write(one, 5.0)

    assert count == 1
    assert [await place.newest(one) for one in (roof, shed)] == [5.0, 5.0]
    assert await acts(place) == [Action.PLACE_RENEWED]
    assert await told(place) == {roof.inverter_id, shed.inverter_id}
    found = await place.in_influx(roof, shed)
    assert (len(found.organisations), len(found.buckets), len(found.tokens)) == (1, 2, 5)


async def test_names_changed_by_hand_are_given_back(place: Estate, manager: StoreManager) -> None:
    """By id: everything in them stays, and the portal, which asks by name, reads on."""
    roof = await place.settled()
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    await manager.rename_organisation(home.org_id, f"renamed-{home.org_id}")
    await manager.rename_bucket(row.bucket_id, "renamed")

    count = await mended(place)

    assert count == 2
    assert await place.newest(roof) == 412.0
    assert await acts(place) == [Action.NAME_GIVEN_BACK, Action.NAME_GIVEN_BACK]
    await one_of_each(place, roof)


async def test_a_name_that_somebody_else_has_taken_holds_back_nobody(place: Estate, manager: StoreManager) -> None:
    """It cannot be given back; the other flaw of the same sweep is mended, and the intruder is listed."""
    roof, shed = await place.settled(), await place.settled()
    home, _ = await place.rows(roof)
    _, other = await place.rows(shed)
    assert home is not None
    assert other is not None
    await manager.rename_organisation(home.org_id, f"renamed-{home.org_id}")
    intruder = await manager.find_or_create_organisation(saga.organisation_name(roof.owner_id))
    await manager.delete_authorization(other.bridge_authorization_id)

    count = await place.reconciler().sweep()
    async with reading(place.sessions) as session:
        listed = (await session.scalars(select(Orphan.external_id))).all()

    assert count == 1
    assert intruder in listed
    await place.write(shed, 18.0)


async def test_a_place_whose_half_was_deleted_while_it_was_made_is_made(place: Estate, manager: StoreManager) -> None:
    """Else the saga would go on for ever from an organisation that is gone."""
    roof = await place.settled()
    home, _ = await place.rows(roof)
    assert home is not None
    async with place.sessions.begin() as session:
        (await session.get_one(OwnerPlacement, roof.owner_id)).state = PlacementState.PENDING
        (await session.get_one(Placement, roof.inverter_id)).state = PlacementState.PENDING
    await manager.delete_organisation(home.org_id)

    await place.reconciler().sweep()
    await place.provisioner().turn()
    await place.write(roof, 5.0)

    assert await place.newest(roof) == 5.0
    assert await told(place) == set()


async def test_what_leaves_is_not_made_anew(place: Estate) -> None:
    """Between the steps of an erasure nothing is as a row says, and that is right so."""
    roof = await place.settled()
    await place.delete(roof)
    await place.abandon(roof.owner_id)
    provisioner = place.provisioner()

    for _ in range(5):
        await provisioner.turn()
        assert await place.reconciler().sweep() == 0
        await place.bridge_drops()
        place.now += timedelta(minutes=1)

    assert await place.in_influx(roof) == InInflux([], [], [])


async def test_a_server_that_is_away_is_asked_again_later(place: Estate) -> None:
    """The sweep is put off, longer each time, and nothing is taken for gone."""
    roof = await place.settled()
    reconciler = place.reconciler()
    await place.store.server.leave()

    waits = [await reconciler.turn()]
    place.now += timedelta(seconds=1)
    waits.append(await reconciler.turn())
    await place.store.server.come_back()
    place.now += timedelta(seconds=2)
    after = await reconciler.turn()

    assert waits == [1.0, 2.0]
    assert after == 60.0
    await one_of_each(place, roof)


async def test_it_sweeps_at_the_start_now_and_then_and_after_changes(place: Estate, manager: StoreManager) -> None:
    """A change brings it forward, but leaves it its rest."""
    roof = await place.settled()
    reconciler = place.reconciler(every_s=60.0)
    first = await reconciler.turn()
    _, row = await place.rows(roof)
    assert row is not None
    await manager.delete_authorization(row.bridge_authorization_id)

    place.now += timedelta(seconds=1)
    quiet = await reconciler.turn()
    async with place.sessions.begin() as session:
        await registry_changed(session)
    changed = await reconciler.turn()
    acts_before = await acts(place)
    place.now += timedelta(seconds=4)
    await reconciler.turn()

    assert (first, quiet, changed) == (60.0, 59.0, 4.0)
    assert acts_before == []
    assert await acts(place) == [Action.TOKEN_RENEWED]
