"""Accounts to an administrator: found by what was typed and nothing else, changed by acts that leave one entry each."""

from uuid import uuid4

import pytest
from sqlalchemy import update

from portal.admin.users import acts
from portal.admin.users.acts import NoSuchAccount, NotPossible
from portal.admin.users.forms import GlobalRole
from portal.admin.users.service import MOST_SHOWN
from schema.models import Account, Grant, Owner, Role
from tests.administration import account, devices, entries, names_in_pages, the_account
from tests.people import Cast, sign_up

pytestmark = pytest.mark.integration
LIST = "/admin/users"


async def test_a_search_takes_wildcards_and_quotes_for_what_they_are(cast: Cast) -> None:
    """A percent sign finds a percent sign; nothing that is typed becomes SQL, and NUL is refused with a sentence."""
    for email in ("100%@example.org", "a_b@example.org", "axb@example.org", "o'hara@example.org", "back\\@example.org"):
        await account(cast.portal, email)
    found = {}

    for typed in ("100%25", "a_b", "%25", "_", "o%27hara", "%27 OR 1=1 --", "back%5C", "A_B%40EXAMPLE"):
        text = (await cast.ada.get(f"{LIST}?q={typed}")).text
        found[typed] = [name for name in ("100%@", "a_b@", "axb@", "o&#39;hara@", "back\\@", "alice@") if name in text]
    refused = await cast.ada.get(f"{LIST}?q=%00")

    assert found == {
        "100%25": ["100%@"], "a_b": ["a_b@"], "%25": ["100%@"], "_": ["a_b@"], "o%27hara": ["o&#39;hara@"],
        "%27 OR 1=1 --": [], "back%5C": ["back\\@"], "A_B%40EXAMPLE": ["a_b@"],
    }  # fmt: skip
    assert refused.status_code == 200
    assert "cannot be seen" in refused.text


async def test_every_account_is_on_exactly_one_page(cast: Cast) -> None:
    """Also where all were made at the same instant, in every order; behind the last page there is nothing."""
    names = [f"many{number:03}@example.org" for number in range(120)]
    for name in names:
        await account(cast.portal, name)

    for order in ("newest", "oldest", "address"):
        pages = await names_in_pages(cast.ada, f"{LIST}?q=many&sort={order}", names, 3)

        assert [len(page) for page in pages] == [50, 50, 20]
        assert sorted(name for page in pages for name in page) == names
    assert (await cast.ada.get(f"{LIST}?q=many&page=4")).status_code == 404


async def test_states_are_told_apart(cast: Cast) -> None:
    """Each filter finds the accounts of its state."""
    now = cast.portal.clock()
    await account(cast.portal, "waits@example.org", verified_at=None)
    await account(cast.portal, "disabled@example.org", disabled_at=now)
    await account(cast.portal, "leaves@example.org", delete_after=now)
    await account(cast.portal, "installs@example.org", is_installer=True)
    names = ["waits@", "disabled@", "leaves@", "installs@", "ada@"]

    found = {
        state: [name for name in names if name in (await cast.ada.get(f"{LIST}?state={state}")).text.split("<h1>")[1]]
        for state in ("waiting", "disabled", "leaving", "installers", "admins")
    }

    assert list(found.values()) == [["waits@"], ["disabled@"], ["leaves@"], ["installs@"], ["ada@"]]


async def test_the_page_of_an_installer_with_hundreds_of_sites_ends(cast: Cast) -> None:
    """Two hundred stand there, his own home among them, and that there are more."""
    now = cast.portal.clock()
    sites = [Owner(id=uuid4(), name=f"Site {n:03d}", time_zone="UTC", created_at=now) for n in range(MOST_SHOWN + 5)]
    async with cast.portal.parts.sessions.begin() as session:
        session.add_all(sites)
        await session.flush()
        role, ines = Role.INSTALLER, cast.ines.account_id
        session.add_all(Grant(id=uuid4(), account_id=ines, owner_id=one.id, role=role, created_at=now) for one in sites)
    many, few = [(await cast.ada.get(f"{LIST}/{one.account_id}")).text for one in (cast.ines, cast.alice)]

    assert many.count("<dd>installer") == MOST_SHOWN - 1
    assert many.count("<dd>owner") == 1
    assert ("Only the first 200" in many, "Only the first 200" in few) == (True, False)


async def test_an_account_is_shown_without_its_secrets(cast: Cast) -> None:
    """Inverters, roles and devices, but no hash and no token."""
    row = await the_account(cast.portal, cast.alice.account_id)

    page = (await cast.ada.get(f"{LIST}/{row.id}")).text

    assert "alice@example.org" in page
    assert "2711111111" in page
    assert row.password_hash not in page
    assert "argon2" not in page


@pytest.mark.parametrize(
    ("act", "typed", "action"),
    [
        ("give", {"role": "installer"}, "role.granted"),
        ("give", {"role": "admin"}, "role.granted"),
        ("end-sessions", {}, "session.all_ended"),
        ("disable", {}, "account.disabled"),
    ],
)
async def test_every_act_leaves_one_entry_and_says_what_was_done(
    cast: Cast, act: str, typed: dict[str, str], action: str
) -> None:
    """With who did it to whom; the page that follows says so."""
    before = len(await entries(cast.portal))

    answer = await cast.ada.post(f"{LIST}/{cast.bob.account_id}/{act}", **typed)
    page = await cast.ada.get(answer.headers["location"])
    after = await entries(cast.portal)

    assert answer.status_code == 303
    assert 'role="status"' in page.text
    assert len(after) == before + 1
    assert (after[-1].action, after[-1].actor_id) == (action, cast.ada.account_id)
    assert after[-1].subject == f"account:{cast.bob.account_id}"


@pytest.mark.parametrize(("act", "typed"), [("take", {"role": "admin"}), ("end-sessions", {}), ("disable", {})])
async def test_a_demotion_ends_every_session_at_once(cast: Cast, act: str, typed: dict[str, str]) -> None:
    """What a device was allowed before it is not allowed with its next request."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == cast.bob.account_id).values(is_admin=True))
    bearer = await cast.bob.bearer()
    allowed = (await cast.bob.get("/admin")).status_code

    await cast.ada.post(f"{LIST}/{cast.bob.account_id}/{act}", **typed)

    assert allowed == 200
    assert (await cast.bob.get("/admin")).status_code == 404
    assert (await cast.bob.get("/")).status_code == 303
    assert (await cast.nobody.http.get("/api/inverters", headers=bearer)).status_code == 401
    assert await devices(cast.portal, cast.bob.account_id) == 0


async def test_a_disabled_account_cannot_log_in_until_it_is_enabled(cast: Cast) -> None:
    """And the form says no more than for a wrong password."""
    await cast.ada.post(f"{LIST}/{cast.bob.account_id}/disable")
    refused = await cast.bob.log_in()
    wrong = await cast.bob.log_in("another password")
    await cast.ada.post(f"{LIST}/{cast.bob.account_id}/enable")
    entered = await cast.bob.log_in()

    assert refused.status_code == wrong.status_code == 422
    assert refused.text == wrong.text
    assert entered.status_code == 303


async def test_nobody_removes_himself_and_the_last_administrator_stays(cast: Cast) -> None:
    """By the form and past it: a disabled or unconfirmed administrator is none to count on."""
    ada, portal = cast.ada, cast.portal
    await account(portal, "away@example.org", is_admin=True, disabled_at=portal.clock())
    await account(portal, "unsure@example.org", is_admin=True, verified_at=None)
    by_form = [
        await ada.post(f"{LIST}/{ada.account_id}/take", role="admin"),
        await ada.post(f"{LIST}/{ada.account_id}/disable"),
    ]
    other = await account(portal, "other@example.org", is_admin=True, disabled_at=portal.clock())

    async with portal.parts.sessions() as session:
        with pytest.raises(NotPossible, match="last administrator"):
            await acts.take(session, GlobalRole.ADMIN, ada.account_id, by=other, now=portal.clock())
        with pytest.raises(NotPossible, match="last administrator"):
            await acts.disable(session, ada.account_id, by=other, now=portal.clock())

    assert [answer.status_code for answer in by_form] == [409, 409]
    assert "yourself" in by_form[0].text
    assert (await the_account(portal, ada.account_id)).is_admin
    assert await devices(portal, ada.account_id) == 1


async def test_whoever_lost_administration_meanwhile_changes_nothing(cast: Cast) -> None:
    """The guard has let him in; the transaction looks again."""
    portal = cast.portal

    async with portal.parts.sessions() as session:
        with pytest.raises(NoSuchAccount):
            await acts.disable(session, cast.alice.account_id, by=cast.bob.account_id, now=portal.clock())

    assert (await the_account(portal, cast.alice.account_id)).disabled_at is None


async def test_what_is_not_possible_is_said_and_leaves_no_entry(cast: Cast) -> None:
    """Giving twice, taking what is not there, enabling who is not disabled, confirming who is confirmed."""
    one = f"{LIST}/{cast.bob.account_id}"
    before = len(await entries(cast.portal))

    answers = [
        await cast.ada.post(f"{one}/take", role="installer"),
        await cast.ada.post(f"{one}/enable"),
        await cast.ada.post(f"{one}/confirm-again"),
        await cast.ada.post(f"{one}/give", role="owner"),
        await cast.ada.post(f"{one}/end-sessions", more="1"),
        await cast.ada.post(f"{LIST}/{uuid4()}/disable"),
    ]

    assert [answer.status_code for answer in answers] == [409, 409, 409, 422, 422, 404]
    assert len(await entries(cast.portal)) == before


async def test_a_confirmation_is_sent_again_in_one_entry(cast: Cast) -> None:
    """The mail goes to whoever signed up; the entry names the administrator."""
    waiting = await account(cast.portal, "waits@example.org", verified_at=None)

    answer = await cast.ada.post(f"{LIST}/{waiting}/confirm-again")
    await cast.portal.mail_sent()
    asked = await entries(cast.portal, "account.confirmation_asked")

    assert answer.status_code == 303
    assert len(cast.portal.bag.to("waits@example.org")) == 1
    assert [entry.actor_id for entry in asked] == [cast.ada.account_id]


async def test_acts_want_a_fresh_log_in(cast: Cast) -> None:
    """An open page of half an hour ago asks for the password first, and comes back to the account."""
    one = f"{LIST}/{cast.bob.account_id}"
    cast.portal.clock.go(minutes=30)

    looked, pressed = await cast.ada.get(one), await cast.ada.post(f"{one}/disable")

    assert looked.status_code == pressed.status_code == 303
    assert pressed.headers["location"].startswith(f"/account/prove?next={one}")
    assert (await the_account(cast.portal, cast.bob.account_id)).disabled_at is None


async def test_a_command_that_appoints_is_written_down_too(cast: Cast) -> None:
    """``create-admin`` has no account behind it: the entry says that a command did it."""
    from portal.accounts import service  # noqa: PLC0415

    await sign_up(cast.portal, cast.nobody)
    async with cast.portal.parts.sessions.begin() as session:
        await service.make_admin(session, cast.nobody.account_id, now=cast.portal.clock())

    granted = (await entries(cast.portal, "role.granted"))[-1]

    assert (granted.actor, granted.actor_id, granted.details) == ("command", None, {"role": "admin"})
