"""Somebody bought a device and asks for its serial; whoever holds it says yes or no (DESIGN 4.0, resale).

Asking tells nothing: the same row is written whether anybody holds the serial, or nobody, or the asker himself, and the
page says the same afterwards, also after a no. Who is asked is found out later, by ``desk``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import audit, letters
from portal.accounts.links import MailedLinks
from portal.audit import Action
from portal.dashboard.days import zone_named
from portal.homes import people
from portal.inverters.grants import owned_by
from portal.inverters.service import get_owned
from portal.mail import owe
from portal.serials.service import let_go
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Inverter, Owner, SerialRequest

ANSWERED_WITHIN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an owner has asked for: when, until when an answer may come, and when the answer was yes."""

    asked_at: datetime
    expires_at: datetime
    granted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Question:
    """What the holder of a serial is asked. Nothing in it tells who asks."""

    id: UUID
    inverter_id: UUID
    name: str
    serial: str
    asked_at: datetime
    expires_at: datetime
    zone: ZoneInfo


async def ask(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> bool:
    """Ask for the serial of one's own inverter; asked again within the time, it is one request. False where the account
    may not.
    """
    if await get_owned(session, account_id, inverter_id, now) is None:
        return False
    # Of two equal forms the second waits here, and finds the first one's request.
    mine = select(Inverter).where(Inverter.id == inverter_id).with_for_update(key_share=True)
    inverter = (await session.scalars(mine.execution_options(populate_existing=True))).one_or_none()
    if inverter is None or inverter.given_away_at is not None:
        return False
    if await asked(session, inverter, now) is not None:
        return True
    # One that nobody has answered in time is in the way of the next.
    expired = update(SerialRequest).where(SerialRequest.claimant_id == inverter_id, SerialRequest.answered_at.is_(None))
    await session.execute(expired.values(answered_at=now))
    session.add(
        SerialRequest(
            id=uuid4(),
            serial=inverter.serial,
            claimant_id=inverter_id,
            asked_at=now,
            expires_at=now + ANSWERED_WITHIN,
        )
    )
    await audit.record(
        session,
        Action.SERIAL_ASKED,
        subject=audit.inverter(inverter_id),
        actor=account_id,
        owner_id=inverter.owner_id,
        details={"serial": inverter.serial},
        now=now,
    )
    return True


async def asked(session: AsyncSession, inverter: Inverter, now: datetime) -> Asked | None:
    """The owner's own request for this serial, while an answer may still come or once it was yes. A no looks like no
    answer.
    """
    statement = (
        select(SerialRequest)
        .where(SerialRequest.claimant_id == inverter.id, SerialRequest.serial == inverter.serial)
        .order_by(SerialRequest.asked_at.desc())
        .limit(1)
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None or (row.expires_at <= now and not row.granted):
        return None
    return Asked(row.asked_at, row.expires_at, row.answered_at if row.granted else None)


async def questions(
    session: AsyncSession, account_id: UUID, now: datetime, *, inverter_id: UUID | None = None
) -> Sequence[Question]:
    """What the account is asked about the serials it holds, the oldest question first."""
    statement = (
        _open(now)
        .add_columns(Inverter.name, Owner.time_zone)
        .join(Owner, Owner.id == Inverter.owner_id)
        .where(owned_by(account_id, now))
        .order_by(SerialRequest.asked_at, SerialRequest.id)
    )
    if inverter_id is not None:
        statement = statement.where(Inverter.id == inverter_id)
    return [
        Question(row.id, holder_id, name, row.serial, row.asked_at, row.expires_at, zone_named(zone))
        for row, holder_id, name, zone in await session.execute(statement)
    ]


async def answer(
    session: AsyncSession, account_id: UUID, request_id: UUID, *, granted: bool, links: MailedLinks, now: datetime
) -> bool:
    """Yes or no. Yes moves the serial at once: the holder's logins for it end, and the asker is told by mail.

    False where there is no such question for this account (any more).
    """
    mine = _open(now).where(SerialRequest.id == request_id, owned_by(account_id, now))
    found = (await session.execute(mine)).one_or_none()
    if found is None:
        return False
    request, holder_id = found
    version = await registry_changed(session, inverter_id=holder_id)
    await registry_changed(session, inverter_id=request.claimant_id)
    found = (await session.execute(mine.execution_options(populate_existing=True))).one_or_none()
    if found is None:
        return False
    request, _ = found
    request.answered_at, request.granted = now, granted
    holder = await session.get_one(Inverter, holder_id, populate_existing=True)
    claimant = await session.get_one(Inverter, request.claimant_id, populate_existing=True)
    action = Action.SERIAL_GRANTED if granted else Action.SERIAL_REFUSED
    await audit.record(
        session,
        action,
        subject=audit.inverter(holder_id),
        actor=account_id,
        owner_id=holder.owner_id,
        details={"serial": request.serial},
        now=now,
    )
    if granted:
        await _hand_over(session, holder, claimant, version=version, now=now)
        await _tell(session, claimant, links, now)
    return True


async def _hand_over(
    session: AsyncSession, holder: Inverter, claimant: Inverter, *, version: int, now: datetime
) -> None:
    """The holder has proved the serial and leaves it to the claimant; who has spoken already holds it by that."""
    # Feeds, then the claimant, then the holder: a claim that the bridge makes meanwhile waits for us with nothing in
    # its hands, or is over before we free the serial.
    both = select(Feed.id).where(Feed.inverter_id.in_((claimant.id, holder.id)))
    await session.execute(both.order_by(Feed.id).with_for_update())
    await session.refresh(claimant, with_for_update=True)
    spoken = Feed.claim_state.in_((ClaimState.DISPUTED, ClaimState.RELEASED))
    await session.execute(
        update(Feed)
        .where(Feed.inverter_id == claimant.id, spoken)
        .values(claim_state=ClaimState.ACTIVE, activated_at=now)
    )
    await let_go(session, holder, version=version, now=now)
    claimant.active_serial = claimant.serial
    await session.flush()


async def _tell(session: AsyncSession, claimant: Inverter, links: MailedLinks, now: datetime) -> None:
    for person in await people.in_charge(session, claimant.owner_id, now):
        letter = letters.serial_left(
            links.base_url, claimant.id, claimant.serial, claimant.name, language=person.language
        )
        await owe(session, person.email, letter, sealer=links.sealer, now=now, always=True)


def _open(now: datetime) -> Select[SerialRequest, UUID]:
    """Questions that can be answered: the holder still holds the serial, and the asker still wants it."""
    claimant = aliased(Inverter)
    return (
        select(SerialRequest, Inverter.id)
        .join(Inverter, Inverter.id == SerialRequest.holder_id)
        .join(claimant, claimant.id == SerialRequest.claimant_id)
        .where(
            SerialRequest.answered_at.is_(None),
            SerialRequest.expires_at > now,
            Inverter.active_serial == SerialRequest.serial,
            claimant.serial == SerialRequest.serial,
            claimant.deleted_at.is_(None),
            claimant.given_away_at.is_(None),
        )
    )
