"""What an administrator is shown: counts and troubles of the whole installation, never a secret or a payload."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.models import (
    Account,
    ClaimState,
    DeadLetter,
    Feed,
    Inverter,
    Login,
    OutboxMail,
    Owner,
    OwnerPlacement,
    PasswordFileGeneration,
    Placement,
    PlacementState,
    RegistryVersion,
)

_MOST_ROWS = 50


@dataclass(frozen=True, slots=True)
class PendingPlace:
    """An organisation or bucket that is not made yet; ``last_error`` says why, where something failed."""

    kind: str
    id: str
    last_error: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Equal messages of one login that could not become readings."""

    login: str
    topic: str
    reason: str
    detail: str
    count: int
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Installation:
    """The whole at a glance. ``applied`` lagging behind ``registry_version`` means new logins do not work yet."""

    counts: Sequence[tuple[str, int]]
    registry_version: int
    written: int
    applied: int
    pending: Sequence[PendingPlace]
    troubles: Sequence[Trouble]


async def installation(session: AsyncSession) -> Installation:
    """Everything on the administrator's page; the caller has made sure that it is one."""
    generation = await session.get(PasswordFileGeneration, 1)
    version = (await session.scalars(select(RegistryVersion.version))).one_or_none()
    return Installation(
        counts=await _counts(session),
        registry_version=version or 0,
        written=generation.written if generation else 0,
        applied=generation.applied if generation else 0,
        pending=await _pending(session),
        troubles=await _troubles(session),
    )


async def _counts(session: AsyncSession) -> Sequence[tuple[str, int]]:
    asked: dict[str, tuple[type[Any], tuple[ColumnElement[bool], ...]]] = {
        "Accounts": (Account, ()),
        "Accounts not confirmed yet": (Account, (Account.verified_at.is_(None),)),
        "Owners": (Owner, ()),
        "Inverters": (Inverter, (Inverter.deleted_at.is_(None),)),
        "Inverters with a proved serial": (Inverter, (Inverter.active_serial.is_not(None),)),
        "Logins": (Login, (Login.revoked_at.is_(None),)),
        "Disputed serials": (Feed, (Feed.claim_state == ClaimState.DISPUTED,)),
        "Mails waiting": (OutboxMail, (OutboxMail.sent_at.is_(None),)),
        "Kinds of messages set aside": (DeadLetter, ()),
    }
    columns = [
        select(func.count()).select_from(table).where(*conditions).scalar_subquery()
        for table, conditions in asked.values()
    ]
    row = (await session.execute(select(*columns))).one()
    return list(zip(asked, row, strict=True))


async def _pending(session: AsyncSession) -> Sequence[PendingPlace]:
    owners = await session.scalars(
        select(OwnerPlacement)
        .where(OwnerPlacement.state == PlacementState.PENDING)
        .order_by(OwnerPlacement.updated_at)
        .limit(_MOST_ROWS)
    )
    inverters = await session.scalars(
        select(Placement)
        .where(Placement.state == PlacementState.PENDING)
        .order_by(Placement.updated_at)
        .limit(_MOST_ROWS)
    )
    return [
        *(PendingPlace("owner", str(row.owner_id), row.last_error, row.updated_at) for row in owners),
        *(PendingPlace("inverter", str(row.inverter_id), row.last_error, row.updated_at) for row in inverters),
    ]


async def _troubles(session: AsyncSession) -> Sequence[Trouble]:
    rows = await session.scalars(select(DeadLetter).order_by(DeadLetter.last_seen_at.desc()).limit(_MOST_ROWS))
    return [Trouble(row.login, row.topic, row.reason, row.detail, row.count, row.last_seen_at) for row in rows]
