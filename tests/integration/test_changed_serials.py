"""A serial that its owner changes: the device was replaced, or a part, or it had been mistyped. On both databases."""

import pytest
from sqlalchemy import select

from schema.models import (
    ClaimState,
    DeadLetterRequest,
    Feed,
    FormerSerial,
    Inverter,
    SerialAlias,
    SerialEnd,
)
from tests.people import Cast, login_of
from tests.serial_states import has_spoken, state_of

pytestmark = pytest.mark.integration


SERIAL = "2711111111"
FREE = "2711999999"


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def test_a_replaced_device_keeps_the_page_and_binds_anew(cast: Cast) -> None:
    """History, logins and address stay; the old device's name is forgotten, and what the new one sent is wanted."""
    login = (await login_of(cast.portal, cast.roof)).name
    await has_spoken(cast, cast.roof)
    async with cast.portal.parts.sessions.begin() as session:
        session.add(SerialAlias(inverter_id=cast.roof, serial="OLDALIAS01", first_seen_at=cast.portal.clock()))
    answer = await cast.alice.post(f"/inverters/{cast.roof}/serial/change", serial="27 2222-2222", why="replaced")
    page = await cast.alice.get(f"/inverters/{cast.roof}/serial")

    async with cast.portal.parts.sessions() as session:
        inverter = await session.get_one(Inverter, cast.roof)
        feed = (await session.scalars(select(Feed).where(Feed.inverter_id == cast.roof))).one()
        aliases = (await session.scalars(select(SerialAlias))).all()
        wish = (await session.scalars(select(DeadLetterRequest))).one()
    assert answer.status_code == 303
    assert (inverter.serial, inverter.active_serial) == ("2722222222", None)
    assert (feed.device_key, feed.claim_state, feed.login) == ("", ClaimState.PENDING, login)
    assert aliases == []
    assert (wish.login, wish.reason) == (login, "another_device")
    assert SERIAL in page.text
    assert "replaced" in page.text


async def test_a_typing_error_leaves_the_device_alone(cast: Cast) -> None:
    """It is the same device: what it is called in topics stays bound."""
    await has_spoken(cast, cast.roof)
    await cast.alice.post(f"/inverters/{cast.roof}/serial/change", serial="2711111112", why="corrected")

    async with cast.portal.parts.sessions() as session:
        feed = (await session.scalars(select(Feed).where(Feed.inverter_id == cast.roof))).one()
        kept = (await session.scalars(select(FormerSerial))).one()
    assert (feed.device_key, feed.claim_state) == ("DEVICE0001", ClaimState.PENDING)
    assert (kept.serial, kept.why) == (SERIAL, SerialEnd.CORRECTED)


async def test_a_part_was_replaced_and_the_serial_is_the_same(cast: Cast) -> None:
    """The claim stays; the device binds anew, and its end is noted once however often the form is sent."""
    await has_spoken(cast, cast.roof)
    same = {"serial": SERIAL, "why": "replaced"}
    answers = [await cast.alice.post(f"/inverters/{cast.roof}/serial/change", **same) for _ in range(2)]

    async with cast.portal.parts.sessions() as session:
        feed = (await session.scalars(select(Feed).where(Feed.inverter_id == cast.roof))).one()
        kept = (await session.scalars(select(FormerSerial))).all()
    assert [answer.status_code for answer in answers] == [303, 303]
    assert (feed.device_key, feed.claim_state) == ("", ClaimState.ACTIVE)
    assert await state_of(cast, cast.roof) == (SERIAL, [ClaimState.ACTIVE], True)
    assert [row.why for row in kept] == [SerialEnd.REPLACED]


@pytest.mark.parametrize(
    ("serial", "said"),
    [
        ("12345", "has 6 to 32 letters and digits"),
        ("2711111111, 2722222222", "several serials"),
        ("2711111111 2722222222", "several serials"),
        ("2744444444", "added an inverter with this serial before"),
    ],
)
async def test_a_wrong_serial_comes_back_with_what_is_wrong(cast: Cast, serial: str, said: str) -> None:
    """At its field, what was typed still there, nothing changed."""
    await cast.alice.add_inverter("Barn", "2744444444")
    answer = await cast.alice.post(f"/inverters/{cast.roof}/serial/change", serial=serial, why="replaced")

    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{serial}"' in answer.text


async def test_changing_to_a_taken_serial_tells_nothing(cast: Cast) -> None:
    """A free one and one that somebody holds: the same answer, the same page."""
    await has_spoken(cast, cast.roof)
    seen = []
    for serial in (SERIAL, FREE):
        mine = await cast.bob.add_inverter("One", "2766666666")
        answer = await cast.bob.post(f"/inverters/{mine}/serial/change", serial=serial, why="corrected")
        text = str(answer.status_code) + (await cast.bob.get(f"/inverters/{mine}/serial")).text
        for own in (str(mine), serial):
            text = text.replace(own, "OWN")
        seen.append(text)
        await cast.bob.post(f"/inverters/{mine}/delete")

    assert seen[0] == seen[1]
