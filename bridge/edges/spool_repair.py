"""What can be read of a spool whose file is torn or has flipped bits, into a new file.

Each table is read from its front until the damage and from its end until the damage: what is lost lies in between. The
check sums of the records still decide what of it is sound. The broken file stays for a person to look at; it keeps its
name until the new one is whole, so that whatever interrupts this loses nothing.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from bridge.edges import spool_layout as layout

_log = structlog.get_logger(__name__)

_PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
    }
)

_COUNTED = """
UPDATE lane SET
    records=(SELECT count(*) FROM record WHERE id>=number<<?1 AND id<(number+1)<<?1),
    bytes=(SELECT coalesce(sum(length(body)), 0) FROM record WHERE id>=number<<?1 AND id<(number+1)<<?1),
    first_ms=coalesce(
        (SELECT received_ms FROM record WHERE id>=number<<?1 AND id<(number+1)<<?1 ORDER BY id LIMIT 1), 0)
"""
_NEXT = "UPDATE place SET next=max(next, coalesce((SELECT max(id & ?) FROM record), 0) + 1)"


def set_aside(path: Path, now_s: int) -> Path:
    """Rename the file with what belongs to it; its new name."""
    aside = path.with_name(f"{path.name}.damaged-{now_s}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def finish(path: Path) -> None:
    """The new name of a repair that was killed after the broken file had been set aside."""
    if not path.exists() and _fresh(path).exists():
        _fresh(path).rename(path)


def salvaged(path: Path, prepared: Callable[[Path], sqlite3.Connection]) -> Path:
    """A whole file beside the broken one with what can be read of it; ``prepared`` makes one with empty tables.

    Raises ``sqlite3.Error`` or ``OSError`` where that cannot be made now.
    """
    fresh = _fresh(path)
    for suffix in ("", "-wal", "-shm"):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    with contextlib.closing(prepared(fresh)) as into:
        rows = _salvage(path, into)
    _log.warning("spool.salvaged", rows=rows)
    return fresh


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaged")


def _salvage(broken: Path, into: sqlite3.Connection) -> int:
    """Copy every row that can be read; how many. ``into`` has its tables already."""
    tables = [
        name
        for (name,) in into.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'")
    ]
    old = sqlite3.connect(broken, isolation_level=None)
    copied = 0
    try:
        into.execute("BEGIN IMMEDIATE")
        for table in tables:
            copied += _copy(old, into, table)
        into.execute(_COUNTED, (layout.PLACE_BITS,))
        into.execute(_NEXT, ((1 << layout.PLACE_BITS) - 1,))
        into.execute("COMMIT")
    finally:
        old.close()
    return copied


def _copy(old: sqlite3.Connection, into: sqlite3.Connection, table: str) -> int:
    """One table, its columns as both files know them."""
    try:
        known = {name for _, name, *_ in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError as fault:
        _must_be_damage(fault)
        return 0
    described = into.execute(f"PRAGMA table_info({table})").fetchall()
    columns = [name for _, name, *_ in described if name in known]
    if not columns:
        return 0
    key = [name for _, name, _, _, _, place in sorted(described, key=lambda one: one[5]) if place] or ["rowid"]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # names out of our own schema
    copied, whole = 0, False
    for order in ("ASC", "DESC"):
        if not whole:
            ordered = ", ".join(f"{name} {order}" for name in key)
            whole = True
            for row in _readable(old, f"SELECT {names} FROM {table} ORDER BY {ordered}"):  # noqa: S608  # as above
                if row is None:
                    whole = False
                    _log.error("spool.table_damaged", table=table, order=order, rows=copied)
                    break
                into.execute(statement, row)
                copied += 1
    return copied


def _readable(old: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...] | None]:
    """Rows until the end, or until None: the damage."""
    try:
        yield from old.execute(query)
    except sqlite3.DatabaseError as fault:
        _must_be_damage(fault)
        yield None


def _must_be_damage(fault: sqlite3.DatabaseError) -> None:
    """Raise it again where it says something of this moment (no room, no memory) and nothing of the file."""
    code = getattr(fault, "sqlite_errorcode", 0)
    unread = code in (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)
    if code & 0xFF in _PASSING and not unread:
        raise fault
