"""What an administrator does to accounts: roles, ending sessions, disabling, another confirmation link.

Each works inside the caller's transaction and leaves one entry in the audit log, which goes with it. None sets, shows
or asks for a password: whoever needs a new one gets a link by mail, like everybody.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.accounts import administrators, sessions
from portal.accounts import service as accounts
from portal.accounts.links import MailedLinks
from portal.admin.users.forms import GlobalRole
from portal.audit import Action
from portal.words import N_
from schema.models import Account


class NoSuchAccount(Exception):
    """There is no account by this id (any more)."""


class NotPossible(Exception):
    """The rules forbid it; the message is a sentence for the administrator."""


async def give(session: AsyncSession, role: GlobalRole, account_id: UUID, *, by: UUID, now: datetime) -> None:
    """Give the role. Raises ``NoSuchAccount`` and ``NotPossible``."""
    account = await _locked(session, account_id, by)
    if account.verified_at is None or account.disabled_at is not None:
        raise NotPossible(N_("Only somebody who can log in can have this role."))
    if _has(account, role):
        raise NotPossible(N_("This account has the role already."))
    _set(account, role, has=True)
    await _note(session, Action.ROLE_GRANTED, account_id, by, now, role=role.value)


async def take(session: AsyncSession, role: GlobalRole, account_id: UUID, *, by: UUID, now: datetime) -> None:
    """Take the role and log the account out everywhere. Raises ``NoSuchAccount`` and ``NotPossible``."""
    account = await _locked(session, account_id, by)
    if not _has(account, role):
        raise NotPossible(N_("This account does not have the role."))
    if role is GlobalRole.ADMIN:
        _check_not_oneself(account_id, by, N_("You cannot take administration from yourself."))
        await _check_not_last(session, account_id)
    _set(account, role, has=False)
    await sessions.end_all(session, account_id)
    await _note(session, Action.ROLE_TAKEN, account_id, by, now, role=role.value)


async def end_sessions(session: AsyncSession, account_id: UUID, *, by: UUID, now: datetime) -> None:
    """Log the account out everywhere. Raises ``NoSuchAccount``."""
    await _locked(session, account_id, by)
    devices = len(await sessions.living(session, account_id, now=now))
    await sessions.end_all(session, account_id)
    await _note(session, Action.SESSIONS_ENDED, account_id, by, now, devices=devices)


async def disable(session: AsyncSession, account_id: UUID, *, by: UUID, now: datetime) -> None:
    """Log the account out everywhere and let it in no more. Its inverters go on publishing.

    Raises ``NoSuchAccount`` and ``NotPossible``.
    """
    account = await _locked(session, account_id, by)
    if account.disabled_at is not None:
        raise NotPossible(N_("This account is disabled already."))
    _check_not_oneself(account_id, by, N_("You cannot disable yourself."))
    if account.is_admin:
        await _check_not_last(session, account_id)
    account.disabled_at = now
    await sessions.end_all(session, account_id)
    await _note(session, Action.DISABLED, account_id, by, now)


async def enable(session: AsyncSession, account_id: UUID, *, by: UUID, now: datetime) -> None:
    """Let the account in again. Raises ``NoSuchAccount`` and ``NotPossible``."""
    account = await _locked(session, account_id, by)
    if account.disabled_at is None:
        raise NotPossible(N_("This account is not disabled."))
    since, account.disabled_at = account.disabled_at, None
    await _note(session, Action.ENABLED, account_id, by, now, disabled_since=since.isoformat())


async def confirm_again(
    session: AsyncSession, account_id: UUID, *, by: UUID, links: MailedLinks, now: datetime
) -> None:
    """Mail another confirmation link. Raises ``NoSuchAccount`` and ``NotPossible``."""
    account = await _locked(session, account_id, by)
    if account.verified_at is not None:
        raise NotPossible(N_("This address is confirmed already."))
    await accounts.send_confirmation_again(session, account.email, links=links, now=now, actor=by)


async def _locked(session: AsyncSession, account_id: UUID, by: UUID) -> Account:
    """The account, with all administrators locked until the commit."""
    if by not in await administrators.locked(session):
        raise NoSuchAccount
    account = await session.get(Account, account_id, with_for_update=True)
    if account is None:
        raise NoSuchAccount
    return account


def _check_not_oneself(account_id: UUID, by: UUID, sentence: str) -> None:
    if account_id == by:
        raise NotPossible(sentence)


async def _check_not_last(session: AsyncSession, account_id: UUID) -> None:
    """Nobody is helped by an administrator who is disabled, or who will be gone in a week."""
    if not await administrators.another_stays(session, account_id):
        raise NotPossible(N_("This is the last administrator who can log in and is not leaving."))


def _has(account: Account, role: GlobalRole) -> bool:
    return account.is_admin if role is GlobalRole.ADMIN else account.is_installer


def _set(account: Account, role: GlobalRole, *, has: bool) -> None:
    if role is GlobalRole.ADMIN:
        account.is_admin = has
    else:
        account.is_installer = has


async def _note(
    session: AsyncSession, action: Action, account_id: UUID, by: UUID, now: datetime, **details: audit.Detail
) -> None:
    await audit.record(session, action, subject=audit.account(account_id), actor=by, details=details, now=now)
