"""The audit log on pages: an administrator finds every act, an owner what concerns him, and neither sees a secret."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from portal import audit
from portal.audit import Action
from portal.audit_log.sayings import SAYINGS
from portal.audit_log.sealer import AuditSealer
from tests.administration import entries, login_of
from tests.people import PASSWORD, Cast, newest_link, shown_secret, the_cast, token_of
from tests.portal_app import RunningPortal, running_portal
from tests.sharing import home_of

pytestmark = pytest.mark.integration
LOG = "/admin/log"
MINE = "/account/activity"


async def acts(portal: RunningPortal, count: int, *, actor: audit.Actor, at_day: int = 0) -> list[int]:
    """So many renamings of inverters; returns the entries' numbers."""
    before = len(await entries(portal))
    async with portal.parts.sessions.begin() as session:
        for number in range(count):
            now = portal.clock() + timedelta(days=at_day)
            subject = audit.inverter(UUID(int=number))
            await audit.record(session, Action.INVERTER_CHANGED, subject=subject, actor=actor, now=now)
    return [entry.id for entry in (await entries(portal))[before:]]


def test_every_act_has_words() -> None:
    """What the log holds can be read by somebody who has never seen the code."""
    assert {action.value for action in Action} == set(SAYINGS)


async def test_what_an_owner_does_leaves_one_entry_each(cast: Cast) -> None:
    """Log-in, inverter, name, secret, login, deletion, log-out, in their order, each about her owner's things."""
    alice, before = cast.alice, len(await entries(cast.portal))

    shed = await alice.add_inverter("Barn", "2744444444")
    page = (await alice.get(f"/inverters/{shed}/pairing")).text
    await alice.post(f"/inverters/{shed}/edit", name="Byre")
    await alice.post(f"/inverters/{shed}/pairing/secret", login=await login_of(cast.portal, shed))
    await alice.post(f"/inverters/{shed}/pairing/logins")
    await alice.post(f"/inverters/{shed}/delete")
    await alice.post("/logout")
    await alice.log_in()
    await alice.log_in("the wrong password")
    found = (await entries(cast.portal))[before:]

    assert [entry.action for entry in found] == [
        "inverter.added", "inverter.changed", "login.renewed", "login.made", "inverter.deleted", "session.ended",
        "account.logged_in", "account.log_in_refused",
    ]  # fmt: skip
    assert {entry.actor_id for entry in found[:-1]} == {alice.account_id}
    assert len({entry.owner_id for entry in found[:5]} - {None}) == 1
    assert found[1].details == {"name before": "Barn", "name": "Byre"}
    assert len(found[4].details["logins"]) == 2
    text = " ".join(str(entry.details) + entry.subject for entry in found)
    for secret in (shown_secret(page), PASSWORD, "the wrong password", "alice@"):
        assert secret
        assert secret not in text


async def test_sign_up_confirmation_and_reset_leave_one_entry_each(tmp_path: Path) -> None:
    """By nobody as long as nobody has proved to be the account; a refused stranger is a hash."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as cast:
        before, nobody = len(await entries(portal)), cast.nobody
        await nobody.post("/signup", email=nobody.email, password=PASSWORD)
        await nobody.post("/verify", token=token_of(await newest_link(portal, nobody.email)))
        await nobody.post("/signup", email=nobody.email, password=PASSWORD)
        await nobody.post("/reset", email=nobody.email)
        await nobody.post(
            "/reset/set", token=token_of(await newest_link(portal, nobody.email)), password=PASSWORD + "!"
        )
        await nobody.post("/login", email="unknown@example.org", password=PASSWORD)
        found = (await entries(portal))[before:]

    assert [entry.action for entry in found] == [
        "account.signed_up", "account.confirmed", "account.signed_up_again", "password.reset_asked", "password.set",
        "account.log_in_refused",
    ]  # fmt: skip
    assert [entry.actor for entry in found] == ["nobody", "account", "nobody", "nobody", "account", "nobody"]
    assert found[-1].subject.startswith("email:")
    assert "unknown" not in found[-1].subject
    assert len({entry.subject for entry in found[:-1]}) == 1


async def test_the_log_is_found_by_who_what_about_what_and_when(cast: Cast) -> None:
    """Each filter alone and together; what is typed is no wildcard and no SQL."""
    portal = cast.portal
    await acts(portal, 1, actor=cast.bob.account_id)
    await acts(portal, 1, actor=audit.SYSTEM, at_day=3)
    today = portal.clock().date()
    tomorrow, later = today + timedelta(days=1), today + timedelta(days=3)
    marks = {
        "bob": f"/admin/users/{cast.bob.account_id}",
        "system": '<td class="words">system</td>',
        "login": "account.logged_in</code>",
    }
    found = {}

    for query in (
        f"who={cast.bob.email}", f"who={cast.bob.account_id}", "who=system", "who=nobody@example.org",
        "action=account.logged_in", f"q={UUID(int=0)}", "q=%25", "q=%27", f"since={later}", f"until={tomorrow}",
        f"since={tomorrow}&until={tomorrow}", f"who=system&until={today}",
    ):  # fmt: skip
        text = (await cast.ada.get(f"{LOG}?{query}")).text
        found[query] = [name for name, mark in marks.items() if mark in text]
    wrong = [
        (await cast.ada.get(f"{LOG}?{query}")) for query in ("action=x", "since=x", "before=-1", "until=0001-01-01")
    ]

    assert list(found.values()) == [
        ["bob", "login"], ["bob", "login"], ["system"], [], ["bob", "login"], ["bob", "system"], [], [], ["system"],
        ["bob", "login"], [], [],
    ]  # fmt: skip
    assert [answer.status_code for answer in wrong] == [200] * 4


async def test_the_log_is_walked_by_numbers_that_nothing_moves(cast: Cast) -> None:
    """Back and forth over 120 entries, while others come: every entry on one page, none twice, none left out."""
    numbers = await acts(cast.portal, 120, actor=audit.COMMAND)
    path = f"{LOG}?who=command"

    async def shown(address: str) -> list[int]:
        text = (await cast.ada.get(address)).text
        return [number for number in numbers if f'<td class="number">{number}<' in text]

    first = await shown(path)
    newer_ones = await acts(cast.portal, 7, actor=audit.COMMAND)
    second = await shown(f"{path}&before={first[0]}")
    third = await shown(f"{path}&before={second[0]}")
    back = await shown(f"{path}&after={third[-1]}")
    behind = await cast.ada.get(f"{path}&before={numbers[0]}")
    top = await cast.ada.get(f"{path}&after={newer_ones[-1]}")

    assert third + second + first == numbers
    assert back == second
    assert "Newer" in behind.text
    assert (behind.status_code, top.status_code) == (200, 200)


async def test_the_page_names_the_head_of_the_chain(cast: Cast) -> None:
    """So that somebody writes it down elsewhere."""
    sealer = AuditSealer(cast.portal.parts.sessions, now=cast.portal.clock)
    while await sealer.seal_waiting():
        pass
    head = (await entries(cast.portal))[-1]

    page = (await cast.ada.get(LOG)).text

    assert f"{head.id} entries are sealed" in page
    assert "not sealed yet" not in page


async def test_an_owner_sees_his_own_account_and_nothing_of_others(cast: Cast) -> None:
    """What he did and what an administrator did to him; no administrator's address, no id of anybody."""
    await cast.ada.post(f"/admin/users/{cast.bob.account_id}/give", role="installer")
    await cast.nobody.post("/login", email=cast.bob.email, password="a wrong password")

    for_bob, for_alice = (await cast.bob.get(MINE)).text, (await cast.alice.get(MINE)).text

    assert "Role given" in for_bob
    assert "by an administrator" in for_bob
    assert "Log-in refused" in for_bob
    assert "Shed" in for_bob
    assert "ada@example.org" not in for_bob
    assert str(cast.ada.account_id) not in for_bob
    assert "Role given" not in for_alice
    assert "Shed" not in for_alice
    assert "Roof" in for_alice


async def test_an_owner_reads_that_his_readings_have_moved_and_no_address_of_ours(cast: Cast) -> None:
    """Where our stores are is nobody's business but the operator's."""
    home = await home_of(cast.portal, cast.roof)
    async with cast.portal.parts.sessions.begin() as session:
        for action in (Action.OWNER_MOVE_ASKED, Action.OWNER_MOVED):
            await audit.record(
                session, action, subject=audit.owner(home), actor=audit.SYSTEM, owner_id=home,
                details={"before": "http://old.internal:8086", "after": "http://new.internal:8086"},
                now=cast.portal.clock(),
            )  # fmt: skip

    page = (await cast.alice.get(MINE)).text

    assert "Readings moved to another server" in page
    assert "internal" not in page


async def test_an_owners_activity_is_walked_by_numbers_too(cast: Cast) -> None:
    """Older and newer ones, and an address with nonsense in it shows the newest."""
    await acts(cast.portal, 60, actor=cast.alice.account_id)

    first = (await cast.alice.get(MINE)).text
    older = first.partition('href="/account/activity?before=')[2].partition('"')[0]
    second = (await cast.alice.get(f"{MINE}?before={older}")).text
    nonsense = await cast.alice.get(f"{MINE}?before=x")

    assert first.count("<li>") == 50
    assert "Inverter added" not in first
    assert "Inverter added" in second
    assert "Newer" in second
    assert nonsense.status_code == 200
