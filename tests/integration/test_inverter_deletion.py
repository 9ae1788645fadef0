"""An inverter is deleted, and brought back within days: bridge, broker and pages agree on both at every moment."""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from bridge.routes import Claim
from portal.inverters.ending import GRACE
from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.generations import Generations
from portal.provisioner.password_file import LoginsWouldVanish, parse
from schema.changes import registry_changed, registry_version
from schema.database import reading
from schema.models import ClaimState, Feed, Inverter, Login
from tests.at_once import AT_ONCE
from tests.people import Cast, login_of, the_cast
from tests.portal_app import running_portal
from tests.registry_set_up import Site

pytestmark = pytest.mark.integration

SERIAL = "2711111111"


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def has_spoken(cast: Cast, inverter_id: UUID, state: ClaimState = ClaimState.ACTIVE) -> None:
    """A reading of it has come: it holds its serial, or somebody else does."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Feed).where(Feed.inverter_id == inverter_id).values(claim_state=state))
        if state is ClaimState.ACTIVE:
            taken = update(Inverter).where(Inverter.id == inverter_id).values(active_serial=Inverter.serial)
            await session.execute(taken)


async def states(cast: Cast, inverter_id: UUID) -> list[ClaimState]:
    """Of its feeds."""
    async with cast.portal.parts.sessions() as session:
        return list((await session.scalars(select(Feed.claim_state).where(Feed.inverter_id == inverter_id))).all())


async def version(cast: Cast) -> int:
    """The registry's."""
    async with cast.portal.parts.sessions() as session:
        return await registry_version(session)


async def test_what_was_deleted_comes_back_and_speaks_with_its_old_secret(cast: Cast, tmp_path: Path) -> None:
    """The login leaves password file and directory and returns to both; the serial is claimed anew."""
    parts = cast.portal.parts
    login = (await login_of(cast.portal, cast.roof)).name
    await has_spoken(cast, cast.roof)
    place = Site(tmp_path, parts.settings.database_url)
    folder = BrokerFolder(tmp_path / "broker")
    generations = Generations(parts.sessions, folder, "bridge-password")
    await generations.refresh()

    async with place.registry() as bridge:
        before = bridge.knows(login), login in parse(folder.passwords() or "")
        await cast.alice.post(f"/inverters/{cast.roof}/delete")
        await generations.refresh()
        await bridge.applied(await version(cast))
        meanwhile = bridge.knows(login), login in parse(folder.passwords() or "")
        answer = await cast.alice.post(f"/inverters/{cast.roof}/bring-back")
        await generations.refresh()
        await bridge.applied(await version(cast))
        after = bridge.knows(login), login in parse(folder.passwords() or "")
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        claimed = await bridge.registry.claim(entry.routes[""], device_key="", alias="")
    await place.engine.dispose()

    assert (before, meanwhile, after) == ((True, True), (False, False), (True, True))
    assert answer.headers["location"] == f"/inverters/{cast.roof}"
    assert (await cast.alice.get(f"/inverters/{cast.roof}")).status_code == 200
    assert claimed.claim is Claim.ACTIVE


async def test_the_list_says_until_when_and_for_whom(cast: Cast) -> None:
    """Its owner sees what can be brought back; Bob and an installer with a grant do not, and later nobody does."""
    await cast.alice.post(f"/inverters/{cast.roof}/delete")
    hers, his, installers = [await person.get("/inverters") for person in (cast.alice, cast.bob, cast.ines)]
    overview = await cast.alice.get("/")
    cast.portal.clock.at += GRACE - timedelta(minutes=1)
    await cast.alice.log_in()
    late = await cast.alice.get("/inverters")
    too_late = await cast.alice.post(f"/inverters/{cast.roof}/bring-back")

    assert "Will be erased on" in hers.text
    assert "1 deleted inverter can still be brought back" in overview.text
    assert f"/inverters/{cast.roof}/bring-back" in hers.text
    assert str(cast.roof) not in his.text + installers.text + late.text
    assert too_late.status_code == 404


async def test_a_serial_that_was_taken_meanwhile_stays_with_whoever_took_it(cast: Cast) -> None:
    """Bob's reading came while Alice's inverter was deleted: hers claims again, and holds nothing by coming back."""
    await has_spoken(cast, cast.roof)
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    await has_spoken(cast, bobs, ClaimState.DISPUTED)

    await cast.alice.post(f"/inverters/{cast.roof}/delete")
    freed = await states(cast, bobs)
    await has_spoken(cast, bobs)
    await cast.alice.post(f"/inverters/{cast.roof}/bring-back")

    async with cast.portal.parts.sessions() as session:
        hers = await session.get_one(Inverter, cast.roof)
    assert freed == [ClaimState.PENDING]
    assert await states(cast, cast.roof) == [ClaimState.PENDING]
    assert hers.active_serial is None


async def test_what_was_settled_against_it_is_not_asked_again(cast: Cast) -> None:
    """A decision is not undone by deleting and bringing back."""
    await has_spoken(cast, cast.roof, ClaimState.RELEASED)
    await cast.alice.post(f"/inverters/{cast.roof}/delete")
    await cast.alice.post(f"/inverters/{cast.roof}/bring-back")

    assert await states(cast, cast.roof) == [ClaimState.RELEASED]


async def test_a_login_that_was_revoked_before_stays_so(cast: Cast) -> None:
    """Only what the deletion has ended begins again."""
    first = await login_of(cast.portal, cast.roof)
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Login).where(Login.name == first.name).values(revoked_at=cast.portal.clock()))
    cast.portal.clock.go(minutes=1)
    await cast.alice.post(f"/inverters/{cast.roof}/pairing/logins")
    second = await login_of(cast.portal, cast.roof)
    await cast.alice.post(f"/inverters/{cast.roof}/delete")
    await cast.alice.post(f"/inverters/{cast.roof}/bring-back")

    async with cast.portal.parts.sessions() as session:
        revoked = {login.name: login.revoked_at for login in await session.scalars(select(Login))}
        assert (await session.get_one(Login, second.name)).registry_version == await registry_version(session)
    assert revoked[first.name] is not None
    assert revoked[second.name] is None


async def test_a_gateways_login_goes_with_the_last_inverter_and_comes_with_the_first(cast: Cast) -> None:
    """Both deleted, the login ends; one brought back, it works again, for that one alone."""
    login = (await login_of(cast.portal, cast.roof)).name
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    async with cast.portal.parts.sessions.begin() as session:
        session.add(Feed(id=uuid4(), login=login, selector="2", inverter_id=barn))

    async def alive() -> bool:
        async with cast.portal.parts.sessions() as session:
            return (await session.get_one(Login, login)).revoked_at is None

    seen = []
    for inverter_id, act in ((cast.roof, "delete"), (barn, "delete"), (cast.roof, "bring-back")):
        cast.portal.clock.go(minutes=1)
        await cast.alice.post(f"/inverters/{inverter_id}/{act}")
        seen.append(await alive())

    assert seen == [True, False, True]
    assert (await cast.alice.get(f"/inverters/{barn}")).status_code == 404


async def test_nothing_comes_back_beside_its_own_twin(cast: Cast) -> None:
    """Added anew meanwhile: the page says which one is in the way."""
    await cast.alice.post(f"/inverters/{cast.roof}/delete")
    twin = await cast.alice.add_inverter("Roof again", SERIAL)
    answer = await cast.alice.post(f"/inverters/{cast.roof}/bring-back")
    await cast.alice.post(f"/inverters/{twin}/delete")
    again = await cast.alice.post(f"/inverters/{cast.roof}/bring-back")

    assert answer.status_code == 409
    assert f"/inverters/{twin}" in answer.text
    assert again.status_code == 303


async def test_many_deletions_and_returns_at_once_are_one_of_each(cast: Cast) -> None:
    """On PostgreSQL too, where forms do not take turns by themselves."""
    deleted = await asyncio.gather(*(cast.alice.post(f"/inverters/{cast.roof}/delete") for _ in range(AT_ONCE)))
    back = await asyncio.gather(*(cast.alice.post(f"/inverters/{cast.roof}/bring-back") for _ in range(AT_ONCE)))

    assert sorted(answer.status_code for answer in deleted) == [303] + [404] * (AT_ONCE - 1)
    assert sorted(answer.status_code for answer in back) == [303] + [404] * (AT_ONCE - 1)


class BusyFolder(BrokerFolder):
    """A login comes back at the very moment when its line was found to be missing."""

    path_of_database: Path
    login = ""

    def passwords(self) -> str | None:
        """Called between the look at the logins and the one at the revocations."""
        if self.login:
            with sqlite3.connect(self.path_of_database) as database:
                database.execute("UPDATE login SET revoked_at = NULL WHERE name = ?", [self.login])
                database.execute("UPDATE registry_version SET version = version + 1")
            database.close()
            self.login = ""
        return super().passwords()


async def test_the_password_files_guard_is_not_alarmed_by_a_return(tmp_path: Path) -> None:
    """A line that is missing without a revocation stops the writer, unless the login has come back meanwhile."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        login = (await login_of(portal, people.roof)).name
        folder = BusyFolder(tmp_path / "broker")
        folder.path_of_database = tmp_path / "deye.db"
        generations = Generations(portal.parts.sessions, folder, "bridge-password")
        await generations.refresh()
        await people.alice.post(f"/inverters/{people.roof}/delete")
        folder.login = login
        await generations.refresh()
        back = login in parse(folder.passwords() or "")

        async with portal.parts.sessions.begin() as session:
            await session.execute(update(Feed).where(Feed.login == login).values(login=(await _other(people)).name))
            await session.delete(await session.get_one(Login, login))
            await registry_changed(session)
        with pytest.raises(LoginsWouldVanish):
            await generations.refresh()

    assert back


async def _other(people: Cast) -> Login:
    async with reading(people.portal.parts.sessions) as session:
        return (await session.scalars(select(Login).order_by(Login.registry_version.desc()).limit(1))).one()
