"""Engines and sessions on SQLite and PostgreSQL, with the same rules on both: foreign keys hold, writers take turns."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

Sessions = async_sessionmaker[AsyncSession]

_BUSY_TIMEOUT_MS = 5000


def async_url(url: str) -> str:
    """The URL with our driver: operators write ``postgresql://`` or ``sqlite:///path``, as in the original."""
    for scheme in ("postgresql+asyncpg://", "postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url.removeprefix(scheme)
    return url.replace("sqlite://", "sqlite+aiosqlite://", 1) if url.startswith("sqlite://") else url


def is_sqlite(url: str) -> bool:
    """Whether the URL names SQLite, where changes are polled instead of announced."""
    return url.startswith("sqlite")


def _prepare_sqlite(engine: Engine, synchronous: str) -> None:
    """WAL, enforced foreign keys, patience, and write transactions that take the lock when they begin.

    The driver's own BEGIN is switched off: a deferred transaction that turns into a write fails at once with
    SQLITE_BUSY instead of waiting (sqlite.org, "BEGIN TRANSACTION", section 2.2).
    """

    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = "" if connection.get_execution_options().get("sqlite_read_only") else " IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN{mode}")


def create_engine_for(
    url: str, *, synchronous: str = "FULL", patience_s: float | None = None, pooled: bool = True
) -> AsyncEngine:
    """An engine for ``url``. ``synchronous`` is SQLite's: FULL survives a power cut, NORMAL is for what may be lost.

    ``patience_s`` bounds the wait for PostgreSQL, for a connection as for an answer: whoever asks over a connection
    that has died without a word gets a ``TimeoutError``. Without ``pooled`` each transaction there has a connection of
    its own (5 ms): who asks seldom never meets one that died meanwhile.
    """
    target = make_url(async_url(url))
    if not is_sqlite(url):
        limits = {} if patience_s is None else {"timeout": patience_s, "command_timeout": patience_s}
        if not pooled:
            return create_async_engine(target, poolclass=NullPool, hide_parameters=True, connect_args=limits)
        return create_async_engine(target, pool_pre_ping=True, hide_parameters=True, connect_args=limits)
    if target.database:
        Path(target.database).parent.mkdir(parents=True, exist_ok=True)
    # An error's text ends in a log: it names the statement, never the e-mail, hash or token that it was given.
    engine = create_async_engine(target, hide_parameters=True)
    _prepare_sqlite(engine.sync_engine, synchronous)
    return engine


def insert_or_update(dialect: str, table: Any) -> Any:
    """An INSERT into ``table`` that knows ``on_conflict_do_update``; only the dialect that is in use is imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # 3 MB that a home on SQLite need not pay

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(table)


def sessions_for(engine: AsyncEngine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


def reading(sessions: Sessions) -> AsyncSession:
    """A session that only reads: on SQLite it does not queue behind writers."""
    session = sessions()
    bind = session.get_bind()
    session.sync_session.bind = bind.execution_options(sqlite_read_only=True)
    return session
