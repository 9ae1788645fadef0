"""Brings a database to the newest revision, back to an older one, and tells where tables and models differ."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from schema.models import Base


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def _run(engine: AsyncEngine, action: Callable[[Config], object]) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: action(_config(sync)))


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
