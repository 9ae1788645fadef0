"""Opens the live database and writes and reads its rows. The bridge alone writes, the portal reads."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from schema.changes import Channel, announce
from schema.database import create_engine_for, insert_or_update
from schema.models import LiveBase, LiveRow, LoginLive

_MOST_NAMES = 5_000
_TOO_NARROW = """
    SELECT 1 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attrelid = CAST('live' AS regclass) AND attname = 'version' AND atttypid = CAST('int4' AS regtype)
      AND pg_get_userbyid(relowner) = current_user
"""


async def open_live(url: str, *, patience_s: float | None = None) -> AsyncEngine:
    """An engine with the live table made; ``NORMAL`` on SQLite, for nothing here needs to survive a power cut.

    ``patience_s``: see ``create_engine_for``.
    """
    engine = create_engine_for(url, synchronous="NORMAL", patience_s=patience_s)
    async with engine.begin() as connection:
        await make_tables(connection)
    return engine


async def make_tables(connection: AsyncConnection) -> None:
    """Make what is missing. PostgreSQL's column of versions was too narrow at first: whoever owns it widens it."""
    await connection.run_sync(LiveBase.metadata.create_all)
    if connection.dialect.name == "postgresql" and await connection.scalar(text(_TOO_NARROW)):
        await connection.execute(text("ALTER TABLE live ALTER COLUMN version TYPE BIGINT"))


async def newest_version(engine: AsyncEngine) -> int:
    """The highest version written so far, 0 where there is none."""
    async with engine.connect() as connection:
        return (await connection.execute(select(func.max(LiveRow.version)))).scalar() or 0


async def put(engine: AsyncEngine, rows: Sequence[dict[str, object]]) -> None:
    """Insert or replace whole rows (keys: ``LiveRow``'s columns) in one transaction and announce it."""
    if not rows:
        return
    statement = insert_or_update(engine.dialect.name, LiveRow)
    columns = {column.name: statement.excluded[column.name] for column in LiveRow.__table__.columns}
    columns.pop("inverter_id")
    async with engine.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=["inverter_id"], set_=columns), rows)
        await announce(connection, Channel.LIVE)


async def newer(engine: AsyncEngine, version: int) -> Sequence[LiveRow]:
    """Rows changed since ``version``, oldest change first."""
    return await _rows(engine, select(LiveRow).where(LiveRow.version > version).order_by(LiveRow.version))


async def of(engine: AsyncEngine, inverter_ids: Collection[UUID]) -> dict[UUID, LiveRow]:
    """The rows of these inverters, which the caller has found to belong to whoever asks."""
    rows = await _rows(engine, select(LiveRow).where(LiveRow.inverter_id.in_(inverter_ids)))
    return {row.inverter_id: row for row in rows}


async def forget(engine: AsyncEngine, inverter_id: UUID) -> None:
    """Drop an inverter's row. The newest version may be lower than before."""
    async with engine.begin() as connection:
        await connection.execute(delete(LiveRow).where(LiveRow.inverter_id == inverter_id))


async def put_logins(engine: AsyncEngine, rows: Sequence[dict[str, object]]) -> None:
    """Insert or complete rows of logins (keys: ``LoginLive``'s columns) in one transaction; None changes nothing.

    Nobody is told: whoever shows them asks when the page is asked for.
    """
    if not rows:
        return
    statement = insert_or_update(engine.dialect.name, LoginLive)
    told = {
        column.name: func.coalesce(statement.excluded[column.name], column)
        for column in LoginLive.__table__.columns
        if not column.primary_key
    }
    async with engine.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=["login"], set_=told), rows)


async def logins_of(engine: AsyncEngine, names: Collection[str]) -> dict[str, LoginLive]:
    """What the bridge knows of these logins, which the caller has found to belong to whoever asks; one it has never
    heard of is missing.
    """
    if not names:
        return {}
    async with AsyncSession(engine, expire_on_commit=False) as session:
        rows = (await session.scalars(select(LoginLive).where(LoginLive.login.in_(names)))).all()
    return {row.login: row for row in rows}


async def logins_silent_since(engine: AsyncEngine, before: datetime) -> Sequence[str]:
    """Logins of which nothing at all has been heard since then."""
    newest = [column for column in LoginLive.__table__.columns if not column.primary_key]
    silent = select(LoginLive.login)
    for column in newest:
        silent = silent.where((column < before) | column.is_(None))
    async with engine.connect() as connection:
        return (await connection.scalars(silent)).all()


async def forget_logins(engine: AsyncEngine, names: Sequence[str]) -> None:
    """Drop their rows."""
    async with engine.begin() as connection:
        for start in range(0, len(names), _MOST_NAMES):
            await connection.execute(delete(LoginLive).where(LoginLive.login.in_(names[start : start + _MOST_NAMES])))


async def _rows(engine: AsyncEngine, statement: Select[LiveRow]) -> Sequence[LiveRow]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        return (await session.scalars(statement)).all()
