"""Finds entries of the audit log: everything for an administrator, for an owner what concerns his own account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.inverters.grants import homes_of
from schema.models import Account, AuditEntry, AuditSeal

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. ``email`` is the actor's address where the account is still there; ``seal`` its number in the chain."""

    id: int
    at: datetime
    actor_id: UUID | None
    actor: str
    email: str | None
    action: str
    subject: str
    details: dict[str, Any]
    seal: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: empty fields mean any. ``actor`` is an account or one of ``audit.ActorKind``'s words; ``until``
    itself is not included any more.
    """

    actor_id: UUID | None = None
    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The entries of a page, the newest first, and the numbers to go on from: below ``older``, above ``newer``.

    Numbers instead of pages: entries that come meanwhile move nothing.
    """

    entries: Sequence[Entry]
    older: int | None
    newer: int | None


async def found(session: AsyncSession, wanted: Wanted, *, before: int = 0, after: int = 0) -> Part:
    """Entries below number ``before``, or the next ones above ``after``; the caller made sure that an administrator
    asks.
    """
    return await _part(session, and_(true(), *_conditions(wanted)), before, after)


async def of_account(
    session: AsyncSession, account_id: UUID, now: datetime, *, before: int = 0, after: int = 0
) -> Part:
    """What the account did, what was done to it, and what was done to things of owners whose owner it is."""
    # Asked for beforehand: with a question inside, PostgreSQL reads the whole log, which only grows.
    homes = (await session.scalars(homes_of(account_id, now))).all()
    theirs = or_(
        AuditEntry.actor_id == account_id,
        AuditEntry.subject == audit.account(account_id),
        AuditEntry.owner_id.in_(homes),
    )
    return await _part(session, theirs, before, after)


async def _part(session: AsyncSession, condition: ColumnElement[bool], before: int, after: int) -> Part:
    statement = _entries().where(condition).limit(PAGE_SIZE + 1)
    if after:
        # The nearest ones above, turned round: a page back from where the visitor was.
        upwards = statement.where(AuditEntry.id > after).order_by(AuditEntry.id)
        rows = [Entry(**row) for row in (await session.execute(upwards)).mappings()]
        more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE][::-1]
        return Part(rows, rows[-1].id if rows else after + 1, rows[0].id if more else None)
    if before:
        statement = statement.where(AuditEntry.id < before)
    rows = [Entry(**row) for row in (await session.execute(statement.order_by(AuditEntry.id.desc()))).mappings()]
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    newer = rows[0].id if rows and before else before - 1 if before else None
    return Part(rows, rows[-1].id if more else None, newer)


def _entries() -> Select[Any]:
    columns = (
        AuditEntry.id, AuditEntry.at, AuditEntry.actor_id, AuditEntry.actor, Account.email.label("email"),
        AuditEntry.action, AuditEntry.subject, AuditEntry.details, AuditSeal.id.label("seal"),
    )  # fmt: skip
    return (
        select(*columns)
        .outerjoin(Account, Account.id == AuditEntry.actor_id)
        .outerjoin(AuditSeal, AuditSeal.entry_id == AuditEntry.id)
    )


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    asked: list[tuple[object, ColumnElement[bool]]] = [
        (wanted.actor_id, AuditEntry.actor_id == wanted.actor_id),
        (wanted.actor, AuditEntry.actor == wanted.actor),
        (wanted.action, AuditEntry.action == wanted.action),
        (wanted.subject, AuditEntry.subject.contains(wanted.subject, autoescape=True)),
    ]
    conditions = [condition for value, condition in asked if value]
    if wanted.since:
        conditions.append(AuditEntry.at >= wanted.since)
    if wanted.until:
        conditions.append(AuditEntry.at < wanted.until)
    return conditions
