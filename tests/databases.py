"""Databases of the newest revision: the revisions are run once for each kind, and what they made is copied."""

import asyncio
import atexit
import functools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from schema import migrate
from schema.database import create_engine_for


@functools.cache
def kept_folder() -> Path:
    """What is made once for all tests of this process."""
    folder = tempfile.mkdtemp(prefix="deye-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def migrated(url: str) -> None:
    """Run all revisions, in a thread with an event loop of its own: fixtures without one may call this."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_migrate(url))).result()


async def bring_up_to_date(engine: AsyncEngine) -> None:
    """As ``migrate.upgrade`` of an empty database, and quicker; nothing where the fixture ``database_url`` did it."""
    if engine.dialect.name == "sqlite":
        await asyncio.to_thread(_copy, Path(engine.url.database or ""))
        return
    async with engine.connect() as connection:
        done = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    if done is None:
        await migrate.upgrade(engine)


def _copy(file: Path) -> None:
    if file.exists():
        return
    made = kept_folder() / "newest.db"
    if not made.exists():
        migrated(f"sqlite:///{made}")
    shutil.copy(made, file)


async def _migrate(url: str) -> None:
    engine = create_engine_for(url, synchronous="OFF")
    await migrate.upgrade(engine)
    await engine.dispose()
