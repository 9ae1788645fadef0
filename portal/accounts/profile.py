"""What a person may set about himself: name, language, the time zone of his own home; in the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.accounts.settings_forms import Profile
from portal.audit import Action
from portal.inverters.grants import holds
from schema.models import Account, Grant, Owner, Role


@dataclass(frozen=True, slots=True)
class Settings:
    """What the profile page shows. ``time_zone`` is None for somebody who has no home of his own here."""

    display_name: str
    time_zone: str | None
    language: str


async def settings_of(session: AsyncSession, account_id: UUID, now: datetime) -> Settings:
    """The account's name, its home's time zone, and its language."""
    account = await session.get_one(Account, account_id)
    home = (await session.scalars(_home(account_id, now))).first()
    return Settings(account.display_name, home.time_zone if home else None, account.language)


async def zone_of(session: AsyncSession, account_id: UUID, now: datetime) -> str:
    """The zone in which this person is told times: his home's, else UTC."""
    home = (await session.scalars(_home(account_id, now))).first()
    return home.time_zone if home else "UTC"


async def save(session: AsyncSession, account_id: UUID, wanted: Profile, *, now: datetime) -> None:
    """Set what was typed. A zone is only set where the account owns the home; the audit log names no name."""
    account = await session.get_one(Account, account_id)
    home = (await session.scalars(_home(account_id, now))).first()
    details: dict[str, audit.Detail] = {}
    if account.display_name != wanted.display_name:
        account.display_name = wanted.display_name
        details["name"] = "changed"
    if wanted.language is not None and account.language != wanted.language:
        details |= {"language_before": account.language, "language_after": wanted.language}
        account.language = wanted.language
    if home and wanted.time_zone and home.time_zone != wanted.time_zone:
        details |= {"zone_before": home.time_zone, "zone_after": wanted.time_zone}
        home.time_zone = wanted.time_zone
    if details:
        await audit.record(
            session,
            Action.PROFILE_CHANGED,
            subject=audit.account(account_id),
            actor=account_id,
            owner_id=home.id if home else None,
            details=details,
            now=now,
        )


def _home(account_id: UUID, now: datetime) -> Select[Owner]:
    """The owner that new inverters of this account belong to: the first it was given."""
    return (
        select(Owner)
        .join(Grant, Grant.owner_id == Owner.id)
        .where(Grant.account_id == account_id, Grant.role == Role.OWNER, holds(now))
        .order_by(Grant.created_at, Owner.id)
        .limit(1)
    )
