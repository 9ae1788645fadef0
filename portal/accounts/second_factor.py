"""The second factor's rules: switch on, accept a code once, switch off, new recovery codes. No HTTP here.

Each function works inside the caller's transaction. A code is tried as often as ``TRIES`` allows: the caller counts.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts import recovery, totp
from portal.tries import Limit
from schema.models import Account
from schema.sealing import CannotUnseal, Sealer

# Whoever tries codes knows the password already. Per account, from wherever: 40 an hour of a million codes of which
# three fit. A recovery code has 58 bits, so it is counted by itself and the owner always has a way in.
TRIES = Limit("second_factor.code", 10, timedelta(minutes=15))
RECOVERY_TRIES = Limit("second_factor.recovery", 10, timedelta(minutes=15))

_log = structlog.get_logger(__name__)


class Way(StrEnum):
    """What was given as the second factor."""

    CODE = "code"
    RECOVERY_CODE = "recovery_code"


class StaleForm(Exception):
    """Somebody was here before with the same form: show the page anew, nothing was changed."""


@dataclass(frozen=True, slots=True)
class FactorKeys:
    """What seals the secret and what makes the recovery codes' hashes."""

    sealer: Sealer = field(repr=False)
    recovery: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Factor:
    """What the security page says: whether it is on, and how many recovery codes are left of which set."""

    on: bool
    codes_left: int
    codes_set: str


async def state(session: AsyncSession, account_id: UUID) -> Factor:
    """The account's second factor as it is."""
    on = select(Account.totp_sealed.is_not(None)).where(Account.id == account_id)
    return Factor(
        on=bool((await session.execute(on)).scalar_one_or_none()),
        codes_left=await recovery.left(session, account_id),
        codes_set=await recovery.newest_set(session, account_id),
    )


def is_recovery(typed: str) -> bool:
    """Whether what was typed is meant as a recovery code: it is longer than an app's code."""
    return len(typed.replace(" ", "").replace("-", "")) > totp.DIGITS


async def accept(session: AsyncSession, account_id: UUID, typed: str, *, keys: FactorKeys, now: datetime) -> Way | None:
    """Use up an app's code or a recovery code; None where it does not fit, is too old or was used already."""
    if is_recovery(typed):
        taken = await recovery.redeem(session, account_id, typed, key=keys.recovery, now=now)
        return Way.RECOVERY_CODE if taken else None
    kept = select(Account.totp_sealed, Account.totp_step).where(Account.id == account_id)
    row = (await session.execute(kept)).one_or_none()
    if row is None or row.totp_sealed is None:
        return None
    try:
        secret = keys.sealer.open(row.totp_sealed, row=_row(account_id))
    except CannotUnseal:
        # A recovery code is the way in after TOKEN_KEY was lost.
        _log.error("second_factor.cannot_unseal", account=str(account_id))
        return None
    step = totp.step_of(secret, typed, after=row.totp_step, now=now)
    return Way.CODE if step is not None and await _use_up(session, account_id, row.totp_sealed, step) else None


async def _use_up(session: AsyncSession, account_id: UUID, sealed: bytes, step: int) -> bool:
    """Of two requests with one code exactly one gets the row."""
    use = (
        update(Account)
        .where(
            Account.id == account_id,
            Account.totp_sealed == sealed,
            or_(Account.totp_step.is_(None), Account.totp_step < step),
        )
        .values(totp_step=step)
    )
    return (await session.execute(use.returning(Account.id))).first() is not None


async def switch_on(
    session: AsyncSession, account_id: UUID, secret: str, code: str, *, keys: FactorKeys, now: datetime
) -> list[str] | None:
    """Keep the secret, once a code shows that the app has it; returns the recovery codes, None where it does not fit.

    The code that confirms is used up by it. Raises ``StaleForm`` where a second factor is on already.
    """
    step = totp.step_of(secret, code, after=None, now=now)
    if step is None:
        return None
    keep = (
        update(Account)
        .where(Account.id == account_id, Account.totp_sealed.is_(None))
        .values(totp_sealed=keys.sealer.seal(secret, row=_row(account_id)), totp_step=step)
    )
    if not (await session.execute(keep.returning(Account.id))).first():
        raise StaleForm
    return await recovery.renew(session, account_id, key=keys.recovery)


async def switch_off(session: AsyncSession, account_id: UUID) -> None:
    """From now on the password alone is enough. Raises ``StaleForm`` where it is so already."""
    drop = (
        update(Account)
        .where(Account.id == account_id, Account.totp_sealed.is_not(None))
        .values(totp_sealed=None, totp_step=None)
    )
    if not (await session.execute(drop.returning(Account.id))).first():
        raise StaleForm
    await recovery.drop(session, account_id)


async def new_codes(session: AsyncSession, account_id: UUID, *, instead_of: str, keys: FactorKeys) -> list[str]:
    """Ten new recovery codes. Raises ``StaleForm`` where ``instead_of`` is no longer the present set or nothing is on.

    The account's row is locked meanwhile, so that a form that is sent twice makes one set.
    """
    lock = update(Account).where(Account.id == account_id, Account.totp_sealed.is_not(None))
    locked = (await session.execute(lock.values(totp_step=Account.totp_step).returning(Account.id))).first()
    if not locked or await recovery.newest_set(session, account_id) != instead_of:
        raise StaleForm
    return await recovery.renew(session, account_id, key=keys.recovery)


def _row(account_id: UUID) -> str:
    return f"account:{account_id}:totp"
