"""The rules of a changed password and a changed address. Each works inside the caller's transaction.

An address changes when the new one has proved itself: a mailed link, and a button pressed by the person who asked.
The old one is told and may undo it for a week, whatever happened meanwhile: it gets the account back, and nobody else
keeps anything of it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.accounts import mailed_tokens, service, sessions
from portal.accounts.forms import email_key
from portal.accounts.links import MailedLinks
from portal.accounts.mailed_tokens import Redeemed
from portal.audit import Action
from portal.mail import owe, owed_lately, too_many_lately
from schema.models import (
    Account,
    ApiKey,
    AuditEntry,
    Grant,
    Invitation,
    Login,
    LoginSession,
    Owner,
    RecoveryCode,
    Role,
    TokenPurpose,
)


class ChangedMeanwhile(Exception):
    """The password is another one by now: of two changes at once one counts."""


class AddressTaken(Exception):
    """Another account has confirmed this address meanwhile: say that the link no longer works."""


async def change_password(
    session: AsyncSession,
    account_id: UUID,
    session_id: UUID,
    *,
    before: str,
    after: str,
    links: MailedLinks,
    now: datetime,
) -> LoginSession | None:
    """Set the hash ``after`` where ``before`` still stands, log every other device out, say so by mail.

    Returns this device's session under its new id, None where it has ended meanwhile. Raises ``ChangedMeanwhile``.
    """
    statement = update(Account).where(Account.id == account_id, Account.password_hash == before)
    email = (await session.scalars(statement.values(password_hash=after).returning(Account.email))).one_or_none()
    if email is None:
        raise ChangedMeanwhile
    ended = await sessions.end_others(session, account_id, session_id)
    # Whoever had a copy of this device's own cookie knew no password, and must not stay signed in without it.
    here = await sessions.renew(session, account_id, session_id, now=now)
    # A link that somebody else may have asked for must not set another one.
    await mailed_tokens.withdraw(session, account_id, purpose=TokenPurpose.RESET)
    await _note(session, Action.PASSWORD_CHANGED, account_id, account_id, now, sessions_ended=ended)
    letter = letters.password_changed_here(links.base_url)
    await owe(session, email, letter, sealer=links.sealer, now=now, always=True)
    return here


async def ask_for_address(
    session: AsyncSession, account_id: UUID, new_email: str, *, links: MailedLinks, now: datetime
) -> None:
    """Mail the new address a link that proves it; where it has an account already, tell its reader so instead."""
    purpose = TokenPurpose.CHANGE_EMAIL
    if await mailed_tokens.issued_just_now(session, account_id, purpose=purpose, now=now, new_email=new_email):
        return
    await _note(session, Action.EMAIL_CHANGE_ASKED, account_id, account_id, now)
    known = await service.find(session, new_email)
    if known is not None and known.verified_at is not None:
        letter = letters.account_exists(links.base_url, language=known.language)
        if not await owed_lately(session, known.email, letter.subject, now=now):
            await owe(session, known.email, letter, sealer=links.sealer, now=now)
        return
    if await too_many_lately(session, new_email, now=now):
        return
    token = await mailed_tokens.issue(session, account_id, purpose=purpose, key=links.key, now=now, new_email=new_email)
    letter = letters.confirm_new_address(links.base_url, token)
    await owe(session, new_email, letter, sealer=links.sealer, now=now)


async def change_address(
    session: AsyncSession, account_id: UUID, token: str, *, links: MailedLinks, now: datetime
) -> None:
    """The new address is the account's. Every device is logged out, and the old address gets a link that undoes it.

    Raises ``TokenSpent``, also for another account's token, and ``AddressTaken``.
    """
    purpose = TokenPurpose.CHANGE_EMAIL
    wanted = await mailed_tokens.redeemed(
        session, token, purpose=purpose, key=links.key, now=now, account_id=account_id
    )
    account = await session.get_one(Account, account_id, with_for_update=True)
    old = account.email
    await _set_address(session, account, wanted.new_email)
    await _end_what_was_open(session, account_id)
    undo = await mailed_tokens.issue(
        session,
        account_id,
        purpose=TokenPurpose.UNDO_EMAIL,
        key=links.key,
        now=now,
        new_email=old,
        # Whoever has taken an account changes its address twice, if that ends the owner's link.
        older_stay=True,
    )
    await _note(session, Action.EMAIL_CHANGED, account_id, account_id, now)
    letter = letters.address_changed(links.base_url, undo, language=account.language)
    await owe(session, old, letter, sealer=links.sealer, now=now, always=True)


async def undo_address(
    session: AsyncSession, token: str, *, nobodys_hash: str, links: MailedLinks, now: datetime
) -> str:
    """Give the account back to the old address; returns a token with which its reader sets a new password.

    Whoever changed the address knew the password and may have made keys or asked for the deletion: nothing of it
    counts any more, later undo links included. Raises ``TokenSpent`` and ``AddressTaken``.
    """
    undone = await mailed_tokens.redeemed(session, token, purpose=TokenPurpose.UNDO_EMAIL, key=links.key, now=now)
    account = await session.get_one(Account, undone.account_id, with_for_update=True)
    await _set_address(session, account, undone.new_email)
    account.password_hash, account.delete_after = nobodys_hash, None
    await _end_what_was_open(session, account.id)
    await _take_back(session, account.id, undone, now)
    await _note(session, Action.EMAIL_CHANGE_UNDONE, account.id, account.id, now)
    return await mailed_tokens.issue(session, account.id, purpose=TokenPurpose.RESET, key=links.key, now=now)


async def _take_back(session: AsyncSession, account_id: UUID, undone: Redeemed, now: datetime) -> None:
    await mailed_tokens.withdraw(session, account_id, purpose=TokenPurpose.CANCEL_DELETION)
    await mailed_tokens.withdraw_since(session, account_id, undone.issued_at, purpose=TokenPurpose.UNDO_EMAIL)
    await session.execute(
        update(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None)).values(revoked_at=now)
    )
    await _uninvite(session, account_id, undone, now)
    # A second factor that was set up since is not the owner's, and would keep him out; an older one stays.
    set_up = select(AuditEntry.id).where(
        AuditEntry.action == Action.TOTP_ON.value,
        AuditEntry.subject == audit.account(account_id),
        AuditEntry.at >= undone.issued_at,
    )
    if (await session.execute(set_up.limit(1))).first() is not None:
        await session.execute(update(Account).where(Account.id == account_id).values(totp_sealed=None, totp_step=None))
        await session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))


async def _uninvite(session: AsyncSession, account_id: UUID, undone: Redeemed, now: datetime) -> None:
    """Whomever the thief let look sees nothing more, and no link that he sent gives anything."""
    links = update(Invitation).where(Invitation.invited_by == account_id, Invitation.sent_at >= undone.issued_at)
    waiting = (Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
    await session.execute(links.where(*waiting).values(revoked_at=now))
    looks = delete(Grant).where(Grant.granted_by == account_id, Grant.role == Role.READER)
    await session.execute(looks.where(Grant.created_at >= undone.issued_at))


async def _end_what_was_open(session: AsyncSession, account_id: UUID) -> None:
    """Sessions, and links in mailboxes that are no longer the account's."""
    await sessions.end_all(session, account_id)
    for purpose in (TokenPurpose.CHANGE_EMAIL, TokenPurpose.RESET):
        await mailed_tokens.withdraw(session, account_id, purpose=purpose)


async def _set_address(session: AsyncSession, account: Account, email: str) -> None:
    """Raises ``AddressTaken``. An account that never confirmed the address makes room, unless it was disabled."""
    other = await service.find(session, email)
    if other is not None and other.id != account.id:
        if other.verified_at is not None or other.disabled_at is not None:
            raise AddressTaken
        await forget_unconfirmed(session, other.id)
    try:
        async with session.begin_nested():
            account.email, account.email_key = email, email_key(email)
    except IntegrityError:
        raise AddressTaken from None


async def forget_unconfirmed(session: AsyncSession, account_id: UUID) -> None:
    """Remove an account that was never confirmed, and the home made for it, in which nothing can be yet."""
    homes = (await session.scalars(select(Grant.owner_id).where(Grant.account_id == account_id))).all()
    await session.execute(delete(Account).where(Account.id == account_id, Account.verified_at.is_(None)))
    granted, logins = select(Grant.owner_id), select(Login.owner_id).where(Login.owner_id.is_not(None))
    await session.execute(delete(Owner).where(Owner.id.in_(homes), Owner.id.not_in(granted), Owner.id.not_in(logins)))


async def _note(
    session: AsyncSession, action: Action, account_id: UUID, actor: audit.Actor, now: datetime, **details: audit.Detail
) -> None:
    await audit.record(session, action, subject=audit.account(account_id), actor=actor, details=details, now=now)
