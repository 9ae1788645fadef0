"""Tells a sweep from work: a collector asks for the same inverters again and again, a thief for one serial after the
other. Whoever asks like a sweep raises an alarm, and a collector is answered no more until an administrator says so.

What counts are serials that are new to whoever asks, answered or not: a collector that starts again asks for what it
has asked for before. No HTTP here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

import structlog
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.audit import Action, Actor, ByCollector
from portal.keys import keyed_hash
from portal.mail import owe
from portal.tries import NO_WAIT, Limit, Tries
from schema.models import Account, Collector, CollectorSerial
from schema.sealing import Sealer

_log = structlog.get_logger(__name__)

NEW_IN_A_MINUTE = 30
"""A collector meets new inverters one by one, as people add them. Where it begins with many, its maker says so."""
MISSED_IN_A_DAY = 300
"""A sweep that takes its time: of serials that somebody guesses, nearly all get no answer."""
FORGET_MISSED = timedelta(days=30)

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_NOTED_EVERY = timedelta(hours=1)
# An administrator's token is not stopped (the setting that lets it ask is one person's word), so it may go on.
_ALARM = Limit("collector.sweep", 1, timedelta(hours=1))


class Seen(StrEnum):
    """What a serial that was asked for means."""

    WORK = "work"
    SWEEP = "sweep"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a collector, or the account whose token the settings allow."""

    id: UUID
    is_collector: bool

    @property
    def actor(self) -> Actor:
        """How the audit log names it."""
        return ByCollector(self.id) if self.is_collector else self.id

    @property
    def subject(self) -> str:
        """The same, as what an entry is about."""
        return audit.collector(self.id) if self.is_collector else audit.account(self.id)

    @property
    def whose(self) -> ColumnElement[bool]:
        """Its rows."""
        column = CollectorSerial.collector_id if self.is_collector else CollectorSerial.account_id
        return column == self.id


@dataclass(frozen=True, slots=True)
class Desk:
    """What answering collectors needs of the application. ``key`` hashes serials; ``public_urls`` names what collectors
    call an InfluxDB server, where that is not what we call it.
    """

    tries: Tries
    sealer: Sealer
    base_url: str
    public_urls: Mapping[str, str]
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Alarm:
    name: str
    counts: dict[str, int]


async def _locked(session: AsyncSession, asker: Asker) -> Collector | None:
    """Requests of one asker follow each other from here on; the collector's row, none for an account."""
    row: Collector | None = None
    if asker.is_collector:
        row = await session.get_one(Collector, asker.id, with_for_update={"key_share": True}, populate_existing=True)
    else:
        await session.get_one(Account, asker.id, with_for_update={"key_share": True})
    return row


async def seen(
    session: AsyncSession, desk: Desk, asker: Asker, serial: str, inverter_id: UUID | None, *, now: datetime
) -> Seen:
    """Count a serial that was asked for; ``inverter_id`` is empty where it gets no answer.

    With ``SWEEP`` the alarm is raised in this transaction, and a collector is stopped: neither answer anything.
    """
    collector = await _locked(session, asker)
    if collector is not None and collector.stopped_at is not None:
        return Seen.STOPPED
    if not await _is_new(session, desk, asker, serial, inverter_id, now=now):
        return Seen.WORK
    found, missed, missed_today = await _counts(session, asker, collector, now)
    if collector is not None and collector.fleet_until is not None and now < collector.fleet_until:
        found = 0
    if found + missed <= NEW_IN_A_MINUTE and missed_today <= MISSED_IN_A_DAY:
        return Seen.WORK
    counts = {"new_in_a_minute": found + missed, "missed_in_a_day": missed_today}
    if collector is None:
        await _alarm_for_an_account(session, desk, asker, counts, now)
        return Seen.WORK
    collector.stopped_at = now
    await _alarm(session, desk, asker, _Alarm(collector.name, counts), now)
    return Seen.SWEEP


async def forget(session: AsyncSession, *, now: datetime) -> None:
    """Serials that got no answer and were not asked for lately are new again."""
    old = CollectorSerial.last_at < now - FORGET_MISSED
    await session.execute(delete(CollectorSerial).where(CollectorSerial.inverter_id.is_(None), old))


async def administrators(session: AsyncSession) -> Sequence[Account]:
    """Whoever can do something about an alarm."""
    able = Account.is_admin.is_(True), Account.verified_at.is_not(None), Account.disabled_at.is_(None)
    return (await session.scalars(select(Account).where(*able).order_by(Account.id))).all()


async def _is_new(
    session: AsyncSession, desk: Desk, asker: Asker, serial: str, inverter_id: UUID | None, *, now: datetime
) -> bool:
    known = CollectorSerial.serial_hash == keyed_hash(desk.key, serial)
    row = (await session.scalars(select(CollectorSerial).where(asker.whose, known))).one_or_none()
    if row is None:
        session.add(
            CollectorSerial(
                id=uuid4(),
                collector_id=asker.id if asker.is_collector else None,
                account_id=None if asker.is_collector else asker.id,
                serial_hash=keyed_hash(desk.key, serial),
                inverter_id=inverter_id,
                first_at=now,
                last_at=now,
            )
        )
        await session.flush()
        return True
    if inverter_id is not None and row.inverter_id != inverter_id:
        row.inverter_id = inverter_id
    if now - row.last_at >= _NOTED_EVERY:
        row.last_at = now
    return False


async def _counts(
    session: AsyncSession, asker: Asker, collector: Collector | None, now: datetime
) -> tuple[int, int, int]:
    """New serials of the last minute, answered and not, and those without an answer of the last day."""
    lately, missed = CollectorSerial.first_at > now - _MINUTE, CollectorSerial.inverter_id.is_(None)
    statement = select(
        func.count().filter(lately, ~missed), func.count().filter(lately, missed), func.count().filter(missed)
    ).where(asker.whose, CollectorSerial.first_at > now - _DAY)
    if collector is not None and collector.counted_from is not None:
        statement = statement.where(CollectorSerial.first_at > collector.counted_from)
    found, missed_lately, missed_today = (await session.execute(statement)).one()
    return found, missed_lately, missed_today


async def _alarm_for_an_account(
    session: AsyncSession, desk: Desk, asker: Asker, counts: dict[str, int], now: datetime
) -> None:
    """Once an hour: it may go on, so each further serial would be another alarm."""
    if await desk.tries.counted(session, _ALARM, str(asker.id), now=now) == NO_WAIT:
        account = await session.get_one(Account, asker.id)
        await _alarm(session, desk, asker, _Alarm(account.email, counts), now)


async def _alarm(session: AsyncSession, desk: Desk, asker: Asker, alarm: _Alarm, now: datetime) -> None:
    counts = alarm.counts
    _log.error("collector.sweep", asker=asker.subject, stopped=asker.is_collector, **counts)
    details: dict[str, audit.Detail] = {**counts, "stopped": asker.is_collector}
    await audit.record(
        session, Action.COLLECTOR_SWEEP, subject=asker.subject, actor=audit.SYSTEM, details=details, now=now
    )
    for person in await administrators(session):
        letter = letters.collector_sweeps(
            desk.base_url, alarm.name, counts["new_in_a_minute"], stopped=asker.is_collector, language=person.language
        )
        await owe(session, person.email, letter, sealer=desk.sealer, now=now, always=True)
