"""Devices that the bridge has heard without a feed, by inverter, and what their owner decides. The account comes first.

Adopting one is an inverter with a feed of its own on the same login; nothing about the inverter that the login was made
for changes. Where the owner has an inverter with that serial already, it gets one more feed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.dead_letters.service import want_replay
from portal.found.forms import Adopted, Chosen
from portal.homes.service import zone_of
from portal.inverters import service as inverters
from portal.inverters.forms import NAME_MAX
from portal.words import _
from schema.changes import registry_changed
from schema.models import Feed, FoundDevice, Inverter, Login
from schema.serials import InvalidSerial, normalised

# The reason for which its messages were set aside.
_SENT_IN_VAIN = "another_device"
# A name in a topic is taken for a serial from this length on; shorter ones number or describe.
_SHORTEST_SERIAL = 10


class NeedsSerial(Exception):
    """The device names no serial: its owner has to type it from the sticker."""


@dataclass(frozen=True, slots=True)
class Found:
    """One device. ``called`` is its serial, else its name in topics; ``serial`` is empty where it tells none."""

    login: str
    label: str
    selector: str
    called: str
    serial: str
    messages: int
    first_seen_at: datetime
    last_seen_at: datetime
    hidden: bool
    zone: ZoneInfo


async def of_inverter(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Sequence[Found]:
    """What is heard on the logins of an inverter that the account may change, the newest first; hidden ones last."""
    inverter = await inverters.get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return ()
    statement = _waiting(inverter).order_by(
        FoundDevice.hidden_at.is_not(None), FoundDevice.first_seen_at.desc(), FoundDevice.selector
    )
    rows = (await session.execute(statement)).all()
    if not rows:
        return ()
    zone = await zone_of(session, inverter.owner_id)
    return [
        Found(
            login=row.login,
            label=label,
            selector=row.selector,
            called=row.serial or row.selector,
            serial=_serial_of(row),
            messages=row.messages,
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
            hidden=row.hidden_at is not None,
            zone=zone,
        )
        for row, label in rows
    ]


async def adopt(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, wanted: Adopted, now: datetime
) -> UUID | None:
    """The inverter that the device is from now on; None where there is nothing to adopt. Raises ``NeedsSerial`` and
    ``Enough``.
    """
    beside = await inverters.get_owned(session, account_id, inverter_id, now)
    if beside is None:
        return None
    # First the registry's version: its row lock makes two submits of the same form follow each other.
    adopted_id = uuid4()
    await registry_changed(session, inverter_id=adopted_id)
    if (known := await _adopted_before(session, beside, wanted)) is not None:
        return known
    row = await _one(session, beside, wanted)
    if row is None:
        return None
    serial = _serial_of(row) or wanted.serial
    if not serial:
        raise NeedsSerial
    inverter = await _mine(session, beside.owner_id, serial)
    if inverter is None:
        called = _("Inverter %(name)s", name=row.serial or row.selector)[:NAME_MAX]
        inverter = await inverters.make(
            session, beside.owner_id, inverter_id=adopted_id, name=called, serial=serial, now=now
        )
    else:
        await registry_changed(session, inverter_id=inverter.id)
        inverter.given_away_at = None
    feed = Feed(id=uuid4(), login=row.login, selector=row.selector, inverter_id=inverter.id, dialect=row.dialect)
    session.add(feed)
    await session.delete(row)
    await want_replay(session, login=feed.login, reason=_SENT_IN_VAIN, account_id=account_id, now=now)
    done = {"login": feed.login, "selector": feed.selector, "serial": serial}
    await _note(session, Action.DEVICE_ADOPTED, inverter, account_id, now, **done)
    return inverter.id


async def hide(session: AsyncSession, account_id: UUID, inverter_id: UUID, chosen: Chosen, now: datetime) -> bool:
    """It is none of the owner's business, a neighbour's or a test; false where there is nothing to hide."""
    beside = await inverters.get_owned(session, account_id, inverter_id, now)
    if beside is None or await _one(session, beside, chosen) is None:
        return False
    hidden = update(FoundDevice).where(
        FoundDevice.login == chosen.login,
        FoundDevice.selector == chosen.selector,
        FoundDevice.hidden_at.is_(None),
    )
    if (await session.execute(hidden.values(hidden_at=now).returning(FoundDevice.login))).first() is not None:
        done = {"login": chosen.login, "selector": chosen.selector}
        await _note(session, Action.DEVICE_HIDDEN, beside, account_id, now, **done)
    return True


def _waiting(inverter: Inverter) -> Select[FoundDevice, str]:
    """Found devices on the inverter's logins in use that have no feed there, each with what the login is called."""
    spoken = select(Feed.login).where(Feed.inverter_id == inverter.id)
    fed = exists().where(Feed.login == FoundDevice.login, Feed.selector == FoundDevice.selector)
    return (
        select(FoundDevice, Login.label)
        .join(Login, Login.name == FoundDevice.login)
        .where(Login.name.in_(spoken), Login.owner_id == inverter.owner_id, Login.revoked_at.is_(None), ~fed)
    )


async def _one(session: AsyncSession, beside: Inverter, chosen: Chosen) -> FoundDevice | None:
    wanted = _waiting(beside).where(FoundDevice.login == chosen.login, FoundDevice.selector == chosen.selector)
    return (await session.scalars(wanted.execution_options(populate_existing=True))).one_or_none()


async def _adopted_before(session: AsyncSession, beside: Inverter, chosen: Chosen) -> UUID | None:
    """The inverter in use that the same form has made a moment ago."""
    spoken = select(Feed.login).where(Feed.inverter_id == beside.id)
    statement = (
        select(Inverter.id)
        .join(Feed, Feed.inverter_id == Inverter.id)
        .where(
            Feed.login == chosen.login,
            Feed.login.in_(spoken),
            Feed.selector == chosen.selector,
            Feed.selector != "",
            Inverter.owner_id == beside.owner_id,
            Inverter.deleted_at.is_(None),
        )
    )
    return (await session.scalars(statement)).one_or_none()


async def _mine(session: AsyncSession, owner_id: UUID, serial: str) -> Inverter | None:
    statement = select(Inverter).where(
        Inverter.owner_id == owner_id, Inverter.serial == serial, Inverter.deleted_at.is_(None)
    )
    return (await session.scalars(statement.order_by(Inverter.created_at).limit(1))).one_or_none()


def _serial_of(row: FoundDevice) -> str:
    """The serial that the device tells, in its payloads or as its name in topics."""
    if row.serial:
        return row.serial
    if len(row.selector) < _SHORTEST_SERIAL:
        return ""
    try:
        return normalised(row.selector)
    except InvalidSerial:
        return ""


async def _note(
    session: AsyncSession, action: Action, inverter: Inverter, account_id: UUID, now: datetime, **details: audit.Detail
) -> None:
    subject, owner_id = audit.inverter(inverter.id), inverter.owner_id
    await audit.record(session, action, subject=subject, actor=account_id, owner_id=owner_id, details=details, now=now)
