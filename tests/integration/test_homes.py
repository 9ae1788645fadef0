"""Somebody who owns several homes: each inverter goes where it belongs."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from schema.models import Grant, Inverter, Owner, Role
from tests.people import Cast, Person
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration


async def second_home(portal: RunningPortal, person: Person, name: str = "Cottage") -> UUID:
    """Another home that the person owns."""
    owner = Owner(id=uuid4(), name=name, time_zone="Europe/Lisbon", created_at=portal.clock())
    async with portal.parts.sessions.begin() as session:
        session.add(owner)
        await session.flush()
        session.add(
            Grant(
                id=uuid4(),
                account_id=person.account_id,
                owner_id=owner.id,
                role=Role.OWNER,
                created_at=portal.clock(),
            )
        )
    return owner.id


async def home_of(portal: RunningPortal, serial: str) -> UUID | None:
    """The home that an inverter of this serial was put into."""
    async with portal.parts.sessions() as session:
        return (await session.scalars(select(Inverter.owner_id).where(Inverter.serial == serial))).one_or_none()


async def test_who_has_one_home_is_not_asked(cast: Cast) -> None:
    """The form is as short as it was."""
    page = await cast.alice.get("/inverters/new")

    assert 'name="home"' not in page.text


async def test_who_owns_several_homes_says_which_one(cast: Cast) -> None:
    """Nothing is put anywhere by guess, and nobody's home but one's own can be named."""
    cottage = await second_home(cast.portal, cast.alice)
    bobs = await home_of(cast.portal, "2722222222")
    asked = await cast.alice.get(f"/inverters/new?home={cottage}")
    undecided = await cast.alice.post("/inverters", name="Barn", serial="2733333333")
    foreign = await cast.alice.post("/inverters", name="Barn", serial="2733333333", home=str(bobs))
    unknown = await cast.alice.post("/inverters", name="Barn", serial="2733333333", home=str(uuid4()))
    nowhere = await home_of(cast.portal, "2733333333")
    chosen = await cast.alice.post("/inverters", name="Barn", serial="2733333333", home=str(cottage))

    assert f'<option value="{cottage}" selected>Cottage</option>' in asked.text
    assert ">Home</option>" in asked.text
    assert {answer.status_code for answer in (undecided, foreign, unknown)} == {422}
    assert 'id="home-error"' in undecided.text
    assert nowhere is None
    assert chosen.status_code == 303
    assert await home_of(cast.portal, "2733333333") == cottage


async def test_a_home_that_is_not_ones_own_takes_nothing_even_from_who_has_only_one(cast: Cast) -> None:
    """Naming Alice's home opens it neither to Bob nor to Ines, who may look at it."""
    hers = await home_of(cast.portal, "2711111111")
    answers = [
        await person.post("/inverters", name="Barn", serial="2733333333", home=str(hers))
        for person in (cast.bob, cast.ines)
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert await home_of(cast.portal, "2733333333") is None
