"""The pairing page: a secret shown once, a login for each program, and the ladder to the first watts."""

import base64
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from schema import live
from schema.models import (
    Feed,
    Login,
    PasswordFileGeneration,
    Rung,
)
from schema.verifiers import verifier
from tests.people import Cast, login_of, shown_secret
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration


async def broker_has_loaded(portal: RunningPortal, version: int) -> None:
    """Do what the provisioner does when the broker has taken the password file."""
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(PasswordFileGeneration).values(written=version, applied=version))


async def heard(portal: RunningPortal, inverter_id: UUID, **columns: object) -> None:
    """Write a live row as the bridge would."""
    row: dict[str, object] = {
        "inverter_id": inverter_id,
        "version": await live.newest_version(portal.parts.live_engine) + 1,
        "rung": Rung.NOTHING,
        "values": {},
        "reading_at": None,
        "seen_at": portal.clock(),
        "refusal": "",
        "refusal_detail": "",
        "refused_at": None,
    }
    await live.put(portal.parts.live_engine, [row | columns])


async def test_the_secret_is_shown_once_and_opens_the_login(cast: Cast) -> None:
    """The page behind the form shows it, a reload does not, and its verifier is the stored one."""
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    first = await cast.alice.get(f"/inverters/{barn}/pairing")
    reload = await cast.alice.get(f"/inverters/{barn}/pairing")
    login = await login_of(cast.portal, barn)

    secret = shown_secret(first.text)
    salt = base64.b64decode(login.verifier.split("$")[3])
    assert secret
    assert verifier(secret, salt) == login.verifier
    for needed in (login.name, f"deye/{login.name}", "mqtt.example.org", "1883", f"deye/{login.name}/reading"):
        assert needed in first.text
    assert shown_secret(reload.text) == ""
    assert f"deye/{login.name}" in reload.text
    assert "/pairing/secret" in reload.text


async def test_the_sealed_secret_opens_for_its_maker_alone(cast: Cast) -> None:
    """The cookie that carries it shows nothing, and opens neither in another session nor after ten minutes."""
    answer = await cast.alice.post("/inverters", name="Barn", serial="2744444444")
    path, cookie = answer.headers["location"], cast.alice.http.cookies["pairing"]
    await cast.alice.post("/logout")
    await cast.alice.log_in()
    in_another_session = await cast.alice.get(path)

    again = await cast.alice.post(f"{path}/secret", login=(await login_of(cast.portal, UUID(path.split("/")[2]))).name)
    cast.portal.clock.go(minutes=11)
    too_late = await cast.alice.get(path)

    assert again.status_code == 303
    assert len(cookie) > 100
    assert shown_secret(in_another_session.text) == shown_secret(too_late.text) == ""


async def test_a_new_secret_replaces_the_old_one(cast: Cast) -> None:
    """The login stays, its verifier and version change, and the new secret is shown once."""
    login = await login_of(cast.portal, cast.roof)
    first = shown_secret((await cast.alice.get(f"/inverters/{cast.roof}/pairing")).text)

    await cast.alice.post(f"/inverters/{cast.roof}/pairing/secret", login=login.name)
    second = shown_secret((await cast.alice.get(f"/inverters/{cast.roof}/pairing")).text)
    after = await login_of(cast.portal, cast.roof)

    assert second
    assert second != first
    assert after.name == login.name
    assert after.verifier != login.verifier
    assert after.registry_version > login.registry_version


async def test_nobody_renews_the_secret_of_a_foreign_login(cast: Cast) -> None:
    """Alice's page with Bob's login name in the form changes nothing of Bob's."""
    async with cast.portal.parts.sessions() as session:
        hers = await login_of(cast.portal, cast.roof)
        bobs = (await session.scalars(select(Login).where(Login.name != hers.name))).one()

    answer = await cast.alice.post(f"/inverters/{cast.roof}/pairing/secret", login=bobs.name)

    async with cast.portal.parts.sessions() as session:
        after = await session.get(Login, bobs.name)
    assert answer.status_code == 404
    assert after is not None
    assert after.verifier == bobs.verifier


async def test_a_second_program_gets_a_login_of_its_own(cast: Cast) -> None:
    """Both logins live, both lead to the same inverter."""
    await cast.alice.post(f"/inverters/{cast.roof}/pairing/logins")
    page = await cast.alice.get(f"/inverters/{cast.roof}/pairing")

    async with cast.portal.parts.sessions() as session:
        feeds = (await session.scalars(select(Feed).where(Feed.inverter_id == cast.roof))).all()
    assert len({feed.login for feed in feeds}) == 2
    assert shown_secret(page.text)


async def test_the_ladder_follows_the_broker_and_the_bridge(cast: Cast) -> None:
    """Preparing, waiting, a refusal in the bridge's words, arrived: each told by the page that is open anyway."""
    portal, path = cast.portal, f"/inverters/{cast.roof}/pairing"
    login = await login_of(portal, cast.roof)
    preparing = await cast.alice.get(path)
    await broker_has_loaded(portal, login.registry_version - 1)
    still_preparing = await cast.alice.get(path)
    await broker_has_loaded(portal, login.registry_version)
    waiting = await cast.alice.get(path)
    await heard(
        portal,
        cast.roof,
        rung=Rung.TOPIC_RIGHT,
        refusal="not_json",
        refusal_detail="The message is not a JSON document.",
        refused_at=portal.clock(),
    )
    refused = await cast.alice.get(path)
    await heard(
        portal,
        cast.roof,
        rung=Rung.VALUES_PLAUSIBLE,
        values={"ac_power": 412.5},
        reading_at=portal.clock() + timedelta(seconds=1),
        refusal="not_json",
        refusal_detail="The message is not a JSON document.",
        refused_at=portal.clock(),
    )
    arrived = await cast.alice.get(path)

    assert "on its way to the broker" in preparing.text
    assert "on its way to the broker" in still_preparing.text
    assert "Nothing has arrived yet" in waiting.text
    assert "not a JSON document" in refused.text
    assert "not a JSON document" not in arrived.text
    assert "This is it" in arrived.text
