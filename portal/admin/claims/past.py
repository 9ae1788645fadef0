"""What has become of a serial before: who had it, and who has asked for it. Evidence beside that of the claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.admin.claims.evidence import Person
from portal.admin.claims.service import people
from schema.models import FormerSerial, Inverter, SerialEnd, SerialRequest

_MOST = 20

# A page of the administration is English.
_ENDS = {
    SerialEnd.REPLACED: "its device was replaced",
    SerialEnd.CORRECTED: "it was a typing error",
    SerialEnd.GIVEN_AWAY: "it was given away",
    SerialEnd.SILENT: "nothing was heard for a year",
}


@dataclass(frozen=True, slots=True)
class FormerHolder:
    """An inverter that had the serial, its owners, until when, and why not any more."""

    inverter_id: UUID
    name: str
    people: Sequence[Person]
    ended_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody has asked for the serial. ``answer`` is what became of it."""

    name: str
    people: Sequence[Person]
    asked_at: datetime
    answer: str


async def former_holders(session: AsyncSession, serial: str) -> Sequence[FormerHolder]:
    """The newest ends first; the caller has made sure that an administrator asks."""
    statement = (
        select(FormerSerial, Inverter)
        .join(Inverter, Inverter.id == FormerSerial.inverter_id)
        .where(FormerSerial.serial == serial)
        .order_by(FormerSerial.ended_at.desc(), FormerSerial.id)
        .limit(_MOST)
    )
    rows = (await session.execute(statement)).all()
    return [
        FormerHolder(
            inverter.id,
            inverter.name,
            await people(session, inverter.owner_id),
            row.ended_at,
            _ENDS[SerialEnd(row.why)],
        )
        for row, inverter in rows
    ]


async def wishes(session: AsyncSession, serial: str, now: datetime) -> Sequence[Wish]:
    """The newest first; the caller has made sure that an administrator asks."""
    statement = (
        select(SerialRequest, Inverter)
        .join(Inverter, Inverter.id == SerialRequest.claimant_id)
        .where(SerialRequest.serial == serial)
        .order_by(SerialRequest.asked_at.desc(), SerialRequest.id)
        .limit(_MOST)
    )
    rows = (await session.execute(statement)).all()
    return [
        Wish(inverter.name, await people(session, inverter.owner_id), row.asked_at, _answer(row, now))
        for row, inverter in rows
    ]


def _answer(row: SerialRequest, now: datetime) -> str:
    if row.granted is not None:
        return "yes" if row.granted else "no"
    if row.answered_at is not None or row.expires_at <= now:
        return "none in time"
    return "not yet" if row.holder_id is not None else "nobody else holds it"
