"""What collectors are answered: nothing is stored on the way, patience asked for, metadata with its source (T28)."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from portal import limits
from portal.credentials.identities import PREFIX
from portal.tries import Limit
from schema.models import Collector, MetadataSource, OwnerPlacement, PlacementState, ToldBy
from tests.collecting import (
    INFLUX,
    SERIAL,
    bearing,
    entries,
    identity,
    program,
    prove,
    provision,
    working,
)
from tests.people import Cast, the_cast
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal with InfluxDB."""
    async with running_portal(tmp_path, **INFLUX) as portal, the_cast(portal) as people:
        yield people


async def test_no_answer_is_stored_on_the_way(cast: Cast) -> None:
    """Neither a token nor a refusal: 200, 404, 503, 403, 401, 400 and 429 alike."""
    await prove(cast)
    asking = program(cast.portal, await identity(cast.portal))
    answers: list[httpx.Response] = [
        await asking.ask(),
        await asking.ask("2799999999"),
        await asking.tell(sw_version="1"),
    ]
    await provision(cast)
    answers += [await asking.ask(), await asking.ask_quietly(), await asking.http.get("/influx_token")]
    answers.append(await asking.http.get("/influx_token?serial=1", headers=asking.headers | bearing(f"{PREFIX}A")))
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Collector).values(stopped_at=cast.portal.clock()))
    answers.append(await asking.ask())

    assert [answer.status_code for answer in answers] == [503, 404, 200, 200, 200, 401, 401, 403]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_one_identity_asks_so_often_whatever_addresses_it_comes_from(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 with a time to wait; another identity is not held up by it."""
    await working(cast)
    monkeypatch.setattr(limits, "LOOK_UPS_OF_ONE", Limit("collectors.identity", 5, timedelta(minutes=1)))
    busy, other = await identity(cast.portal, "busy"), await identity(cast.portal, "other")

    answers = [await program(cast.portal, busy, at=f"198.51.100.{number}").ask() for number in range(7)]
    beside = await program(cast.portal, other).ask()

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert beside.status_code == 200


async def test_a_place_that_is_being_made_or_moved_asks_for_patience(cast: Cast) -> None:
    """503 with Retry-After, whichever of the two places is not ready; then the token. It tells that there is such an
    inverter, and may: it is proved.
    """
    await working(cast)
    asking = program(cast.portal, await identity(cast.portal))
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(OwnerPlacement).values(state=PlacementState.PENDING))

    pending = await asking.ask()
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(OwnerPlacement).values(state=PlacementState.READY))

    assert (pending.status_code, pending.headers["retry-after"]) == (503, "10")
    assert pending.headers["content-type"] == "application/problem+json"
    assert (await asking.ask()).status_code == 200
    assert len(await entries(cast.portal, "token.read")) == 1


async def test_collectors_are_told_the_address_by_which_they_reach_influxdb(tmp_path: Path) -> None:
    """Ours is often a name that only our own network knows."""
    settings = {**INFLUX, "influx_public_urls": f"{INFLUX['influx_url']}=https://influx.example.net, http://x=http://y"}
    async with running_portal(tmp_path, **settings) as portal, the_cast(portal) as cast:
        await working(cast)

        assert (await program(portal, await identity(portal)).ask()).json()["url"] == "https://influx.example.net"


async def test_the_embedded_store_has_no_tokens_for_collectors_but_takes_what_they_tell(tmp_path: Path) -> None:
    """501 with problem details; nothing is counted, for nothing can be found out."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as cast:
        await prove(cast)
        asking = program(portal, await identity(portal))
        answers = [await asking.ask(), await asking.ask_quietly(), await asking.ask("2799999999")]
        told = await asking.tell(rated_power=600)

    assert {(answer.status_code, answer.content) for answer in answers} == {(501, answers[0].content)}
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert told.status_code == 200


async def test_metadata_names_the_collector_as_its_source_and_says_what_was_kept(cast: Cast) -> None:
    """Its owner's word stays; the answer keeps the original's fields, and the audit log has before and after."""
    await prove(cast)
    made = await identity(cast.portal)
    asking = program(cast.portal, made)
    await asking.tell(rated_power=600, sw_version="1.0")
    async with cast.portal.parts.sessions.begin() as session:
        power = MetadataSource.inverter_id == cast.roof, MetadataSource.name == "rated_power_w"
        await session.execute(update(MetadataSource).where(*power).values(told_by=ToldBy.OWNER))

    answer = await asking.tell(rated_power=800, sw_version="1.1", number_of_mppts=None)

    assert answer.json() == {
        "serial": SERIAL,
        "sw_version": "1.1",
        "rated_power": 600,
        "number_of_mppts": None,
        "kept": [{"name": "rated_power", "told_by": "owner"}],
    }
    last = (await entries(cast.portal, "inverter.metadata_changed"))[-1]
    assert (last.actor, last.actor_id) == ("collector", made.id)
    assert last.details == {"sw_version before": "1.0", "sw_version": "1.1", "kept": ["rated_power"]}


async def test_an_owner_reads_that_a_program_of_the_operator_has_read_his_token(cast: Cast) -> None:
    """Not its name, which is the operator's; the administrator finds the identity from the entry."""
    await working(cast)
    made = await identity(cast.portal, "Secret plans")
    await program(cast.portal, made).ask()

    hers = (await cast.alice.get("/account/activity")).text
    log = (await cast.ada.get("/admin/log?action=token.read")).text

    assert "by a program of the operator" in hers
    assert "Secret plans" not in hers
    assert f'href="/admin/collectors/{made.id}"' in log
