"""The audit log in the database: it only grows, is sealed by one of many, and its command finds what was done to it."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from portal import audit
from portal.accounts import service
from portal.audit import Action
from portal.audit_log import checking
from portal.audit_log import reading as log
from portal.audit_log.chain import FaultKind
from portal.audit_log.sealer import AuditSealer
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import AuditEntry, AuditSeal
from tests.databases import bring_up_to_date

pytestmark = pytest.mark.integration
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

_UNKNOWN = {"sqlite": "TRUNCATE", "postgresql": "REPLACE"}
# SQLite wants a WHERE before ON CONFLICT, or it takes that for a join's.
_FORGED = (
    "(id, at, actor, action, subject, details)"
    " SELECT id, at, actor, 'forged', subject, details FROM audit_entry WHERE id = 2"
)
_FORGED_SEAL = "(id, entry_id, hash) SELECT id, entry_id, 'x' FROM audit_seal WHERE true"


@pytest.fixture
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine, None]:
    """A migrated database of each kind."""
    engine = create_engine_for(database_url)
    await bring_up_to_date(engine)
    yield engine
    await engine.dispose()


async def written(sessions: Sessions, count: int, *, at: datetime = NOON) -> None:
    """So many acts, each in a transaction of its own."""
    for number in range(count):
        async with sessions.begin() as session:
            subject = f"inverter:{number}"
            details: dict[str, audit.Detail] = {"name": "Dach Süd ☀", "logins": ["A", "B"], "n": number}
            await audit.record(
                session,
                Action.INVERTER_ADDED,
                subject=subject,
                actor=uuid4(),
                owner_id=uuid4(),
                details=details,
                now=at,
            )


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE audit_entry SET action = 'x' WHERE id = 2", "DELETE FROM audit_entry WHERE id = 2",
        "UPDATE audit_seal SET hash = 'x'", "DELETE FROM audit_seal",
        "TRUNCATE audit_entry CASCADE", "TRUNCATE audit_seal",
        f"REPLACE INTO audit_entry {_FORGED}", f"REPLACE INTO audit_seal {_FORGED_SEAL}",
        "REPLACE INTO audit_seal (id, entry_id, hash) SELECT 7, entry_id, 'x' FROM audit_seal",
        f"INSERT INTO audit_entry {_FORGED} ON CONFLICT (id) DO UPDATE SET action = 'x'",
        f"INSERT INTO audit_seal {_FORGED_SEAL} ON CONFLICT (entry_id) DO UPDATE SET hash = 'x'",
    ],
)  # fmt: skip
async def test_the_database_refuses_whatever_is_no_new_row(engine: AsyncEngine, act: str) -> None:
    """Whoever asks, and also where our own code has a hole. The second entry has no seal that would hold it."""
    if act.startswith(_UNKNOWN[engine.dialect.name]):
        pytest.skip(f"{engine.dialect.name} does not know {act.split(maxsplit=1)[0]}")
    sessions = sessions_for(engine)
    await written(sessions, 1)
    await AuditSealer(sessions, now=lambda: NOON).seal_waiting()
    await written(sessions, 1)

    with pytest.raises(SQLAlchemyError, match="only grows"):
        async with engine.begin() as connection:
            await connection.execute(text(act))
    verdict = await checking.verify(sessions)

    assert (verdict.links, verdict.waiting, verdict.faults) == (1, 1, ())


async def test_an_act_that_is_undone_leaves_no_entry(engine: AsyncEngine) -> None:
    """Entry and act are one transaction."""
    sessions = sessions_for(engine)
    async with sessions() as session:
        await audit.record(session, Action.ENABLED, subject="account:x", actor=audit.SYSTEM, now=NOON)
        within = await session.scalar(select(func.count()).select_from(AuditEntry))
        await session.rollback()

    async with sessions() as session:
        entries = await session.scalar(select(func.count()).select_from(AuditEntry))

    assert (within, entries) == (1, 0)


async def test_sealers_of_several_portals_make_one_chain_without_gaps(engine: AsyncEngine) -> None:
    """Five of them at once, again and again: one of them gets each number, the others look again."""
    sessions = sessions_for(engine)
    sealers = [AuditSealer(sessions, now=lambda: NOON) for _ in range(5)]
    for _ in range(6):
        await written(sessions, 7)
        await asyncio.gather(*(sealer.seal_waiting() for sealer in sealers))
    while await sealers[0].seal_waiting():
        pass

    verdict = await checking.verify(sessions)
    async with sessions() as session:
        numbers = (await session.scalars(select(AuditSeal.id).order_by(AuditSeal.id))).all()

    assert list(numbers) == list(range(1, 43))
    assert (verdict.links, verdict.waiting, verdict.faults) == (42, 0, ())


async def test_an_entry_that_is_committed_late_is_sealed_too(engine: AsyncEngine) -> None:
    """PostgreSQL hands out numbers before the commit: a slow transaction shows its entry after younger ones."""
    sessions = sessions_for(engine)
    sealer = AuditSealer(sessions, now=lambda: NOON)
    await written(sessions, 1)
    async with engine.begin() as connection:
        later = text(
            "INSERT INTO audit_entry (id, at, actor, action, subject, details) VALUES (9, :at, 'x', 'x', 'x', '{}')"
        )
        await connection.execute(later, {"at": NOON.replace(tzinfo=None) if "sqlite" in str(engine.url) else NOON})
    await sealer.seal_waiting()
    async with sessions.begin() as session:
        session.add(AuditEntry(id=5, at=NOON, actor="system", action="x", subject="x", details={}))

    sealed = await sealer.seal_waiting()
    verdict = await checking.verify(sessions)

    assert sealed == 1
    assert (verdict.links, verdict.waiting, verdict.faults) == (3, 0, ())


async def test_a_head_that_was_noted_shows_a_chain_that_was_cut_off(engine: AsyncEngine) -> None:
    """Without its end the chain is whole in itself; only who knows its head sees that something is missing."""
    sessions = sessions_for(engine)
    await written(sessions, 3)
    await AuditSealer(sessions, now=lambda: NOON).seal_waiting()
    head = (await checking.verify(sessions)).head
    await written(sessions, 3)
    await AuditSealer(sessions, now=lambda: NOON).seal_waiting()

    later = await checking.verify(sessions, head=head)
    foreign = await checking.verify(sessions, head="f" * 64)

    assert later.faults == ()
    assert [fault.kind for fault in foreign.faults] == [FaultKind.HEAD_UNKNOWN]


def _tampered(path: Path, *statements: str) -> None:
    """As somebody who has the file does it: past the triggers and the foreign keys."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


async def _command(folder: Path, *arguments: str) -> tuple[int | None, str]:
    environment = {**os.environ, "DATABASE_URL": "", "DATA_DIR": str(folder)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "portal.audit_log", *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_command_says_which_entry_was_changed_removed_or_added(tmp_path: Path) -> None:
    """What docs/running.md tells administrators to run, on a log that was whole before."""
    path = tmp_path / "deye.db"
    engine = create_engine_for(f"sqlite:///{path}")
    await bring_up_to_date(engine)
    sessions = sessions_for(engine)
    await written(sessions, 9)
    await written(sessions, 1, at=NOON + timedelta(hours=1))
    await AuditSealer(sessions, now=lambda: NOON).seal_waiting()
    await engine.dispose()

    elsewhere = await _command(tmp_path / "nowhere", "verify")
    whole = await _command(tmp_path, "verify")
    shown = await _command(tmp_path, "show", "--most", "3")
    _tampered(
        path,
        "UPDATE audit_entry SET subject = 'inverter:other' WHERE id = 3",
        "DELETE FROM audit_entry WHERE id = 6",
        "INSERT INTO audit_entry SELECT 99, at, actor_id, actor, action, subject, owner_id, details"
        " FROM audit_entry WHERE id = 1",
    )
    broken = await _command(tmp_path, "verify", "--head", "0" * 63 + "f")

    assert elsewhere == (2, "")
    assert whole[0] == 0, whole
    assert "10 links" in whole[1]
    assert shown[0] == 0
    assert [line.split()[0] for line in shown[1].splitlines()] == ["8", "9", "10"]
    assert broken[0] == 1
    for sentence in ("Entry 3 was changed", "Entry 6 was removed", "Entry 99 was added afterwards", "No link has"):
        assert sentence in broken[1]
    assert len(broken[1].splitlines()) == 6, broken[1]


async def test_an_owners_entries_are_found_without_reading_the_whole_log(engine: AsyncEngine) -> None:
    """It only grows: a page of one account must not cost more from year to year, on either database."""
    sessions, postgres = sessions_for(engine), engine.dialect.name == "postgresql"
    one = "gen_random_uuid()" if postgres else "lower(hex(randomblob(16)))"
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO audit_entry (at, actor_id, actor, action, subject, owner_id, details)"
        f" SELECT CURRENT_TIMESTAMP, {one}, 'account', 'account.logged_in', 'account:' || {one}, {one}, '{{}}' FROM n"
    )
    async with sessions.begin() as session:
        await session.execute(text(many))
        await session.execute(text("ANALYZE audit_entry"))
    asked: list[tuple[str, Any]] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def heard(*told: Any) -> None:
        asked.append((told[2], told[3]))

    async with sessions.begin() as session:
        alice = await service.create(session, "alice@example.org", "-", "UTC", now=NOON)
    assert alice is not None
    asked.clear()
    async with reading(sessions) as session:
        await log.of_account(session, alice.id, NOON)
    statement, values = next(one for one in asked if "FROM audit_entry" in one[0])
    explain = "EXPLAIN " if postgres else "EXPLAIN QUERY PLAN "
    async with engine.connect() as connection:
        plan = "\n".join(str(tuple(row)) for row in await connection.exec_driver_sql(explain + statement, values))

    assert "ix_audit_entry_actor" in plan, plan
    assert "ix_audit_entry_owner" in plan, plan
    assert "ix_audit_entry_subject" in plan, plan
