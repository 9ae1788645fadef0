"""The logins of an inverter, and what can be done to one. The account comes first in every question.

A login may speak of several inverters (a gateway's does): what is done to it is done for all of them, and its page says
for which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal import audit
from portal.audit import Action
from portal.dead_letters.service import want_replay
from portal.homes.service import zone_of
from portal.inverters import service as inverters
from schema import live
from schema.changes import registry_changed
from schema.models import Feed, Inverter, Login, LoginLive, Notice, NoticeKind, PasswordFileGeneration

SHOWN_ENDED = timedelta(days=30)
_MOST_ENDED = 5


class Standing(StrEnum):
    """Where a login stands between us and the broker. While ``on_its_way`` the broker has not loaded the change."""

    MAKING = "making"
    RENEWING = "renewing"
    READY = "ready"
    CLOSING = "closing"
    CLOSED = "closed"

    @property
    def on_its_way(self) -> bool:
        """Whether the page is worth looking at again in some seconds."""
        return self in (Standing.MAKING, Standing.RENEWING, Standing.CLOSING)


@dataclass(frozen=True, slots=True)
class LoginView:
    """One login. ``made_at`` is when its present secret was made, ``seen`` that somebody else than the reader was shown
    it; ``others`` are the names of further inverters it speaks of.
    """

    name: str
    label: str
    standing: Standing
    made_at: datetime
    seen: bool
    others: Sequence[str]
    row: LoginLive | None
    revoked_at: datetime | None
    quarantined_at: datetime | None
    quarantine_why: str

    @property
    def connected(self) -> bool:
        """Whether a program is logged in with it now, as far as the broker's log says."""
        row = self.row
        if row is None or row.connected_at is None or self.standing is Standing.CLOSED:
            return False
        return row.disconnected_at is None or row.disconnected_at < row.connected_at

    @property
    def heard_at(self) -> datetime | None:
        """When it was last used at all; None for never."""
        if self.row is None:
            return None
        known = (self.row.seen_at, self.row.connected_at, self.row.disconnected_at)
        return max((at for at in known if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Logins:
    """An inverter, its logins in use (the newest first), and those that ended lately. ``zone`` is its owner's."""

    inverter: Inverter
    zone: ZoneInfo
    living: Sequence[LoginView]
    ended: Sequence[LoginView]

    @property
    def on_its_way(self) -> bool:
        """Whether the broker has still to load something."""
        return any(one.standing.on_its_way for one in (*self.living, *self.ended))


async def of_inverter(
    session: AsyncSession, live_engine: AsyncEngine, account_id: UUID, inverter_id: UUID, now: datetime
) -> Logins | None:
    """The logins of an inverter that the account may change; None for everybody else."""
    inverter = await inverters.get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return None
    applied = (await session.scalars(select(PasswordFileGeneration.applied))).one_or_none() or 0
    rows = (await session.scalars(_of(inverter).order_by(Login.created_at.desc(), Login.name))).all()
    others = await _others(session, inverter)
    heard = await live.logins_of(live_engine, [row.name for row in rows])
    views = [
        _view(row, applied=applied, reader=account_id, others=others.get(row.name, ()), heard=heard.get(row.name))
        for row in rows
    ]
    ended = [one for one in views if one.revoked_at is not None and now - one.revoked_at < SHOWN_ENDED]
    ended.sort(key=lambda one: one.revoked_at or now, reverse=True)
    zone = await zone_of(session, inverter.owner_id)
    return Logins(inverter, zone, [one for one in views if one.revoked_at is None], ended[:_MOST_ENDED])


async def name(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, login: str, *, label: str, now: datetime
) -> bool:
    """Call the program behind a login something; false where the account may not."""
    found = await _living(session, account_id, inverter_id, login, now)
    if found is None:
        return False
    inverter, row = found
    changed = update(Login).where(Login.name == login, Login.label != label).values(label=label).returning(Login.name)
    if (await session.execute(changed)).first() is not None:
        await _note(session, Action.LOGIN_NAMED, inverter, account_id, now, login=login, before=row.label, after=label)
    return True


async def revoke(session: AsyncSession, account_id: UUID, inverter_id: UUID, login: str, now: datetime) -> bool:
    """End a login for all inverters it speaks of: the bridge refuses it at once, the broker closes its connection
    within seconds. False where there is none to end.
    """
    if await _living(session, account_id, inverter_id, login, now) is None:
        return False
    version = await registry_changed(session, inverter_id=inverter_id)
    found = await _living(session, account_id, inverter_id, login, now)
    if found is None:
        return False
    await session.execute(update(Login).where(Login.name == login).values(revoked_at=now, registry_version=version))
    await _note(session, Action.LOGIN_REVOKED, found[0], account_id, now, login=login)
    return True


async def let_speak(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, login: str, now: datetime, *, replay: bool
) -> bool:
    """Take what a login sends again; with ``replay`` what was set aside meanwhile too. False where it may not be."""
    found = await _living(session, account_id, inverter_id, login, now)
    if found is None:
        return False
    if found[1].quarantined_at is None:
        return True
    await registry_changed(session, inverter_id=inverter_id)
    if not await release(session, login, now=now):
        return True
    if replay:
        await want_replay(session, login=login, reason=NoticeKind.QUARANTINED, account_id=account_id, now=now)
    why = found[1].quarantine_why
    await _note(session, Action.LOGIN_LET_SPEAK, found[0], account_id, now, login=login, why=why, replay=replay)
    return True


async def release(session: AsyncSession, login: str, *, now: datetime) -> bool:
    """End a login's quarantine and what its owner is told of it; false where there was none. The caller has raised the
    registry's version.
    """
    freed = (
        update(Login)
        .where(Login.name == login, Login.quarantined_at.is_not(None))
        .values(quarantined_at=None, quarantine_why="")
    )
    if (await session.execute(freed.returning(Login.name))).first() is None:
        return False
    told = update(Notice).where(Notice.login == login, Notice.kind == NoticeKind.QUARANTINED)
    await session.execute(told.where(Notice.hidden_at.is_(None)).values(hidden_at=now))
    return True


async def secrets_seen_by_others(session: AsyncSession, account_id: UUID, owner_id: UUID) -> Sequence[Login]:
    """A home's logins in use whose secret somebody else than this account was shown: it had better make new ones."""
    statement = (
        select(Login)
        .where(
            Login.owner_id == owner_id,
            Login.revoked_at.is_(None),
            Login.made_by.is_not(None),
            Login.made_by != account_id,
        )
        .order_by(Login.created_at, Login.name)
    )
    return (await session.scalars(statement)).all()


def _of(inverter: Inverter) -> Select[Login]:
    mine = select(Feed.login).where(Feed.inverter_id == inverter.id)
    return select(Login).where(Login.name.in_(mine), Login.owner_id == inverter.owner_id)


async def _living(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, login: str, now: datetime
) -> tuple[Inverter, Login] | None:
    """The inverter, if it is the account's to change, and its login of this name, if that is in use."""
    inverter = await inverters.get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return None
    wanted = _of(inverter).where(Login.name == login, Login.revoked_at.is_(None))
    row = (await session.scalars(wanted.execution_options(populate_existing=True))).one_or_none()
    return None if row is None else (inverter, row)


async def _others(session: AsyncSession, inverter: Inverter) -> dict[str, list[str]]:
    """By login, the further inverters in use that it speaks of."""
    mine = select(Feed.login).where(Feed.inverter_id == inverter.id)
    statement = (
        select(Feed.login, Inverter.name)
        .join(Inverter, Inverter.id == Feed.inverter_id)
        .where(
            Feed.login.in_(mine),
            Inverter.id != inverter.id,
            Inverter.owner_id == inverter.owner_id,
            Inverter.deleted_at.is_(None),
        )
        .distinct()
        .order_by(Inverter.name)
    )
    found: dict[str, list[str]] = {}
    for login, called in await session.execute(statement):
        found.setdefault(login, []).append(called)
    return found


def _view(row: Login, *, applied: int, reader: UUID, others: Sequence[str], heard: LoginLive | None) -> LoginView:
    return LoginView(
        name=row.name,
        label=row.label,
        standing=_standing(row, loaded=row.registry_version <= applied),
        made_at=row.renewed_at or row.created_at,
        seen=row.made_by is not None and row.made_by != reader,
        others=others,
        row=heard,
        revoked_at=row.revoked_at,
        quarantined_at=row.quarantined_at,
        quarantine_why=row.quarantine_why,
    )


def _standing(row: Login, *, loaded: bool) -> Standing:
    if row.revoked_at is not None:
        return Standing.CLOSED if loaded else Standing.CLOSING
    if loaded:
        return Standing.READY
    return Standing.MAKING if row.renewed_at is None else Standing.RENEWING


async def _note(
    session: AsyncSession, action: Action, inverter: Inverter, account_id: UUID, now: datetime, **details: audit.Detail
) -> None:
    subject, owner_id = audit.inverter(inverter.id), inverter.owner_id
    await audit.record(session, action, subject=subject, actor=account_id, owner_id=owner_id, details=details, now=now)
