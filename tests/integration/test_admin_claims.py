"""Contested serials: the evidence, the decision for one side or the other, and what everybody is told."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from portal.admin.claims import settling
from portal.admin.claims.settling import NothingToSettle
from portal.admin.search import PAGE_SIZE
from schema.changes import registry_version
from schema.database import reading
from schema.models import ClaimState, Feed, Inverter, Login
from tests.administration import counted, dispute, entries, inverter, login_of, names_in_pages, states
from tests.people import Cast, the_cast
from tests.portal_app import running_portal
from tests.sharing import home_of, made_site

pytestmark = pytest.mark.integration
LIST = "/admin/claims"
SERIAL = "2788888888"
SITE_SERIAL = "2755000000"
ONE = f"{LIST}/{SERIAL}"


async def test_a_contested_serial_is_listed_with_both_sides_and_their_evidence(cast: Cast) -> None:
    """Who was first, what the counters say, which logins; a name is text, and of readings only the counter is shown."""
    hers, his = await dispute(cast)
    now = cast.portal.clock()
    await counted(cast.portal, hers, 12_345.6, at=now - timedelta(minutes=2), version=1)
    await counted(cast.portal, his, 12_346.1, at=now, version=2)

    listed = (await cast.ada.get(LIST)).text
    overview = (await cast.ada.get("/admin")).text
    page = (await cast.ada.get(ONE)).text

    assert SERIAL in listed
    assert "alice@example.org" in listed
    assert "Serials to decide about" in overview
    assert page.index("alice@example.org") < page.index("bob@example.org")
    assert "12,345.6" in page
    assert "could stand on one device" in page
    assert await login_of(cast.portal, his) in page
    assert "His &lt;b&gt;roof" in page
    assert "4,321" not in page
    assert "4321" not in page


async def test_without_a_dispute_there_is_nothing_to_decide(cast: Cast) -> None:
    """A serial that one holds and a serial of nobody's look the same."""
    answers = [await cast.ada.get(f"{LIST}/{serial}") for serial in ("2711111111", "NOBODYS", "a'b", "%00")]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert "No serial is contested" in (await cast.ada.get(LIST)).text


@pytest.mark.parametrize("for_alice", [True, False])
async def test_a_decision_for_either_side_is_whole(cast: Cast, *, for_alice: bool) -> None:
    """One transaction: serial, feeds, registry, one entry in the audit log, a mail to both sides."""
    portal = cast.portal
    hers, his = await dispute(cast)
    winner, loser = (hers, his) if for_alice else (his, hers)
    to, against = ("alice", "bob") if for_alice else ("bob", "alice")
    async with reading(portal.parts.sessions) as session:
        version = await registry_version(session)

    answer = await cast.ada.post(f"{ONE}/settle", inverter=str(winner))
    await portal.mail_sent()
    async with reading(portal.parts.sessions) as session:
        raised = await registry_version(session) - version
    settled = await entries(portal, "claim.settled")

    assert answer.status_code == 303
    assert ((await inverter(portal, winner)).active_serial, await states(portal, winner)) == (SERIAL, ["active"])
    assert ((await inverter(portal, loser)).active_serial, await states(portal, loser)) == (None, ["released"])
    assert raised == 2
    assert [(entry.actor_id, entry.subject) for entry in settled] == [(cast.ada.account_id, f"serial:{SERIAL}")]
    assert settled[0].details == {"before": str(hers), "after": str(winner), "against": [str(loser)]}
    assert [mail["Subject"] for mail in portal.bag.to(f"{to}@example.org")] == ["A serial is yours"]
    assert [mail["Subject"] for mail in portal.bag.to(f"{against}@example.org")] == ["A serial is somebody else's"]
    assert "No serial is contested" in (await cast.ada.get(LIST)).text
    assert SERIAL in (await cast.ada.get(f"{LIST}?state=settled")).text


async def test_who_installs_a_site_is_seen_and_told_like_an_owner(cast: Cast) -> None:
    """Nobody owns the site yet: what is decided about its device is Ines's business."""
    portal = cast.portal
    site, (barn,) = await made_site(portal, cast.ines)
    hers = await cast.alice.add_inverter("Her roof", SITE_SERIAL)
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(Feed).where(Feed.inverter_id == hers).values(claim_state=ClaimState.ACTIVE))
        await session.execute(update(Feed).where(Feed.inverter_id == barn).values(claim_state=ClaimState.DISPUTED))
        await session.execute(update(Inverter).where(Inverter.id == hers).values(active_serial=SITE_SERIAL))
    page = (await cast.ada.get(f"{LIST}/{SITE_SERIAL}")).text

    answer = await cast.ada.post(f"{LIST}/{SITE_SERIAL}/settle", inverter=str(barn))
    await portal.mail_sent()

    assert (answer.status_code, cast.ines.email in page) == (303, True)
    assert [mail["Subject"] for mail in portal.bag.to(cast.ines.email)] == ["A serial is yours"]
    assert await home_of(portal, barn) == site


async def test_whoever_claims_a_serial_many_times_fills_pages_and_no_more(cast_on_each: Cast) -> None:
    """Each page shows fifty, everybody stands on one of them, and whoever stands on the last can win."""
    cast, portal, now = cast_on_each, cast_on_each.portal, cast_on_each.portal.clock()
    hers, his = await dispute(cast)
    names = [f"Copy {number:03}" for number in range(PAGE_SIZE)]
    spoken = {"claim_state": ClaimState.DISPUTED, "activated_at": None}
    async with portal.parts.sessions.begin() as session:
        owner = (await session.get_one(Inverter, his)).owner_id
        for number, name in enumerate(names):
            login, added = f"C{number:09}", now + timedelta(minutes=number + 1)
            row = Inverter(id=uuid4(), owner_id=owner, name=name, serial=SERIAL, created_at=added)
            session.add(row)
            session.add(Login(name=login, owner_id=owner, verifier="v", registry_version=1, created_at=now))
            await session.flush()
            session.add(Feed(login=login, inverter_id=row.id, **spoken))
    last = row.id

    pages = await names_in_pages(cast.ada, ONE, ["Her roof", "His &lt;b&gt;roof", *names], 2)
    first, second = [(await cast.ada.get(f"{ONE}?page={number}")).text for number in (1, 2)]
    beyond = (await cast.ada.get(f"{ONE}?page=3")).status_code
    decided = await cast.ada.post(f"{ONE}/settle", inverter=str(last))

    assert pages == [["Her roof", "His &lt;b&gt;roof", *names[:-2]], names[-2:]]
    assert "Page 1 of 2" in first
    assert ("was first" in first, "was first" in second) == (True, False)
    assert f"{ONE}?page=2" in first
    assert beyond == 404
    assert decided.status_code == 303
    assert (await inverter(portal, last)).active_serial == SERIAL
    assert await states(portal, hers) == ["released"]


async def test_a_decision_can_be_turned_round_later(cast: Cast) -> None:
    """New evidence comes by mail: what was decided stays on the list of what was decided."""
    hers, his = await dispute(cast)

    await cast.ada.post(f"{ONE}/settle", inverter=str(his))
    again = await cast.ada.post(f"{ONE}/settle", inverter=str(hers))

    assert again.status_code == 303
    assert (await inverter(cast.portal, hers)).active_serial == SERIAL
    assert await states(cast.portal, his) == ["released"]


async def test_a_claim_that_ended_meanwhile_is_not_settled(cast: Cast) -> None:
    """Pressed twice, for an inverter that claims nothing, or after the other side gave up: one entry at most."""
    hers, his = await dispute(cast)
    await cast.ada.post(f"{ONE}/settle", inverter=str(hers))

    twice = await cast.ada.post(f"{ONE}/settle", inverter=str(hers))
    foreign = await cast.ada.post(f"{ONE}/settle", inverter=str(cast.roof))
    nobodys = await cast.ada.post(f"{ONE}/settle", inverter=str(uuid4()))
    nonsense = await cast.ada.post(f"{ONE}/settle", inverter="everything")
    await cast.bob.post(f"/inverters/{his}/delete")
    gone = await cast.ada.post(f"{ONE}/settle", inverter=str(his))

    assert [answer.status_code for answer in (twice, foreign, nobodys)] == [409] * 3
    assert "not open any more" in twice.text
    assert (nonsense.status_code, gone.status_code) == (422, 404)
    assert len(await entries(cast.portal, "claim.settled")) == 1


async def test_two_who_decide_at_once_leave_one_holder(cast: Cast) -> None:
    """Whatever the order, exactly one inverter holds the serial and everything fits it."""
    portal = cast.portal
    hers, his = await dispute(cast)

    async def decide(winner: UUID) -> None:
        async with portal.parts.sessions.begin() as session:
            await settling.settle(
                session,
                SERIAL,
                winner,
                by=cast.ada.account_id,
                links=portal.parts.links,
                now=portal.clock(),
            )

    done = await asyncio.gather(*(decide(winner) for winner in (hers, his, hers, his)), return_exceptions=True)
    holders = [one for one in (hers, his) if (await inverter(portal, one)).active_serial == SERIAL]

    assert all(one is None or isinstance(one, NothingToSettle) for one in done)
    assert len(holders) == 1
    assert await states(portal, holders[0]) == ["active"]
    assert len(await entries(portal, "claim.settled")) == done.count(None)


async def test_the_settled_serial_is_given_out_again(tmp_path: Path) -> None:
    """The credential endpoint refuses a disputed serial for everybody and answers for the one it was settled for."""
    influx: dict[str, Any] = {"influx_url": "http://influx.example.org:8086", "admin_bearer_reads_influx_tokens": True}
    async with running_portal(tmp_path, **influx) as portal, the_cast(portal) as cast:
        _, his = await dispute(cast)
        headers = await cast.ada.bearer()

        before = await cast.ada.http.get("/influx_token", params={"serial": SERIAL}, headers=headers)
        await cast.ada.post(f"{ONE}/settle", inverter=str(his))
        after = await cast.ada.http.get("/influx_token", params={"serial": SERIAL}, headers=headers)

    # Known now: only its bucket is not made yet.
    assert (before.status_code, after.status_code) == (404, 503)


async def test_a_search_finds_a_serial_by_either_side(cast: Cast) -> None:
    """Holder or claimant, by address or by a part of the serial; nothing typed is a wildcard."""
    await dispute(cast)
    found = {}

    for typed in ("bob@", "alice@", "88888", "ines@", "%25", "27%27"):
        text = (await cast.ada.get(f"{LIST}?q={typed}")).text
        found[typed] = f"{LIST}/{SERIAL}" in text

    assert found == {"bob@": True, "alice@": True, "88888": True, "ines@": False, "%25": False, "27%27": False}


async def test_who_had_the_serial_and_who_asked_for_it_is_evidence_too(cast: Cast) -> None:
    """Somebody gave the device away and somebody asked: neither is a side, both are told to whoever decides."""
    hers, his = await dispute(cast)
    inesses = await cast.ines.add_inverter("Ines's <i>shed", SERIAL)
    await cast.ines.post(f"/inverters/{inesses}/serial/give-away", sure="yes")
    await cast.bob.post(f"/inverters/{his}/serial/ask")
    page = (await cast.ada.get(ONE)).text
    await cast.alice.post(f"/inverters/{hers}/serial/give-away", sure="yes")
    over = await cast.ada.get(ONE)

    assert page.count("Decide for this one") == 2
    assert "Ines&#39;s &lt;i&gt;shed" in page
    assert "it was given away" in page
    assert "ines@example.org" in page
    assert "Answer: nobody else holds it" in page
    # Hers holds nothing any more, his may claim with its next reading: there is nothing left to decide.
    assert over.status_code == 404
    assert SERIAL not in (await cast.ada.get(LIST)).text
