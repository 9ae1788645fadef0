"""What is deleted leaves for good when its grace is over: tokens, bucket, readings, rows, and at last the owner."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.audit import Action
from schema.database import reading
from schema.models import (
    AuditEntry,
    DeadLetterRequest,
    Inverter,
    Login,
    Owner,
    OwnerPlacement,
    PlacementState,
)
from tests.erased import count_of, measuring
from tests.estate import Estate, Held, InInflux
from tests.store_set_ups import STORES, StoreSetUp, opened

pytestmark = pytest.mark.integration
GRACE = timedelta(days=7)


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """Each store in turn."""
    async with opened(request.param, request, tmp_path) as one:
        yield one


def _names(held: Held) -> tuple[str, ...]:
    """How rows spell an inverter's id, on both databases."""
    return str(held.inverter_id), held.inverter_id.hex, f"UUID('{held.inverter_id}')"


async def test_until_the_grace_is_over_everything_stays(place: Estate) -> None:
    """A second before nothing has happened, and the provisioner says when it will."""
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    await place.delete(roof, grace=GRACE)
    provisioner = place.provisioner()
    place.now += GRACE - timedelta(seconds=1)

    wait_s = await provisioner.turn()
    before = await place.newest(roof)
    place.now += timedelta(seconds=2)
    await place.settle(provisioner)

    assert wait_s is not None
    assert wait_s <= 1.0
    assert before == 412.0
    assert await place.rows(roof) != (None, None)
    assert (await place.rows(roof))[1] is None


async def test_an_inverter_leaves_nothing_and_its_neighbours_stay(place: Estate) -> None:
    """In the store, in every table of both databases; but its login's name, which nobody gets again, and the log."""
    alice = await place.owner()
    roof, shed = await measuring(place, alice, 412.0), await measuring(place, alice, 17.0)
    await place.delete(roof)

    await place.settle(place.provisioner())

    assert await place.rows_that_name(*_names(roof)) <= {"audit_entry", "registry_change"}
    assert await place.rows_that_name(roof.login) == {"login", "audit_entry", "dead_letter_request"}
    assert await place.newest(shed) == 17.0
    async with reading(place.sessions) as session:
        login = await session.get_one(Login, roof.login)
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == Action.INVERTER_ERASED))).one()
    assert (login.revoked_at is not None, login.label, login.made_by) == (True, "", None)
    assert (entry.actor, entry.subject, entry.owner_id) == ("system", f"inverter:{roof.inverter_id}", alice)
    if place.store.manager is not None:
        home, _ = await place.rows(shed)
        assert home is not None
        left = InInflux([home.org_id], [], [home.read_authorization_id])
        assert await place.in_influx(roof) == left


async def test_the_last_inverter_takes_an_owner_along_whom_nobody_acts_for(place: Estate) -> None:
    """As after an account's deletion: organisation, read token and row go too; another owner's stay."""
    alice, bob = await place.owner(), await place.owner()
    roof, shed = await measuring(place, alice, 412.0), await measuring(place, bob, 17.0)
    await place.delete(roof)
    await place.abandon(alice)

    await place.settle(place.provisioner())

    assert (await count_of(place, Owner), await count_of(place, Inverter)) == (1, 1)
    assert await place.newest(shed) == 17.0
    async with reading(place.sessions) as session:
        login = await session.get_one(Login, roof.login)
        acts = (await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all()
    assert (login.owner_id, login.revoked_at is None) == (None, False)
    assert acts == [Action.INVERTER_ERASED, Action.OWNER_ERASED]
    if place.store.manager is not None:
        assert await place.in_influx(roof) == InInflux([], [], [])
        assert len((await place.in_influx(shed)).tokens) == 3


async def test_an_owner_with_somebody_to_act_for_him_stays_without_an_inverter(place: Estate) -> None:
    """He can add another one tomorrow, in the same organisation."""
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    await place.delete(roof)

    await place.settle(place.provisioner())
    shed = await measuring(place, alice, 33.0)

    assert await place.newest(shed) == 33.0
    assert await count_of(place, Owner) == 1


async def test_one_behind_a_shared_login_takes_only_its_own(place: Estate) -> None:
    """The gateway's login goes on for the other inverter, with its name and what it has found."""
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    shed = await place.inverter(alice, login=roof.login)
    async with place.sessions.begin() as session:
        gone = update(Inverter).where(Inverter.id == roof.inverter_id)
        await session.execute(gone.values(deleted_at=place.now, erase_after=place.now))

    await place.settle(place.provisioner())

    async with reading(place.sessions) as session:
        login = await session.get_one(Login, roof.login)
        asked = (await session.scalars(select(DeadLetterRequest.login))).all()
    assert (login.revoked_at, login.label) == (None, "my program")
    assert "found_device" in await place.rows_that_name(roof.login)
    assert asked == []
    assert (await place.rows(shed))[1] is not None


async def test_one_that_never_had_a_place_goes_all_the_same(place: Estate) -> None:
    """Added and deleted while the store was away."""
    alice = await place.owner()
    roof = await place.inverter(alice)
    await place.delete(roof)
    await place.abandon(alice)

    await place.settle(place.provisioner())

    assert (await count_of(place, Owner), await count_of(place, Inverter)) == (0, 0)


async def test_a_home_that_is_somebodys_again_gets_a_new_place(place: Estate) -> None:
    """Nobody should be able to come in between; if somebody does, he finds a home that works."""
    alice = await place.owner(granted=False)
    provisioner = place.provisioner()
    async with place.sessions.begin() as session:
        await session.execute(update(OwnerPlacement).values(state=PlacementState.ERASING))
    roof = await place.inverter(alice)

    await place.settle(provisioner)
    await place.write(roof, 5.0)

    assert await place.newest(roof) == 5.0


async def test_inverters_nobody_deleted_are_never_due(place: Estate) -> None:
    """Also not where a time to erase was left behind."""
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    async with place.sessions.begin() as session:
        await session.execute(update(Inverter).values(erase_after=place.now - GRACE))

    await place.settle(place.provisioner())

    assert await place.newest(roof) == 412.0
