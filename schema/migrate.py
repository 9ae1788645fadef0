"""Brings a database to the newest revision, back to an older one, and tells where tables and models differ."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema.models import Base


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


class RowsWouldDangle(Exception):
    """A revision left rows that point at nothing; it was undone. The message names the tables."""


async def _run(engine: AsyncEngine, action: Callable[[Config], object]) -> None:
    async with engine.connect() as connection:
        # Batch mode copies a table and drops the old one; with foreign keys on, SQLite deletes its rows first, and with
        # them every row that points at one (sqlite.org, "ALTER TABLE", section 7). No effect inside a transaction.
        await _foreign_keys(connection, "OFF")
        try:
            async with connection.begin():
                await connection.run_sync(lambda sync: action(_config(sync)))
                await _check_foreign_keys(connection)
        finally:
            await _foreign_keys(connection, "ON")


async def _foreign_keys(connection: AsyncConnection, state: str) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(f"PRAGMA foreign_keys={state}")


async def _check_foreign_keys(connection: AsyncConnection) -> None:
    if connection.dialect.name == "sqlite":
        dangling = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
        if dangling:
            raise RowsWouldDangle(", ".join(sorted({row[0] for row in dangling})))


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Apply revisions up to ``revision``; nothing happens where it is there already."""
    await _run(engine, lambda config: command.upgrade(config, revision))


async def downgrade(engine: AsyncEngine, revision: str = "base") -> None:
    """Take revisions back down to ``revision``. Data in dropped tables and columns is gone."""
    await _run(engine, lambda config: command.downgrade(config, revision))


async def revise(engine: AsyncEngine, message: str) -> None:
    """Draft a revision from what models and this (up to date) database differ in; a person reviews it."""
    await _run(engine, lambda config: command.revision(config, message=message, autogenerate=True))


async def differences(engine: AsyncEngine) -> list[object]:
    """Where the tables differ from the models; empty when the newest revision says what the models say."""

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        return await connection.run_sync(compare)
