"""The tables on both databases: revisions, models, versions, sealing and announcements."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from schema import live, migrate
from schema.changes import Changes, Channel, registry_changed, registry_version
from schema.database import create_engine_for, reading, sessions_for
from schema.models import Inverter, LiveRow, Owner, Rung

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


async def test_the_newest_revision_says_what_the_models_say(database_url: str) -> None:
    """After an upgrade, and again after going down and up, no difference is left."""
    engine = create_engine_for(database_url)

    await migrate.upgrade(engine)
    first = await migrate.differences(engine)
    await migrate.downgrade(engine)
    emptied = await migrate.differences(engine)
    await migrate.upgrade(engine)
    again = await migrate.differences(engine)
    await engine.dispose()

    assert first == again == []
    assert emptied != []


async def test_two_inverters_may_share_a_serial_and_only_one_may_be_active(database_url: str) -> None:
    """A serial identifies and never proves: typing it twice is fine, holding it twice is not."""
    engine = create_engine_for(database_url)
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


async def test_versions_count_every_change_of_parallel_writers(database_url: str) -> None:
    """Ten transactions at once raise the version by ten, and times come back aware."""
    engine = create_engine_for(database_url)
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


async def test_a_waiter_wakes_within_a_second_of_the_commit(database_url: str) -> None:
    """The registry and the live rows reach other processes well within a second."""
    engine = create_engine_for(database_url)
    await migrate.upgrade(engine)

    async with Changes(database_url, Channel.REGISTRY) as changes:
        await changes.wait()
        async with sessions_for(engine).begin() as session:
            await registry_changed(session)
        await asyncio.wait_for(changes.wait(), 1.0)
    await engine.dispose()


async def test_live_rows_are_replaced_and_found_by_version(database_url: str) -> None:
    """A reader that knows version 1 is given only what came after it."""
    engine = await live.open_live(database_url)
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
