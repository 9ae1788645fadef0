"""Opens the live database and writes and reads its rows. The bridge alone writes, the portal reads."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from schema.changes import Channel, announce
from schema.database import create_engine_for
from schema.models import LiveBase, LiveRow


async def open_live(url: str) -> AsyncEngine:
    """An engine with the live table made; ``NORMAL`` on SQLite, for nothing here needs to survive a power cut."""
    engine = create_engine_for(url, synchronous="NORMAL")
    async with engine.begin() as connection:
        await connection.run_sync(LiveBase.metadata.create_all)
    return engine


async def newest_version(engine: AsyncEngine) -> int:
    """The highest version written so far, 0 where there is none."""
    async with engine.connect() as connection:
        return (await connection.execute(select(func.max(LiveRow.version)))).scalar() or 0


async def put(engine: AsyncEngine, rows: Sequence[dict[str, object]]) -> None:
    """Insert or replace whole rows (keys: ``LiveRow``'s columns) in one transaction and announce it."""
    if not rows:
        return
    insert = postgresql_insert if engine.dialect.name == "postgresql" else sqlite_insert
    statement = insert(LiveRow)
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


async def _rows(engine: AsyncEngine, statement: Select[LiveRow]) -> Sequence[LiveRow]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        return (await session.scalars(statement)).all()
