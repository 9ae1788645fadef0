"""The bridge's registry on both databases: changes arrive, none is missed, one change costs one login's rows."""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text, update

from schema.changes import registry_changed
from schema.database import is_sqlite, reading
from schema.models import Inverter, Login, Owner, Placement, RegistryChange, RegistryVersion, SerialAlias
from tests.registry_set_up import NOW, Site, Watched, fleet, site
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    """A database of each kind."""
    async with site(tmp_path, database_url) as made:
        yield made


async def test_a_new_login_is_known_within_a_second_of_its_commit(place: Site) -> None:
    """The middle one of three; and its points have somewhere to go, with an opened token."""
    took_s = []
    async with place.registry() as bridge:
        for _ in range(3):
            login, inverter_id = await place.pair()
            began = time.monotonic()
            await until(lambda login=login: bridge.knows(login))  # type: ignore[misc]  # login is bound
            took_s.append(time.monotonic() - began)
        destination = bridge.registry.directory.destination(inverter_id)

    assert statistics.median(took_s) < 1.0
    assert destination is not None
    assert destination.token == "token"


async def test_one_change_among_thousands_reads_one_logins_rows(place: Site) -> None:
    """A resync after one change must not cost a fleet."""
    logins = await fleet(place, 2_500)
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(logins[0]))
        everything = [statement for statement in bridge.statements if "ORDER BY login.name" in statement]
        bridge.statements.clear()
        login, inverter_id = await place.pair()
        await until(lambda: bridge.knows(login))
        asked = [statement for statement in bridge.statements if statement != "BEGIN"]
        changed = [statement for statement in asked if "registry_version" not in statement]
        version = await place.revoke(login, inverter_id)
        await bridge.applied(version)

    assert len(everything) == 1
    assert len(changed) <= 4
    assert not any("ORDER BY login.name" in statement for statement in changed)
    assert not bridge.knows(login)
    assert len(bridge.registry.directory) == 2_501


async def test_a_reader_misses_no_change_however_late_it_commits(place: Site) -> None:
    """Twenty transactions at once (five where they wait for one another), each open for a moment of chance after it has
    taken its version. Whenever a version is applied, every login that was committed with it or before it is known.
    """
    at_once = 5 if is_sqlite(place.url) else 20
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    missed: list[tuple[int, set[str]]] = []

    async def check(bridge: Watched) -> None:
        seen = -1
        while True:
            if bridge.version != seen:
                seen = bridge.version
                known = set(bridge.registry.directory)
                async with reading(place.sessions) as session:
                    due = set((await session.scalars(select(Login.name).where(Login.registry_version <= seen))).all())
                if due - known:
                    missed.append((seen, due - known))
            await asyncio.sleep(0.001)

    async with place.registry() as bridge:
        checking = asyncio.create_task(check(bridge))
        for _ in range(60 // at_once):
            await asyncio.gather(*(place.pair(pause_s=dice.random() * 0.02) for _ in range(at_once)))
        await bridge.applied(60)
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)

    assert missed == []
    assert len(bridge.registry.directory) == 60


async def test_a_change_that_nobody_announced_is_found_by_the_sweep(place: Site) -> None:
    """A notification can be lost; the version is asked for now and then all the same."""
    login, inverter_id = await place.pair()
    async with place.registry(sweep_s=0.3) as bridge:
        await until(lambda: bridge.knows(login))
        async with place.sessions() as session, session.begin():
            await session.execute(update(RegistryVersion).values(version=RegistryVersion.version + 1))
            newest = (await session.scalars(select(RegistryVersion.version))).one()
            session.add(RegistryChange(version=newest, inverter_id=inverter_id))
            await session.execute(update(Login).values(revoked_at=NOW))
        await bridge.applied(newest, limit_s=3.0)

    assert not bridge.knows(login)


async def test_whoever_missed_what_changed_reads_everything(place: Site) -> None:
    """A gap, a change that names nothing, a database restored from an older copy: each time the truth is found."""
    login, _ = await place.pair()
    async with place.registry() as bridge:
        await bridge.applied(1)
        async with place.sessions() as session, session.begin():
            for _ in range(3):
                version = await registry_changed(session, inverter_id=UUID(int=1))
            await session.execute(delete(RegistryChange).where(RegistryChange.version == version - 1))
            await session.execute(update(Login).values(revoked_at=NOW))
        await bridge.applied(version)
        after_gap = bridge.knows(login)
        async with place.sessions() as session, session.begin():
            version = await registry_changed(session)
            await session.execute(update(Login).values(revoked_at=None))
        await bridge.applied(version)
        after_unnamed = bridge.knows(login)
        async with place.sessions() as session, session.begin():
            await session.execute(update(RegistryVersion).values(version=2))
            await session.execute(delete(RegistryChange).where(RegistryChange.version > 2))
            await session.execute(update(Login).values(revoked_at=NOW))
        bridge.registry._wanted.set()
        await until(lambda: bridge.version == 2)

    assert (after_gap, after_unnamed, bridge.knows(login)) == (False, True, False)


async def test_what_is_gone_from_the_database_is_forgotten(place: Site) -> None:
    """A login whose row is gone (a database from a backup, say): whoever speaks with it is a stranger."""
    login, inverter_id = await place.pair()
    other, _ = await place.pair()
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        async with place.sessions() as session, session.begin():
            version = await registry_changed(session, inverter_id=inverter_id)
            await session.execute(delete(Login).where(Login.name == login))
        await bridge.applied(version)
        await until(lambda: login not in place.snapshot.load()[0])

    assert bridge.registry.directory.login(login) is None
    assert bridge.registry.directory.destination(inverter_id) is None
    assert bridge.knows(other)


async def test_an_owner_who_is_erased_leaves_logins_that_speak_of_nothing(place: Site) -> None:
    """Their names are never given again, and nothing that comes with one has anywhere to go."""
    login, inverter_id = await place.pair()
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        async with place.sessions() as session, session.begin():
            version = await registry_changed(session, inverter_id=inverter_id)
            owner_id = (await session.scalars(select(Login.owner_id).where(Login.name == login))).one()
            await session.execute(delete(Owner).where(Owner.id == owner_id))
        await bridge.applied(version)
        entry = bridge.registry.directory.login(login)
        destination = bridge.registry.directory.destination(inverter_id)

    assert entry is not None
    assert entry.routes == {}
    assert destination is None


async def test_a_look_up_never_brings_a_withdrawn_login_back(place: Site) -> None:
    """Look-ups and changes of one login at once, for a while: after the withdrawal is applied it stays withdrawn."""
    async with place.registry() as bridge:
        for _ in range(5):
            login, inverter_id = await place.pair()
            asking = [asyncio.create_task(bridge.registry.look_up([login])) for _ in range(20)]
            version = await place.revoke(login, inverter_id)
            asking += [asyncio.create_task(bridge.registry.look_up([login])) for _ in range(20)]
            await bridge.applied(version)
            at_once = bridge.knows(login)
            await asyncio.gather(*asking)
            assert (at_once, bridge.knows(login)) == (False, False)


async def test_a_claim_outlives_a_change_that_is_read_meanwhile(place: Site) -> None:
    """Binding, alias and state stay what the database says."""
    login, inverter_id = await place.pair()
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        bridge.registry.refetch()
        claimed = await bridge.registry.claim(entry.routes[""], device_key="4100000001", alias="4100000001")
        bridge.registry.refetch(inverter_id)
        version = await _touch(place, inverter_id)
        await bridge.applied(version)
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        async with reading(place.sessions) as session:
            serial = (await session.scalars(select(Inverter.active_serial))).one()
            alias = (await session.scalars(select(SerialAlias.serial))).one()

    assert entry.routes[""] == claimed
    assert (claimed.claim, claimed.device_key, serial, alias) == ("active", "4100000001", "2711111111", "4100000001")


async def _touch(place: Site, inverter_id: UUID) -> int:
    async with place.sessions() as session, session.begin():
        return await registry_changed(session, inverter_id=inverter_id)


async def test_a_new_token_is_used_as_soon_as_it_is_asked_for(place: Site) -> None:
    """The store has refused the old one; no version was raised."""
    login, inverter_id = await place.pair()
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        await _sealed_anew(place, inverter_id)
        bridge.registry.refetch(inverter_id)
        await until(lambda: bridge.token(inverter_id) == "new token")


async def test_a_new_token_that_cannot_be_asked_for_is_asked_for_again(place: Site) -> None:
    """The database goes in the very moment when the store refuses: the store refuses only once."""
    login, inverter_id = await place.pair()
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        await _sealed_anew(place, inverter_id)
        await _execute(place, "ALTER TABLE placement RENAME TO out_of_reach")
        bridge.statements.clear()
        bridge.registry.refetch(inverter_id)
        await until(lambda: any("placement" in statement for statement in bridge.statements))
        await _execute(place, "ALTER TABLE out_of_reach RENAME TO placement")
        await until(lambda: bridge.token(inverter_id) == "new token")


async def _sealed_anew(place: Site, inverter_id: UUID) -> None:
    sealed = place.sealer.seal("new token", row=f"placement:{inverter_id}:bridge")
    async with place.sessions() as session, session.begin():
        await session.execute(update(Placement).values(bridge_token_sealed=sealed))


async def _execute(place: Site, statement: str) -> None:
    async with place.sessions() as session, session.begin():
        await session.execute(text(statement))


async def test_versions_wait_for_one_another_on_postgresql(place: Site) -> None:
    """The row stays locked until the commit: a later version is never visible before an earlier one."""
    if is_sqlite(place.url):
        pytest.skip("SQLite has one writer at a time anyway")
    async with place.sessions() as first, place.sessions() as second:
        await first.begin()
        earlier = await registry_changed(first)
        await second.begin()
        await second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        with pytest.raises(Exception, match="lock timeout"):
            await registry_changed(second)
        await second.rollback()
        await first.commit()
        async with place.sessions() as third, third.begin():
            later = await registry_changed(third)

    assert later == earlier + 1
