"""The fleet of an account: all inverters it may see, those that need somebody first, page by page.

What decides on the order lies in two databases (a verdict needs the live row and the sun), so each is asked about the
account's whole fleet, in narrow rows, and the sorting is done here. The bound of every question is what the account's
grants show, never a table.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal.admin.search import PAGE_SIZE, Found
from portal.dashboard import verdict
from portal.dashboard.days import zone_named
from portal.dashboard.numbers import Numbers
from portal.dashboard.verdict import State, Verdict
from portal.fleet.forms import AT_LEAST, FleetSearch, Shown
from portal.homes.service import called
from portal.inverters.grants import acts_for, owned_by, visible_to
from portal.notices.service import standing
from schema import live
from schema.models import ClaimState, Feed, Inverter, LiveRow, Login, Notice, Owner

_ALARMING = (State.TROUBLE, State.SILENT, State.REFUSED)
_CALM = (State.QUIET, State.WAITING, State.WORKING, State.ASLEEP, State.GONE)


@dataclass(frozen=True, slots=True)
class Member:
    """One inverter of the fleet. What is the business of whoever acts for it is false for who only looks: a login in
    quarantine, a contested serial, a notice that stands.
    """

    id: UUID
    name: str
    serial: str
    site: str
    zone: ZoneInfo
    verdict: Verdict
    heard_at: datetime | None
    quarantined: bool
    disputed: bool
    noticed: bool

    @property
    def alarming(self) -> bool:
        """Whether somebody had better look."""
        return self.verdict.state in _ALARMING or self.quarantined or self.disputed or self.noticed


@dataclass(frozen=True, slots=True)
class Fleet:
    """A page of what was searched for; ``size`` and ``alarms`` are of all that the account may see."""

    found: Found[Member]
    size: int
    alarms: int


@dataclass(frozen=True, slots=True)
class _Marks:
    """Inverters by what is wrong with them beside their readings."""

    quarantined: Collection[UUID]
    disputed: Collection[UUID]
    noticed: Collection[UUID | None]


async def fleet(
    session: AsyncSession,
    live_engine: AsyncEngine,
    account_id: UUID,
    search: FleetSearch,
    *,
    now: datetime,
    numbers: Numbers,
) -> Fleet:
    """The account's fleet as the search wants it, what needs somebody first, then by site and name."""
    rows = (await session.execute(_visible(account_id, now))).all()
    heard = await live.of(live_engine, [row.id for row in rows])
    marks = await _marks(session, account_id, now)
    members = [_member(row, heard.get(row.id), marks, now, numbers) for row in rows]
    fits = sorted((one for one in members if _fits(one, search, now)), key=_urgency)
    return Fleet(
        found=Found(fits[search.offset : search.offset + PAGE_SIZE], len(fits)),
        size=len(members),
        alarms=sum(one.alarming for one in members),
    )


def _visible(account_id: UUID, now: datetime) -> Select[UUID, str, str, datetime | None, str, str]:
    return (
        select(
            Inverter.id,
            Inverter.name,
            Inverter.serial,
            Inverter.given_away_at,
            Owner.name.label("site"),
            Owner.time_zone,
        )
        .join(Owner, Owner.id == Inverter.owner_id)
        .where(visible_to(account_id, now))
    )


async def _marks(session: AsyncSession, account_id: UUID, now: datetime) -> _Marks:
    """Of homes and sites that the account acts for."""
    mine = (
        select(Feed.inverter_id)
        .join(Inverter, Inverter.id == Feed.inverter_id)
        .join(Login, Login.name == Feed.login)
        .where(owned_by(account_id, now))
    )
    quiet = mine.where(Login.quarantined_at.is_not(None), Login.revoked_at.is_(None))
    contested = mine.where(Feed.claim_state == ClaimState.DISPUTED)
    told = standing(now).where(acts_for(Notice.owner_id, account_id, now))
    notices = (await session.execute(told.with_only_columns(Notice.inverter_id, Notice.login))).all()
    logins = {login for _device, login in notices if login}
    of_logins = mine.where(Feed.login.in_(logins))
    return _Marks(
        quarantined=frozenset((await session.scalars(quiet)).all()),
        disputed=frozenset((await session.scalars(contested)).all()),
        noticed=frozenset((*(device for device, _login in notices), *(await session.scalars(of_logins)).all())),
    )


def _member(row: Any, heard: LiveRow | None, marks: _Marks, now: datetime, numbers: Numbers) -> Member:
    zone = zone_named(row.time_zone)
    return Member(
        id=row.id,
        name=row.name,
        serial=row.serial,
        site=called(row.site),
        zone=zone,
        verdict=verdict.of_inverter(heard, zone, now, numbers, given_away_at=row.given_away_at),
        heard_at=heard.reading_at if heard else None,
        quarantined=row.id in marks.quarantined,
        disputed=row.id in marks.disputed,
        noticed=row.id in marks.noticed,
    )


def _fits(one: Member, search: FleetSearch, now: datetime) -> bool:
    wanted = search.q.casefold()
    if wanted and not any(wanted in text.casefold() for text in (one.name, one.serial, one.site)):
        return False
    least = AT_LEAST.get(search.silence)
    if least and one.heard_at is not None and now - one.heard_at < least:
        return False
    return _is(one, search.state)


def _is(one: Member, state: Shown) -> bool:
    marks = {
        Shown.ANY: True,
        Shown.ALARM: one.alarming,
        Shown.QUARANTINED: one.quarantined,
        Shown.DISPUTED: one.disputed,
        Shown.NOTICE: one.noticed,
    }
    return marks.get(state, one.verdict.state.value == state.value)


def _urgency(one: Member) -> tuple[int, str, str, str]:
    """Quarantine first, for everything that is sent is set aside meanwhile; what is well comes last."""
    marks = (
        one.quarantined,
        *(one.verdict.state is state for state in _ALARMING),
        one.disputed,
        one.noticed,
        *(one.verdict.state is state for state in _CALM),
    )
    return marks.index(True), one.site.casefold(), one.name.casefold(), str(one.id)
