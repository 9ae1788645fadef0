"""A deletion: asked for, told by mail, kept as long as the grace lasts; then the person is gone, and nobody else is."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.accounts.sweeper import Sweeper
from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.generations import Generations
from schema.models import (
    Account,
    AuditEntry,
    Base,
    ClaimState,
    EmailToken,
    Feed,
    Grant,
    Inverter,
    Login,
    OutboxMail,
    Owner,
    Role,
)
from tests.people import Person, allow, login_of, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal
from tests.sharing import home_of, made_site, on_its_way

pytestmark = pytest.mark.integration


@pytest.fixture
async def ines(portal: RunningPortal) -> AsyncGenerator[Person, None]:
    """Ines, who installs."""
    async with portal.browser() as http:
        yield Person("ines", http)


async def settled(portal: RunningPortal, *people: Person) -> None:
    """Confirmed accounts, logged in."""
    for person in people:
        await sign_up(portal, person)
        await person.log_in()


async def swept(portal: RunningPortal) -> int:
    """One turn of the task."""
    return await Sweeper(portal.parts.sessions, portal.clock).sweep()


async def actions(portal: RunningPortal) -> list[str]:
    """What the audit log says was done about accounts, oldest first."""
    async with portal.parts.sessions() as session:
        statement = select(AuditEntry.action).where(AuditEntry.action.like("account.delet%")).order_by(AuditEntry.id)
        return list((await session.scalars(statement)).all())


async def rows_with(portal: RunningPortal, *traces: str) -> set[str]:
    """Tables in which any of these texts can still be read."""
    async with portal.parts.sessions() as session:
        return {
            name
            for name, table in Base.metadata.tables.items()
            for row in (await session.execute(select(table))).all()
            if any(trace.casefold() in str(tuple(row)).casefold() for trace in traces)
        }


async def test_until_the_day_everything_works_and_every_page_says_so(portal: RunningPortal, alice: Person) -> None:
    """Six days later: the banner with its button, the mail with its link, and the inverter as ever."""
    await settled(portal, alice)
    roof = await alice.add_inverter()
    before = await alice.get("/inverters")

    asked = await alice.post("/account/delete", sure="yes")
    portal.clock.go(days=6, hours=23)
    deleted = await swept(portal)
    await alice.log_in()
    page, inverter = await alice.get("/inverters"), await alice.get(f"/inverters/{roof}")

    assert (asked.status_code, asked.headers["location"]) == (303, "/account/delete")
    assert deleted == 0
    assert "Keep my account" not in before.text
    assert 'action="/account/keep"' in page.text
    assert inverter.status_code == 200
    assert portal.bag.to(alice.email)[0]["Subject"] == "Your account will be deleted"


@pytest.mark.parametrize("by_mail", [True, False])
async def test_a_person_keeps_his_account(portal: RunningPortal, alice: Person, bob: Person, *, by_mail: bool) -> None:
    """By the button on any page, or by the link from a browser that is signed in nowhere; the link works once."""
    await settled(portal, alice)
    await alice.post("/account/delete", sure="yes")
    token = token_of(await newest_link(portal, alice.email))
    look = await bob.get(f"/account/delete/cancel?token={token}")

    kept = await (bob.post("/account/delete/cancel", token=token) if by_mail else alice.post("/account/keep"))
    again = await bob.post("/account/delete/cancel", token=token)
    portal.clock.go(days=8)
    deleted = await swept(portal)

    assert (look.status_code, kept.status_code, again.status_code) == (200, 303, 410)
    assert deleted == 0
    assert (await alice.log_in()).status_code == 303
    assert 'action="/account/keep"' not in (await alice.get("/")).text
    assert await actions(portal) == ["account.deletion_asked", "account.deletion_cancelled"]


async def test_a_link_alone_keeps_nothing(portal: RunningPortal, alice: Person) -> None:
    """Mail scanners follow it; only the button counts."""
    await settled(portal, alice)
    await alice.post("/account/delete", sure="yes")

    await alice.get(await newest_link(portal, alice.email))
    portal.clock.go(days=7, seconds=1)

    assert await swept(portal) == 1


async def test_after_the_grace_nothing_names_the_person(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """No table holds address, name or hash; sessions and tokens are gone; Bob is as he was."""
    await settled(portal, alice, bob)
    await alice.post("/account/profile", display_name="Alice Liddell", time_zone="UTC")
    roof = await alice.add_inverter("Liddell's roof", "2711111111")
    shed = await bob.add_inverter("Shed", "2722222222")
    for _ in range(2):
        _, link = await on_its_way(portal, bob.account_id, await home_of(portal, shed), alice.email)
    assert (await alice.post("/invitation/accept", token=link)).status_code == 303
    await alice.post("/account/email", email="liddell@example.net")
    headers = await alice.bearer()
    await alice.post("/account/delete", sure="yes")
    await newest_link(portal, alice.email)
    async with portal.parts.sessions() as session:
        hashed = (await session.get_one(Account, alice.account_id)).password_hash

    portal.clock.go(days=7, seconds=1)
    await bob.log_in()
    deleted, twice = await swept(portal), await swept(portal)

    assert (deleted, twice) == (1, 0)
    assert await rows_with(portal, alice.email, "liddell@example.net", hashed) == set()
    assert await rows_with(portal, "Liddell") <= {"audit_entry"}
    assert (await alice.get("/")).status_code == 303
    assert (await alice.http.get("/api/inverters", headers=headers)).status_code == 401
    assert (await alice.log_in()).status_code == 422
    assert (await bob.get("/")).status_code == 200
    assert "2722222222" in (await bob.get("/inverters")).text
    assert (await actions(portal))[-1] == "account.deleted"
    async with portal.parts.sessions() as session:
        left = (await session.get_one(Inverter, roof)).owner_id
        assert await session.get(Owner, left) is not None
        assert (await session.scalars(select(EmailToken))).all() == []
        assert (await session.scalars(select(Grant.account_id))).all() == [bob.account_id]
        assert (await session.scalars(select(OutboxMail))).all() == []


async def test_logins_are_revoked_and_the_password_file_follows(
    portal: RunningPortal, alice: Person, bob: Person, tmp_path: Path
) -> None:
    """The provisioner sees why a login is gone and writes the file without it; serial and claim are free."""
    await settled(portal, alice, bob)
    roof = await alice.add_inverter()
    shed = await bob.add_inverter("Shed", "2722222222")
    hers, his = (await login_of(portal, roof)).name, (await login_of(portal, shed)).name
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(Inverter).where(Inverter.id == roof).values(active_serial="2711111111"))
        await session.execute(update(Feed).where(Feed.inverter_id == roof).values(claim_state=ClaimState.ACTIVE))
    folder = BrokerFolder(tmp_path / "broker")
    generations = Generations(portal.parts.sessions, folder, "a bridge's password")
    await generations.refresh()
    before = folder.passwords() or ""

    await alice.post("/account/delete", sure="yes")
    portal.clock.go(days=7, seconds=1)
    await swept(portal)
    await generations.refresh()
    after = folder.passwords() or ""

    assert hers in before
    assert his in before
    assert hers not in after
    assert his in after
    async with portal.parts.sessions() as session:
        inverter = await session.get_one(Inverter, roof)
        assert (inverter.active_serial, inverter.deleted_at, inverter.erase_after) == (
            None,
            portal.clock(),
            portal.clock(),
        )
        assert (await session.get_one(Login, hers)).revoked_at == portal.clock()
        assert (await session.get_one(Login, his)).revoked_at is None
        claim = await session.scalars(select(Feed.claim_state).where(Feed.login == hers))
        assert claim.one() == ClaimState.RELEASED


async def test_a_home_of_two_stays_with_the_other(
    portal: RunningPortal, alice: Person, bob: Person, ines: Person
) -> None:
    """Bob owns Alice's home too: he keeps its inverters and their logins. Ines, who installs, works on."""
    await settled(portal, alice, bob, ines)
    roof = await alice.add_inverter()
    await allow(portal, bob, roof, Role.OWNER)
    await allow(portal, ines, roof, Role.INSTALLER)

    await alice.post("/account/delete", sure="yes")
    portal.clock.go(days=7, seconds=1)
    deleted = await swept(portal)
    for person in (bob, ines):
        await person.log_in()

    assert deleted == 1
    assert (await bob.get(f"/inverters/{roof}/pairing")).status_code == 200
    assert (await ines.get(f"/inverters/{roof}")).status_code == 200
    assert (await login_of(portal, roof)).revoked_at is None


async def test_a_site_that_nobody_owns_goes_with_its_installer(portal: RunningPortal, ines: Person) -> None:
    """Nobody could hand it over any more, or end what publishes there."""
    await settled(portal, ines)
    site, (barn,) = await made_site(portal, ines)

    await ines.post("/account/delete", sure="yes")
    portal.clock.go(days=7, seconds=1)
    await swept(portal)

    assert (await login_of(portal, barn)).revoked_at == portal.clock()
    async with portal.parts.sessions() as session:
        assert (await session.get_one(Inverter, barn)).erase_after == portal.clock()
        assert (await session.get_one(Owner, site)).name == "Home"


async def test_links_of_invitations_are_forgotten(portal: RunningPortal, alice: Person) -> None:
    """A week after they ended, used or not: they hold somebody's address."""
    await settled(portal, alice)
    home = await home_of(portal, await alice.add_inverter())
    await on_its_way(portal, alice.account_id, home, "somebody@example.net")
    await swept(portal)
    kept = await rows_with(portal, "somebody@example.net")
    portal.clock.go(days=14)
    await swept(portal)

    assert (kept, await rows_with(portal, "somebody@example.net")) == ({"invitation"}, set())


async def test_a_home_that_others_only_look_at_goes_and_they_work_on(
    portal: RunningPortal, alice: Person, ines: Person
) -> None:
    """Readings nobody owns any more are nobody's to see, and are erased; Ines keeps her account and her own."""
    await settled(portal, alice, ines)
    roof = await alice.add_inverter()
    await allow(portal, ines, roof, Role.INSTALLER)
    own = await ines.add_inverter("Workshop", "2733333333")

    await alice.post("/account/delete", sure="yes")
    portal.clock.go(days=7, seconds=1)
    await swept(portal)
    await ines.log_in()

    assert (await ines.get(f"/inverters/{roof}")).status_code == 404
    assert (await ines.get(f"/inverters/{own}")).status_code == 200
    async with portal.parts.sessions() as session:
        home = (await session.get_one(Inverter, roof)).owner_id
        assert (await session.scalars(select(Grant.id).where(Grant.owner_id == home))).all() == []


async def test_the_last_administrator_stays(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Somebody has to be able to help; with a second one the first may go."""
    await sign_up(portal, alice, admin=True)
    await alice.log_in()

    alone = await alice.post("/account/delete", sure="yes")
    await sign_up(portal, bob, admin=True)
    not_alone = await alice.post("/account/delete", sure="yes")

    assert alone.status_code == 422
    assert "only administrator" in alone.text
    assert not_alone.status_code == 303


async def test_one_account_in_trouble_holds_up_no_other(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """A row that cannot be deleted is logged and tried again; the next one goes."""
    await settled(portal, alice, bob)
    for person in (alice, bob):
        await person.post("/account/delete", sure="yes")
        portal.clock.go(seconds=1)
    portal.clock.go(days=8)
    async with portal.parts.sessions.begin() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "CREATE TRIGGER stuck BEFORE DELETE ON account"
            f" WHEN old.email = '{alice.email}' BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        )

    deleted = await swept(portal)

    assert deleted == 1
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Account.email))).all() == [alice.email]
