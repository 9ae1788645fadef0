"""The installation at a glance, for an administrator: counts, what is behind, what does not answer. No secrets.

What the pages about a subject count is counted here in the same way, so that a number and its list agree.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal.admin.collectors import service as collectors
from portal.admin.jobs.service import UNFINISHED
from schema.models import (
    ONLY_ROW,
    Account,
    ClaimState,
    Collector,
    DeadLetter,
    Feed,
    Inverter,
    LiveRow,
    Login,
    Orphan,
    OutboxMail,
    Owner,
    OwnerPlacement,
    PasswordFileGeneration,
    Placement,
    RegistryVersion,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are. ``jobs`` are places not made or not erased yet, ``failed_jobs`` those with an error."""

    accounts: int
    unconfirmed: int
    disabled: int
    owners: int
    inverters: int
    proved: int
    logins: int
    disputes: int
    jobs: int
    failed_jobs: int
    mails: int
    retried_mails: int
    letters: int
    stopped_collectors: int
    orphans: int


@dataclass(frozen=True, slots=True)
class Installation:
    """``applied`` lagging behind ``registry_version`` means that new logins do not work yet. ``heard_at`` is when the
    bridge last noted a message of anybody.
    """

    counts: Counts
    registry_version: int
    written: int
    applied: int
    heard_at: datetime | None

    @property
    def behind(self) -> bool:
        """Whether the broker does not know the newest logins yet."""
        return self.applied < self.registry_version


async def installation(session: AsyncSession) -> Installation:
    """Everything that the database tells; the caller has made sure that an administrator asks. ``heard_at`` is not in
    it.
    """
    generation = await session.get(PasswordFileGeneration, ONLY_ROW)
    version = (await session.scalars(select(RegistryVersion.version))).one_or_none()
    return Installation(
        counts=await _counts(session),
        registry_version=version or 0,
        written=generation.written if generation else 0,
        applied=generation.applied if generation else 0,
        heard_at=None,
    )


async def heard_at(live_engine: AsyncEngine) -> datetime | None:
    """The newest arrival of a message that became a live row."""
    async with AsyncSession(live_engine) as session:
        return (await session.execute(select(func.max(LiveRow.seen_at)))).scalar_one()


async def _counts(session: AsyncSession) -> Counts:
    contested = select(Feed.id).where(Feed.inverter_id == Inverter.id, Feed.claim_state == ClaimState.DISPUTED)
    living = Inverter.deleted_at.is_(None)
    owners, buckets = OwnerPlacement.state.in_(UNFINISHED), Placement.state.in_(UNFINISHED)
    asked: dict[str, tuple[type[Any], tuple[ColumnElement[bool], ...]]] = {
        "accounts": (Account, ()),
        "unconfirmed": (Account, (Account.verified_at.is_(None),)),
        "disabled": (Account, (Account.disabled_at.is_not(None),)),
        "owners": (Owner, ()),
        "inverters": (Inverter, (living,)),
        "proved": (Inverter, (Inverter.active_serial.is_not(None),)),
        "logins": (Login, (Login.revoked_at.is_(None),)),
        "owner_jobs": (OwnerPlacement, (owners,)),
        "owner_errors": (OwnerPlacement, (owners, OwnerPlacement.last_error != "")),
        "inverter_jobs": (Placement, (buckets,)),
        "inverter_errors": (Placement, (buckets, Placement.last_error != "")),
        "mails": (OutboxMail, (OutboxMail.sent_at.is_(None),)),
        "retried_mails": (OutboxMail, (OutboxMail.sent_at.is_(None), OutboxMail.attempts > 1)),
        "letters": (DeadLetter, (DeadLetter.count > 0,)),
        "stopped_collectors": (Collector, (collectors.stopped(),)),
        "orphans": (Orphan, ()),
    }
    columns = [
        select(func.count()).select_from(table).where(*conditions).scalar_subquery().label(name)
        for name, (table, conditions) in asked.items()
    ]
    disputes = select(func.count(Inverter.serial.distinct())).where(living, contested.exists())
    row = (await session.execute(select(*columns, disputes.scalar_subquery().label("disputes")))).mappings().one()
    jobs = {"jobs": row["owner_jobs"] + row["inverter_jobs"]}
    errors = {"failed_jobs": row["owner_errors"] + row["inverter_errors"]}
    plain = {name: row[name] for name in Counts.__dataclass_fields__ if name in row}
    return Counts(**plain, **jobs, **errors)
