"""The tables on both databases: revisions, models, versions, sealing and announcements."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import Uuid, bindparam, func, select, text
from sqlalchemy.exc import IntegrityError

from schema import live, migrate
from schema.changes import Changes, Channel, registry_changed, registry_version
from schema.database import create_engine_for, reading, sessions_for
from schema.models import Feed, Inverter, LiveRow, Login, Owner, Rung
from schema.models.base import UtcDateTime

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


async def test_the_newest_revision_says_what_the_models_say(empty_database_url: str) -> None:
    """After an upgrade, and again after going down and up, no difference is left."""
    engine = create_engine_for(empty_database_url)

    await migrate.upgrade(engine)
    first = await migrate.differences(engine)
    await migrate.downgrade(engine)
    emptied = await migrate.differences(engine)
    await migrate.upgrade(engine)
    again = await migrate.differences(engine)
    await engine.dispose()

    assert first == again == []
    assert emptied != []


async def test_a_revision_that_is_taken_back_costs_no_row_of_a_table_that_stays(empty_database_url: str) -> None:
    """SQLite copies a table to take a column away; whoever points at its rows must not go with the old one."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine)
    sessions = sessions_for(engine)
    owner, inverter, login = Owner(id=uuid4(), name="Alice", created_at=NOW), uuid4(), "ABCDEFGHJK"
    async with sessions.begin() as session:
        session.add(owner)
        await session.flush()
        session.add(Inverter(id=inverter, owner_id=owner.id, name="roof", serial="2711111111", created_at=NOW))
        session.add(Login(name=login, owner_id=owner.id, verifier="v", registry_version=1, created_at=NOW))
        await session.flush()
        session.add(Feed(login=login, inverter_id=inverter))

    for revision in ("0006", "0005", "0004"):
        await migrate.downgrade(engine, revision)
    await migrate.upgrade(engine)
    async with reading(sessions) as session:
        left = [(await session.execute(select(func.count()).select_from(table))).scalar() for table in (Owner, Feed)]
        enforced = None
        if engine.dialect.name == "sqlite":
            enforced = (await session.execute(text("PRAGMA foreign_keys"))).scalar()
    await engine.dispose()

    assert left == [1, 1]
    assert enforced in (None, 1)


async def test_a_login_outlives_its_owner(empty_database_url: str) -> None:
    """Its name is never given again, and the provisioner sees why it left the password file."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine)
    sessions = sessions_for(engine)
    owner = Owner(id=uuid4(), name="Alice", created_at=NOW)
    async with sessions.begin() as session:
        session.add(owner)
        await session.flush()
        session.add(
            Login(
                name="ABCDEFGHJK", owner_id=owner.id, verifier="v", registry_version=1, created_at=NOW, revoked_at=NOW
            )
        )

    async with sessions.begin() as session:
        await session.delete(await session.get_one(Owner, owner.id))
    async with reading(sessions) as session:
        left = await session.get_one(Login, "ABCDEFGHJK")
    await engine.dispose()

    assert (left.owner_id, left.revoked_at) == (None, NOW)


async def test_what_was_deleted_before_there_was_a_grace_is_due(empty_database_url: str) -> None:
    """Its owner was told that it is gone; the upgrade lets the provisioner do it."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine, "0004")
    owner, gone, kept = uuid4(), uuid4(), uuid4()
    insert = text(
        "INSERT INTO inverter (id, owner_id, name, serial, created_at, deleted_at)"
        " VALUES (:id, :owner, 'roof', 'S1', :now, :deleted)"
    ).bindparams(*(bindparam(name, type_=Uuid()) for name in ("id", "owner")))
    insert = insert.bindparams(bindparam("now", type_=UtcDateTime()), bindparam("deleted", type_=UtcDateTime()))
    sessions = sessions_for(engine)
    async with sessions.begin() as session:
        await session.execute(
            text("INSERT INTO owner (id, name, time_zone, created_at) VALUES (:id, 'A', 'UTC', :now)").bindparams(
                bindparam("id", owner, type_=Uuid()), bindparam("now", NOW, type_=UtcDateTime())
            )
        )
        for inverter, deleted in ((gone, NOW), (kept, None)):
            await session.execute(insert, {"id": inverter, "owner": owner, "now": NOW, "deleted": deleted})

    await migrate.upgrade(engine)
    async with reading(sessions) as session:
        due = {one.id: one.erase_after for one in await session.scalars(select(Inverter))}
    await engine.dispose()

    assert due == {gone: NOW, kept: None}


async def test_a_revision_that_comes_or_goes_forgets_no_tries(empty_database_url: str) -> None:
    """Whoever had none left has none after an upgrade, nor after it was taken back."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine, "0008")
    insert = text(
        "INSERT INTO try_count (kind, key_hash, began_at, ends_at, count, last_at)"
        " VALUES ('log_in', 'somebody', :now, :now, 5, :now)"
    ).bindparams(bindparam("now", NOW, type_=UtcDateTime()))
    async with sessions_for(engine).begin() as session:
        await session.execute(insert)
    counts = text("SELECT kind, key_hash, count FROM try_count")
    left = []

    for move in (migrate.upgrade(engine), migrate.downgrade(engine, "0008"), migrate.upgrade(engine)):
        await move
        async with engine.connect() as connection:
            left.append(tuple((await connection.execute(counts)).one()))
    await engine.dispose()

    assert left == [("log_in", "somebody", 5)] * 3


async def test_two_inverters_may_share_a_serial_and_only_one_may_be_active(empty_database_url: str) -> None:
    """A serial identifies and never proves: typing it twice is fine, holding it twice is not."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine)
    sessions = sessions_for(engine)
    alice, bob = (Owner(id=uuid4(), name=name, created_at=NOW) for name in ("Alice", "Bob"))
    async with sessions.begin() as session:
        session.add_all([alice, bob])
        await session.flush()
        for owner in (alice, bob):
            session.add(Inverter(owner_id=owner.id, name="roof", serial="2711111111", created_at=NOW))

    async def hold_the_serial(owner: Owner) -> None:
        async with sessions.begin() as session:
            session.add(Inverter(owner_id=owner.id, name="x", serial="S1", active_serial="S1", created_at=NOW))

    await hold_the_serial(alice)
    with pytest.raises(IntegrityError):
        await hold_the_serial(bob)
    await engine.dispose()


async def test_versions_count_every_change_of_parallel_writers(empty_database_url: str) -> None:
    """Ten transactions at once raise the version by ten, and times come back aware."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine)
    sessions = sessions_for(engine)

    async def change() -> None:
        async with sessions.begin() as session:
            session.add(Owner(name="x", created_at=NOW))
            await registry_changed(session)

    await asyncio.gather(*(change() for _ in range(10)))
    async with reading(sessions) as session:
        version = await registry_version(session)
        owner = (await session.execute(Owner.__table__.select())).first()
    await engine.dispose()

    assert version == 10
    assert owner is not None
    assert owner.created_at == NOW


async def test_a_waiter_wakes_within_a_second_of_the_commit(empty_database_url: str) -> None:
    """The registry and the live rows reach other processes well within a second."""
    engine = create_engine_for(empty_database_url)
    await migrate.upgrade(engine)

    async with Changes(empty_database_url, Channel.REGISTRY) as changes:
        await changes.wait()
        async with sessions_for(engine).begin() as session:
            await registry_changed(session)
        await asyncio.wait_for(changes.wait(), 1.0)
    await engine.dispose()


async def test_live_rows_are_replaced_and_found_by_version(empty_database_url: str) -> None:
    """A reader that knows version 1 is given only what came after it."""
    engine = await live.open_live(empty_database_url)
    first, second = uuid4(), uuid4()

    def row(inverter: object, version: int, watts: float) -> dict[str, object]:
        empty = {"refusal": "", "refusal_detail": "", "refused_at": None, "seen_at": NOW, "reading_at": NOW}
        return (
            {"inverter_id": inverter, "version": version, "rung": Rung.VALUES_PLAUSIBLE}
            | empty
            | {"values": {"ac_power": watts}}
        )

    await live.put(engine, [row(first, 1, 10.0), row(second, 2, 20.0)])
    await live.put(engine, [row(first, 3, 30.0)])
    newer = await live.newer(engine, 2)
    known = await live.of(engine, [first, second])
    newest = await live.newest_version(engine)
    await engine.dispose()

    assert [(one.inverter_id, one.values) for one in newer] == [(first, {"ac_power": 30.0})]
    assert {key: value.values["ac_power"] for key, value in known.items()} == {first: 30.0, second: 20.0}
    assert newest == 3
    assert isinstance(known[first], LiveRow)
