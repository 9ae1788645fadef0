"""What an owner does about a serial: the device was given away or replaced, or the serial was mistyped. The account
comes first in every question.

A serial is moved or freed here, readings never: what an inverter has measured stays in its own place with its owner.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.dead_letters.service import want_replay
from portal.inverters.ending import stop_logins
from portal.inverters.grants import owned_by
from portal.inverters.service import AlreadyYours
from portal.mail import SAME_SUBMIT
from portal.serials.forms import Another, Why
from portal.serials.freeing import others_may_claim
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, FormerSerial, FoundDevice, Inverter, Login, SerialAlias, SerialEnd

# The reason for which a new device's messages were set aside before its owner told of it.
_SENT_IN_VAIN = "another_device"
_ENDS = {Why.REPLACED: SerialEnd.REPLACED, Why.CORRECTED: SerialEnd.CORRECTED}


@dataclass(frozen=True, slots=True)
class Former:
    """A serial that the inverter had, why it has it no longer, and since when."""

    serial: str
    why: SerialEnd
    ended_at: datetime


async def former(session: AsyncSession, inverter_id: UUID) -> Sequence[Former]:
    """The serials that the inverter had, the newest end first; the caller has found it to be the account's business."""
    return (await former_by_inverter(session, [inverter_id])).get(inverter_id, ())


async def former_by_inverter(session: AsyncSession, inverter_ids: Collection[UUID]) -> dict[UUID, list[Former]]:
    """``former`` for several; one that had no other serial is missing."""
    found: dict[UUID, list[Former]] = {}
    statement = select(FormerSerial).where(FormerSerial.inverter_id.in_(inverter_ids))
    for row in await session.scalars(statement.order_by(FormerSerial.ended_at.desc(), FormerSerial.id)):
        found.setdefault(row.inverter_id, []).append(Former(row.serial, SerialEnd(row.why), row.ended_at))
    return found


async def give_away(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> bool:
    """The device has another owner now: its serial is free and its logins end. What it has measured stays to be read.

    False where it is not the account's to give, or was given away before.
    """
    if await _in_use(session, account_id, inverter_id, now) is None:
        return False
    # First the registry's version: its row lock makes two submits of the same form follow each other.
    version = await registry_changed(session, inverter_id=inverter_id)
    inverter = await _in_use(session, account_id, inverter_id, now)
    if inverter is None:
        return False
    if inverter.active_serial is not None:
        await others_may_claim(session, inverter.active_serial, but=inverter_id)
    revoked = await let_go(session, inverter, version=version, now=now)
    gone = {"serial": inverter.serial, "logins": sorted(revoked)}
    await _note(session, Action.SERIAL_GIVEN_AWAY, inverter, account_id, now, **gone)
    return True


async def let_go(session: AsyncSession, inverter: Inverter, *, version: int, now: datetime) -> Sequence[str]:
    """The inverter holds its serial no longer and is out of use; returns the logins that ended with it.

    The caller has raised the registry's version, says what becomes of the serial, and notes the act.
    """
    await session.execute(update(Feed).where(_of(inverter.id)).values(claim_state=ClaimState.RELEASED))
    revoked = await stop_logins(session, inverter.id, version=version, now=now)
    remember(session, inverter, SerialEnd.GIVEN_AWAY, now)
    inverter.active_serial, inverter.given_away_at = None, now
    await session.flush()
    return revoked


async def replace(session: AsyncSession, account_id: UUID, inverter_id: UUID, wanted: Another, now: datetime) -> bool:
    """The same inverter under another serial: the device was replaced, or the serial was mistyped.

    History goes on; the new serial is claimed by its first reading. A replaced device's name in topics and payloads is
    forgotten with it. Its serial may be the same: of a logger and an inverter that are one device here, one may have
    been replaced. False where the account may not; raises ``AlreadyYours``.
    """
    if await _in_use(session, account_id, inverter_id, now) is None:
        return False
    await registry_changed(session, inverter_id=inverter_id)
    inverter = await _in_use(session, account_id, inverter_id, now)
    if inverter is None:
        return False
    same = inverter.serial == wanted.serial
    if same and (wanted.why is Why.CORRECTED or await _just_replaced(session, inverter_id, now)):
        return True
    await _refuse_twins(session, inverter, wanted.serial)
    if not same:
        if inverter.active_serial is not None:
            await others_may_claim(session, inverter.active_serial, but=inverter_id)
        await session.execute(update(Feed).where(_of(inverter_id)).values(claim_state=ClaimState.PENDING))
    if wanted.why is Why.REPLACED:
        await _expect_another_device(session, inverter_id, wanted.serial, account_id, now)
    before = inverter.serial
    remember(session, inverter, _ENDS[wanted.why], now)
    if not same:
        inverter.active_serial, inverter.serial = None, wanted.serial
    changed = {"before": before, "after": wanted.serial, "why": wanted.why.value}
    await _note(session, Action.SERIAL_CHANGED, inverter, account_id, now, **changed)
    return True


async def _expect_another_device(
    session: AsyncSession, inverter_id: UUID, serial: str, account_id: UUID, now: datetime
) -> None:
    """The new device is bound where it was heard already, else the next one that speaks; what it has sent in vain is
    taken up again.
    """
    await session.execute(delete(SerialAlias).where(SerialAlias.inverter_id == inverter_id))
    for feed in await session.scalars(select(Feed).where(_of(inverter_id))):
        heard = await _heard(session, feed.login, serial)
        feed.device_key = heard.selector if heard is not None and not feed.selector else ""
        if heard is not None:
            await session.delete(heard)
    for login in await _living_logins(session, inverter_id):
        await want_replay(session, login=login, reason=_SENT_IN_VAIN, account_id=account_id, now=now)


async def _heard(session: AsyncSession, login: str, serial: str) -> FoundDevice | None:
    """The device with this serial that was found on a login."""
    statement = select(FoundDevice).where(
        FoundDevice.login == login, or_(FoundDevice.serial == serial, FoundDevice.selector == serial)
    )
    return (await session.scalars(statement.order_by(FoundDevice.selector).limit(1))).one_or_none()


async def _just_replaced(session: AsyncSession, inverter_id: UUID, now: datetime) -> bool:
    """Whether the same form was sent a moment ago."""
    twin = select(FormerSerial.id).where(
        FormerSerial.inverter_id == inverter_id,
        FormerSerial.why == SerialEnd.REPLACED,
        FormerSerial.ended_at > now - SAME_SUBMIT,
    )
    return (await session.execute(twin.limit(1))).first() is not None


def _of(inverter_id: UUID) -> ColumnElement[bool]:
    return Feed.inverter_id == inverter_id


async def _in_use(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Inverter | None:
    """The inverter as it is now, if the account may change it and it was not given away."""
    statement = select(Inverter).where(
        owned_by(account_id, now), Inverter.id == inverter_id, Inverter.given_away_at.is_(None)
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def _refuse_twins(session: AsyncSession, inverter: Inverter, serial: str) -> None:
    """Raises ``AlreadyYours``."""
    twin = select(Inverter.id).where(
        Inverter.owner_id == inverter.owner_id,
        Inverter.serial == serial,
        Inverter.id != inverter.id,
        Inverter.deleted_at.is_(None),
    )
    if (known := (await session.scalars(twin.limit(1))).first()) is not None:
        raise AlreadyYours(known)


async def _living_logins(session: AsyncSession, inverter_id: UUID) -> Sequence[str]:
    mine = select(Feed.login).where(Feed.inverter_id == inverter_id)
    statement = select(Login.name).where(Login.name.in_(mine), Login.revoked_at.is_(None)).order_by(Login.name)
    return (await session.scalars(statement)).all()


def remember(session: AsyncSession, inverter: Inverter, why: SerialEnd, now: datetime) -> None:
    """Its present serial becomes one that it had."""
    session.add(FormerSerial(id=uuid4(), inverter_id=inverter.id, serial=inverter.serial, why=why, ended_at=now))


async def _note(
    session: AsyncSession, action: Action, inverter: Inverter, account_id: UUID, now: datetime, **details: audit.Detail
) -> None:
    subject, owner_id = audit.inverter(inverter.id), inverter.owner_id
    await audit.record(session, action, subject=subject, actor=account_id, owner_id=owner_id, details=details, now=now)
