"""Serials that change hands: given away, or left to a buyer. Nobody learns who has one, or whether anybody has."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bridge.edges.claiming import activate
from bridge.routes import Claim
from portal.accounts.sweeper import Sweeper
from schema.models import (
    ClaimState,
    FormerSerial,
    Inverter,
    Login,
    SerialEnd,
    SerialRequest,
)
from tests.people import Cast, Person, login_of
from tests.registry_set_up import Site
from tests.serial_states import desk, has_spoken, request_of, state_of
from tests.waiting import until

pytestmark = pytest.mark.integration

SERIAL = "2711111111"
FREE = "2711999999"


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


def mails(cast: Cast, person: Person, subject: str) -> int:
    """How many of these the person has got."""
    return sum(str(mail["Subject"]) == subject for mail in cast.portal.bag.to(person.email))


ASKED, LEFT = "Somebody asks for a serial of yours", "A serial is yours"


async def test_what_was_given_away_stays_to_be_read_and_its_serial_is_free(cast: Cast) -> None:
    """T32: the new owner has another inverter and another login; nothing of the old owner's is his to see."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await has_spoken(cast, bobs, ClaimState.DISPUTED)

    without_tick = await cast.alice.post(f"/inverters/{cast.roof}/serial/give-away")
    answer = await cast.alice.post(f"/inverters/{cast.roof}/serial/give-away", sure="yes")
    again = await cast.alice.post(f"/inverters/{cast.roof}/serial/give-away", sure="yes")

    assert (without_tick.status_code, answer.status_code, again.status_code) == (422, 303, 404)
    assert await state_of(cast, cast.roof) == (None, [ClaimState.RELEASED], False)
    assert await state_of(cast, bobs) == (None, [ClaimState.PENDING], True)
    page = await cast.alice.get(f"/inverters/{cast.roof}/serial")
    assert "You gave the device away" in page.text
    assert "/serial/change" not in page.text
    assert (await cast.alice.get(f"/inverters/{cast.roof}")).status_code == 200
    assert (await cast.bob.get(f"/inverters/{cast.roof}")).status_code == 404
    async with cast.portal.parts.sessions() as session:
        kept = (await session.scalars(select(FormerSerial))).one()
    assert (kept.inverter_id, kept.serial, kept.why) == (cast.roof, SERIAL, SerialEnd.GIVEN_AWAY)


async def test_whose_holder_has_left_for_good_may_be_claimed(cast: Cast) -> None:
    """Alice's account is deleted: Bob's next reading takes the serial, and nobody has to settle anything."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await has_spoken(cast, bobs, ClaimState.DISPUTED)

    await cast.alice.post("/account/delete", sure="yes")
    cast.portal.clock.go(days=7, seconds=1)
    await Sweeper(cast.portal.parts.sessions, cast.portal.clock).sweep()

    assert await state_of(cast, cast.roof) == (None, [ClaimState.RELEASED], False)
    assert await state_of(cast, bobs) == (None, [ClaimState.PENDING], True)


async def test_a_new_login_takes_a_device_back_into_use(cast: Cast) -> None:
    """Pressed by mistake, or it came back: no old secret works again."""
    old = (await login_of(cast.portal, cast.roof)).name
    await cast.alice.post(f"/inverters/{cast.roof}/serial/give-away", sure="yes")
    await cast.alice.post(f"/inverters/{cast.roof}/pairing/logins", label="the same as before", known="0")

    async with cast.portal.parts.sessions() as session:
        inverter = await session.get_one(Inverter, cast.roof)
        revoked = (await session.get_one(Login, old)).revoked_at
    assert inverter.given_away_at is None
    assert revoked is not None
    held, states, living = await state_of(cast, cast.roof)
    assert (held, sorted(states), living) == (None, [ClaimState.PENDING, ClaimState.RELEASED], True)


async def ask_everywhere(cast: Cast) -> dict[str, str]:
    """The same question about a serial that somebody holds, that nobody holds, that one holds oneself, and the page
    afterwards, without what differs between any two inverters.
    """
    await has_spoken(cast, cast.roof)
    seen = {}
    for kind, serial, state in (
        ("held", SERIAL, ClaimState.DISPUTED),
        ("free", FREE, ClaimState.PENDING),
        ("own", "2711888888", ClaimState.ACTIVE),
    ):
        inverter_id = await cast.bob.add_inverter("One", serial)
        if state is not ClaimState.PENDING:
            await has_spoken(cast, inverter_id, state)
        before = await cast.bob.get(f"/inverters/{inverter_id}/serial")
        answer = await cast.bob.post(f"/inverters/{inverter_id}/serial/ask")
        page = await cast.bob.get(f"/inverters/{inverter_id}/serial")
        text = before.text + str(answer.status_code) + page.text
        for own in (str(inverter_id), serial):
            text = text.replace(own, "OWN")
        seen[kind] = text
    return seen


async def test_asking_for_a_serial_tells_nothing(cast: Cast) -> None:
    """T1, T2: whether somebody holds it, nobody, or oneself; before and after the holder was found and has said no."""
    seen = await ask_everywhere(cast)
    assert seen["held"] == seen["free"] == seen["own"]

    await desk(cast)
    async with cast.portal.parts.sessions() as session:
        rows = {row.serial: row for row in await session.scalars(select(SerialRequest))}
    (asked,) = [row for row in rows.values() if row.holder_id is not None]
    no = await cast.alice.post(f"/serials/{asked.id}/answer", answer="no")
    pages = []
    for row in rows.values():
        page = await cast.bob.get(f"/inverters/{row.claimant_id}/serial")
        again = await cast.bob.post(f"/inverters/{row.claimant_id}/serial/ask")
        text = page.text + str(again.status_code)
        for own in (str(row.claimant_id), row.serial):
            text = text.replace(own, "OWN")
        pages.append(text)

    assert asked.serial == SERIAL
    assert no.status_code == 303
    assert len(set(pages)) == 1
    assert mails(cast, cast.bob, LEFT) == 0


async def test_a_yes_moves_the_serial_and_no_reading(cast: Cast) -> None:
    """The holder reads the question on his pages and in a mail, in neither of them who asks; the asker gets a mail."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await has_spoken(cast, bobs, ClaimState.DISPUTED)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    pages = [await cast.alice.get(path) for path in ("/", f"/inverters/{cast.roof}", f"/inverters/{cast.roof}/serial")]
    request = await request_of(cast)
    letter = cast.portal.bag.to(cast.alice.email)[-1].get_body(("plain",))
    answer = await cast.alice.post(f"/serials/{request.id}/answer", answer="yes")
    await desk(cast)

    assert letter is not None
    for text in [page.text for page in pages] + [letter.get_content()]:
        assert "Somebody asks" in text
        assert not any(tell in text for tell in ("bob", "Bob", "Bought", str(bobs)))
    assert answer.status_code == 303
    assert await state_of(cast, bobs) == (SERIAL, [ClaimState.ACTIVE], True)
    assert await state_of(cast, cast.roof) == (None, [ClaimState.RELEASED], False)
    assert mails(cast, cast.bob, LEFT) == 1
    assert "left the serial to you" in (await cast.bob.get(f"/inverters/{bobs}/serial")).text
    assert (await cast.bob.get(f"/inverters/{cast.roof}")).status_code == 404
    assert "Somebody asks" not in (await cast.alice.get("/")).text


async def test_who_has_not_spoken_yet_holds_the_serial_with_a_yes(cast: Cast, tmp_path: Path) -> None:
    """The claim was proved by its holder; the first reading then only says so of the feed."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    await cast.alice.post(f"/serials/{(await request_of(cast)).id}/answer", answer="yes")
    moved = await state_of(cast, bobs)
    login = (await login_of(cast.portal, bobs)).name
    place = Site(tmp_path, cast.portal.parts.settings.database_url)
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        claimed = await bridge.registry.claim(entry.routes[""], device_key="", alias="")
    await place.engine.dispose()

    assert moved == (SERIAL, [ClaimState.PENDING], True)
    assert claimed.claim is Claim.ACTIVE
    assert await state_of(cast, bobs) == (SERIAL, [ClaimState.ACTIVE], True)


async def test_yes_and_no_at_once_are_one_answer(cast: Cast) -> None:
    """Two tabs, and the bridge claims for the asker in the same moment: either way the database is of one mind."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    request = await request_of(cast)
    login = (await login_of(cast.portal, bobs)).name
    place = Site(cast.portal.parts.settings.data_dir, cast.portal.parts.settings.database_url)
    async with place.registry(following=False) as bridge:
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        route = entry.routes[""]
    words = ["yes", "no"] * 4
    both = asyncio.gather(*(cast.alice.post(f"/serials/{request.id}/answer", answer=word) for word in words))
    claims = asyncio.gather(*(activate(place.sessions, route, cast.portal.clock()) for _ in range(4)))
    answers, _ = await asyncio.gather(both, claims)
    await place.engine.dispose()

    assert sorted(answer.status_code for answer in answers) == [303] + [404] * 7
    granted = (await request_of(cast)).granted
    hers, his = await state_of(cast, cast.roof), await state_of(cast, bobs)
    assert (hers[0], his[0]) == ((None, SERIAL) if granted else (SERIAL, None))
    assert hers[2] is not granted


async def test_nobody_else_answers(cast: Cast) -> None:
    """Not the asker, not somebody who only looks; and after a fortnight nobody at all."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    path = f"/serials/{(await request_of(cast)).id}/answer"
    foreign = [await person.post(path, answer="yes") for person in (cast.bob, cast.ines, cast.ada)]
    nonsense = await cast.alice.post(path, answer="perhaps")
    cast.portal.clock.at += timedelta(days=14, minutes=1)
    await cast.alice.log_in()
    late, page = await cast.alice.post(path, answer="yes"), await cast.alice.get("/")
    await cast.bob.log_in()
    asked_again = await cast.bob.post(f"/inverters/{bobs}/serial/ask")

    assert [answer.status_code for answer in foreign] == [404] * 3
    assert nonsense.status_code == 422
    assert late.status_code == 404
    assert "Somebody asks" not in page.text
    assert asked_again.status_code == 303
    async with cast.portal.parts.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(SerialRequest)) == 2


async def test_whoever_holds_a_serial_is_not_flooded(cast: Cast) -> None:
    """However many ask: one mail a week about one serial, and one account asks about twenty an hour at most."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    inesses = await cast.ines.add_inverter("Bought too", SERIAL)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    await cast.ines.post(f"/inverters/{inesses}/serial/ask")
    await desk(cast)
    first_week = mails(cast, cast.alice, ASKED)
    both = (await cast.alice.get("/")).text.count("Somebody asks")
    more = [(await cast.bob.post(f"/inverters/{bobs}/serial/ask")).status_code for _ in range(20)]

    assert first_week == 1
    assert both == 2
    assert more == [303] * 19 + [429]


async def test_the_question_follows_the_serial(cast: Cast) -> None:
    """Free when it was asked for, taken by Alice afterwards: she is asked then. Given away by her: nobody is."""
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    nobody = (await request_of(cast)).holder_id
    await has_spoken(cast, cast.roof)
    await desk(cast)
    alice = (await request_of(cast)).holder_id
    await cast.alice.post(f"/inverters/{cast.roof}/serial/give-away", sure="yes")
    await desk(cast)

    assert (nobody, alice, (await request_of(cast)).holder_id) == (None, cast.roof, None)
