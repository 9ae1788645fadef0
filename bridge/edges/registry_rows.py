"""The registry's tables read as records: all logins in small steps, or some of them."""

from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.records import FeedRow, pack
from schema.changes import Touched
from schema.database import Sessions, reading
from schema.models import Feed, Inverter, Login, OwnerPlacement, Placement, PlacementState, SerialAlias

# One step keeps the event loop for some ten milliseconds.
_STEP = 500
# SQLite takes 32,766 variables, PostgreSQL 65,535.
_MOST_NAMES = 5_000

Records = dict[str, bytes]
Aliases = dict[bytes, list[str]]


# Tables, not entities: nothing is made of a row but the row.
_login, _feed, _inverter = Login.__table__.c, Feed.__table__.c, Inverter.__table__.c
_place, _owner, _seen = Placement.__table__.c, OwnerPlacement.__table__.c, SerialAlias.__table__.c


def _as_it_comes(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """Without the object SQLAlchemy would make of each value: a hundred thousand logins have three ids each."""
    return type_coerce(column, String).label(name)


_COLUMNS = (
    _login.name,
    _login.revoked_at.is_not(None),
    _login.quarantined_at.is_not(None),
    _as_it_comes(_feed.id, "feed_id"),
    _as_it_comes(_inverter.id, "inverter_id"),
    _as_it_comes(_inverter.owner_id, "owner_id"),
    _feed.selector,
    _feed.dialect,
    _feed.claim_state,
    _feed.device_key,
    _inverter.serial,
    _inverter.rated_power_w,
    _inverter.deleted_at.is_not(None),
    and_(_place.state == PlacementState.READY, _owner.state == PlacementState.READY),
    _owner.server,
    _owner.org_id,
    _place.bucket_id,
    _place.bridge_token_sealed,
)


async def every_login(sessions: Sessions) -> AsyncIterator[Records]:
    """All logins by name, in one pass through the tables, a step at a time."""
    async with reading(sessions) as session:
        aliases = await _aliases(session, None)
        rows = await session.stream(_query().order_by(_login.name), execution_options={"yield_per": _STEP})
        begun: list[Any] = []
        async for some in rows.partitions():
            begun += some
            # The last one's other feeds may come with the next step.
            last = begun[-1][0]
            whole = [row for row in begun if row[0] != last]
            begun = begun[len(whole) :]
            yield _packed(whole, aliases)
        yield _packed(begun, aliases)


async def every_name(sessions: Sessions) -> set[str]:
    """The names of all logins."""
    async with reading(sessions) as session:
        return set((await session.scalars(select(_login.name))).all())


async def some_logins(session: AsyncSession, names: Collection[str]) -> Records:
    """These logins; one that does not exist is missing."""
    found: Records = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _MOST_NAMES):
        some = wanted[start : start + _MOST_NAMES]
        aliases = await _aliases(session, some)
        found |= _packed((await session.execute(_query().where(_login.name.in_(some)))).all(), aliases)
    return found


async def names_touched(session: AsyncSession, touched: Touched) -> set[str]:
    """The logins that speak of these owners' inverters or these inverters now."""
    query = select(Login.name).outerjoin(Feed, Feed.login == Login.name)
    query = query.where(or_(Login.owner_id.in_(touched.owners), Feed.inverter_id.in_(touched.inverters)))
    return set((await session.scalars(query)).all())


def _query() -> Select[Any]:
    """One statement for feeds, inverters and places: a login's record is never made of parts of two states."""
    tables = (
        Login.__table__.outerjoin(Feed.__table__, _feed.login == _login.name)
        .outerjoin(Inverter.__table__, and_(_inverter.id == _feed.inverter_id, _inverter.owner_id == _login.owner_id))
        .outerjoin(Placement.__table__, _place.inverter_id == _inverter.id)
        .outerjoin(OwnerPlacement.__table__, _owner.owner_id == _inverter.owner_id)
    )
    return select(*_COLUMNS).select_from(tables)


async def _aliases(session: AsyncSession, names: Collection[str] | None) -> Aliases:
    seen = select(_as_it_comes(_seen.inverter_id, "inverter_id"), _seen.serial)
    if names is not None:
        seen = seen.where(_seen.inverter_id.in_(select(_feed.inverter_id).where(_feed.login.in_(names))))
    aliases: Aliases = {}
    for inverter_id, serial in (await session.execute(seen)).all():
        aliases.setdefault(_bytes(inverter_id), []).append(serial)
    return aliases


def _packed(rows: Iterable[Any], aliases: Aliases) -> Records:
    feeds: dict[str, list[FeedRow]] = {}
    revoked: set[str] = set()
    quarantined: set[str] = set()
    for name, withdrawn, set_aside, feed_id, inverter_id, owner_id, *feed in rows:
        mine = feeds.setdefault(name, [])
        if withdrawn:
            revoked.add(name)
        if set_aside:
            quarantined.add(name)
        if feed_id is None or inverter_id is None:
            continue
        selector, dialect, claim, device_key, serial, power, former, placed, server, org_id, bucket_id, sealed = feed
        inverter = _bytes(inverter_id)
        mine.append(
            FeedRow(
                _bytes(feed_id), inverter, _bytes(owner_id), selector, dialect, claim, device_key, serial,
                power, bool(former), bool(placed), server or "", org_id or "", bucket_id or "", sealed or b"",
                tuple(sorted(aliases.get(inverter, ()))),
            )
        )  # fmt: skip
    return {name: pack(mine, revoked=name in revoked, quarantined=name in quarantined) for name, mine in feeds.items()}


def _bytes(value: str | UUID) -> bytes:
    """An id as it comes: SQLite has text, PostgreSQL's driver makes objects."""
    return bytes.fromhex(value) if isinstance(value, str) else value.bytes
