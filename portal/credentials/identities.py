"""Service identities of outside collectors: made, changed, given another key, ended. No HTTP here.

A key is shown once and kept as a keyed hash; its prefix is for programs that look for secrets in public code, and
another one than that of owners' API keys. What an identity may ask is decided in ``portal.auth``, how much in
``sweeps``.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action, Actor, Detail
from portal.keys import keyed_hash
from schema.models import Collector

PREFIX = "deyec_"
MOST_DAYS = 365
FLEET_FOR = timedelta(hours=1)
"""How long inverters that are new to an identity are expected where it is said to begin with many."""
NOTED_EVERY = timedelta(minutes=5)
REFUSAL_NOTED_EVERY = timedelta(hours=1)

_RANDOM_BYTES = 20
_HINT_CHARACTERS = 4
_SHAPE = re.compile(rf"{PREFIX}[A-Z2-7]{{32}}")


class NoSuchIdentity(Exception):
    """There never was one by this id."""


class HasEnded(Exception):
    """It was revoked, or its name was given to another one when its time was over."""


class NotStopped(Exception):
    """It is answered already."""


class NameTaken(Exception):
    """A living identity has this name: nothing was made, nothing changed."""


class KeyReplacedMeanwhile(Exception):
    """The key that was to be replaced is not the present one any more: look at the page again."""


@dataclass(frozen=True, slots=True)
class Made:
    """An identity's new key, in clear this once."""

    id: UUID
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an identity shall be. ``fleet``: it begins with many inverters, which is no sweep then."""

    name: str
    networks: str
    days: int
    fleet: bool


def looks_like_a_key(text: str) -> bool:
    """Whether this bearer token is meant as a collector's key."""
    return text.startswith(PREFIX)


async def make(session: AsyncSession, wish: Wish, *, by: Actor, key: str, now: datetime) -> Made:
    """A new identity. Raises ``NameTaken``, also for the second of two identical forms."""
    # One that has run out frees its name.
    expired = update(Collector).where(Collector.name == wish.name, Collector.revoked_at.is_(None))
    await session.execute(expired.where(Collector.expires_at <= now).values(revoked_at=Collector.expires_at))
    secret = _new_key()
    row = Collector(
        id=uuid4(),
        name=wish.name,
        hint=_hint(secret),
        key_hash=keyed_hash(key, secret),
        networks=wish.networks,
        made_by=by if isinstance(by, UUID) else None,
        created_at=now,
        expires_at=now + timedelta(days=wish.days),
        fleet_until=now + FLEET_FOR if wish.fleet else None,
    )
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise NameTaken from None
    details: dict[str, Detail] = {"name": wish.name, "networks": wish.networks, "days": wish.days, "fleet": wish.fleet}
    await _note(session, Action.COLLECTOR_MADE, row.id, by=by, now=now, details=details)
    return Made(row.id, secret)


async def change(
    session: AsyncSession, collector_id: UUID, *, name: str, networks: str, by: Actor, now: datetime
) -> None:
    """Another name, other networks. Raises ``NoSuchIdentity``, ``HasEnded`` and ``NameTaken``."""
    row = await _living(session, collector_id)
    before = {"name": row.name, "networks": row.networks}
    after = {"name": name, "networks": networks}
    changed = [what for what in before if before[what] != after[what]]
    if not changed:
        return
    try:
        async with session.begin_nested():
            row.name, row.networks = name, networks
    except IntegrityError:
        raise NameTaken from None
    details = {f"{what} before": before[what] for what in changed} | {what: after[what] for what in changed}
    await _note(session, Action.COLLECTOR_CHANGED, collector_id, by=by, now=now, details=details)


async def rotate(
    session: AsyncSession,
    collector_id: UUID,
    *,
    instead_of: str,
    overlap: timedelta,
    days: int,
    by: Actor,
    key: str,
    now: datetime,
) -> Made:
    """Another key, good for ``days``; the present one stays good for ``overlap``, but not beyond its own end.

    ``instead_of`` is the present key's hint, so that a form sent twice makes one key. Raises ``NoSuchIdentity``,
    ``HasEnded`` and ``KeyReplacedMeanwhile``.
    """
    row = await _living(session, collector_id)
    if row.hint != instead_of:
        raise KeyReplacedMeanwhile
    secret = _new_key()
    row.former_hash, row.former_until, row.former_used_at = row.key_hash, min(now + overlap, row.expires_at), None
    row.key_hash, row.hint = keyed_hash(key, secret), _hint(secret)
    row.expires_at = now + timedelta(days=days)
    details: dict[str, Detail] = {
        "days": days,
        "overlap_h": int(overlap.total_seconds() // 3600),
        "instead_of": instead_of,
    }
    await _note(session, Action.COLLECTOR_KEY_RENEWED, collector_id, by=by, now=now, details=details)
    return Made(row.id, secret)


async def revoke(session: AsyncSession, collector_id: UUID, *, by: Actor, now: datetime) -> None:
    """End an identity at once, with all its keys. Raises ``NoSuchIdentity`` and ``HasEnded``."""
    row = await _living(session, collector_id)
    row.revoked_at = now
    await _note(session, Action.COLLECTOR_REVOKED, collector_id, by=by, now=now, details={"name": row.name})


async def let_go_on(session: AsyncSession, collector_id: UUID, *, fleet: bool, by: Actor, now: datetime) -> None:
    """Answer an identity again that was stopped. Raises ``NoSuchIdentity``, ``HasEnded`` and ``NotStopped``."""
    row = await _living(session, collector_id)
    if row.stopped_at is None:
        raise NotStopped
    stopped_at, row.stopped_at, row.counted_from = row.stopped_at, None, now
    row.fleet_until = now + FLEET_FOR if fleet else None
    details: dict[str, Detail] = {"stopped": stopped_at.isoformat(), "fleet": fleet}
    await _note(session, Action.COLLECTOR_LET_GO_ON, collector_id, by=by, now=now, details=details)


async def by_name(session: AsyncSession, name: str) -> Collector | None:
    """The living identity of this name."""
    return (
        await session.scalars(select(Collector).where(Collector.name == name, Collector.revoked_at.is_(None)))
    ).one_or_none()


async def of_key(session: AsyncSession, presented: str, *, key: str, now: datetime) -> tuple[Collector, bool] | None:
    """The living identity behind a key, and whether it is the key that was replaced; None for everything else."""
    if not _SHAPE.fullmatch(presented):
        return None
    found = keyed_hash(key, presented)
    present = and_(Collector.key_hash == found, Collector.expires_at > now)
    former = and_(Collector.former_hash == found, Collector.former_until > now)
    statement = select(Collector).where(or_(present, former), Collector.revoked_at.is_(None))
    row = (await session.scalars(statement)).one_or_none()
    return None if row is None else (row, row.key_hash != found)


async def note_used(session: AsyncSession, row: Collector, *, former: bool, address: str, now: datetime) -> None:
    """The identity was used just now, from this address; written every few minutes alone."""
    column = Collector.former_used_at if former else Collector.last_used_at
    due = or_(column.is_(None), column <= now - NOTED_EVERY, Collector.last_from != address)
    used = {Collector.last_used_at: now, Collector.last_from: address, column: now}
    await session.execute(update(Collector).where(Collector.id == row.id, due).values(used))


def is_due(row: Collector, *, former: bool, address: str, now: datetime) -> bool:
    """Whether ``note_used`` would write."""
    noted = row.former_used_at if former else row.last_used_at
    return noted is None or now - noted >= NOTED_EVERY or row.last_from != address


async def note_refused(session: AsyncSession, collector_id: UUID, *, address: str, now: datetime) -> bool:
    """Its key came from an address that it may not come from: noted once an hour, however many addresses try."""
    due = or_(Collector.refused_at.is_(None), Collector.refused_at <= now - REFUSAL_NOTED_EVERY)
    noted = await session.execute(
        update(Collector)
        .where(Collector.id == collector_id, due)
        .values(refused_at=now, refused_from=address)
        .returning(Collector.id)
    )
    if noted.first() is None:
        return False
    await _note(session, Action.COLLECTOR_REFUSED, collector_id, by=audit.NOBODY, now=now, details={"address": address})
    return True


def _new_key() -> str:
    return PREFIX + base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode()


def _hint(secret: str) -> str:
    return secret[: len(PREFIX) + _HINT_CHARACTERS]


async def _living(session: AsyncSession, collector_id: UUID) -> Collector:
    """Locked, so that of two who press the same button one acts and the other sees it."""
    row = await session.get(Collector, collector_id, with_for_update={"key_share": True})
    if row is None:
        raise NoSuchIdentity
    if row.revoked_at is not None:
        raise HasEnded
    return row


async def _note(
    session: AsyncSession,
    action: Action,
    collector_id: UUID,
    *,
    by: Actor,
    now: datetime,
    details: Mapping[str, Detail],
) -> None:
    await audit.record(session, action, subject=audit.collector(collector_id), actor=by, details=details, now=now)
