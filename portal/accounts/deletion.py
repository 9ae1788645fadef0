"""How an account is deleted: asked for, announced by mail, seven days in which it can be kept, then for good.

Logins are revoked and inverters marked as deleted without a further grace; the provisioner finds by their rows what
lies in the store, erases it and then the rows. What names the person goes at once. A home that somebody else owns too
stays as it is; at one that goes nobody has a right any more. A site that nobody owns yet goes with its only installer.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.accounts import administrators, mailed_tokens
from portal.accounts.forms import email_key
from portal.accounts.links import MailedLinks
from portal.accounts.service import OWNER_NAME
from portal.audit import Action, Actor
from portal.inverters.grants import holds, in_progress
from portal.mail import owe
from portal.serials.freeing import others_may_claim
from schema.changes import registry_changed
from schema.models import (
    Account,
    ClaimState,
    EmailToken,
    Feed,
    Grant,
    Inverter,
    Invitation,
    Login,
    OutboxMail,
    Owner,
    Role,
    TokenPurpose,
)

GRACE = timedelta(days=7)
INVERTER_NAME = "Inverter"


class LastAdministrator(Exception):
    """Without this account nobody could administer: somebody else has to be appointed first."""


async def ask(session: AsyncSession, account_id: UUID, *, links: MailedLinks, day: str, now: datetime) -> None:
    """From now on the account is to be deleted after the grace; a second wish changes nothing.

    ``day`` is the day of the deletion as the person writes it. Raises ``LastAdministrator``.
    """
    await administrators.locked(session)
    account = await session.get_one(Account, account_id, with_for_update=True)
    if account.delete_after is not None:
        return
    if account.is_admin and not await administrators.another_stays(session, account_id):
        raise LastAdministrator
    account.delete_after = now + GRACE
    purpose = TokenPurpose.CANCEL_DELETION
    token = await mailed_tokens.issue(session, account_id, purpose=purpose, key=links.key, now=now)
    await _note(session, Action.DELETION_ASKED, account_id, account_id, now)
    await owe(
        session,
        account.email,
        letters.deletion_asked(links.base_url, token, day, language=account.language),
        sealer=links.sealer,
        now=now,
        always=True,
    )


async def keep(session: AsyncSession, account_id: UUID, *, now: datetime) -> bool:
    """The account stays after all; false where nobody had asked for its deletion."""
    kept = update(Account).where(Account.id == account_id, Account.delete_after.is_not(None)).values(delete_after=None)
    if (await session.execute(kept.returning(Account.id))).first() is None:
        return False
    await mailed_tokens.withdraw(session, account_id, purpose=TokenPurpose.CANCEL_DELETION)
    await _note(session, Action.DELETION_CANCELLED, account_id, account_id, now)
    return True


async def keep_by_mail(session: AsyncSession, token: str, *, key: str, now: datetime) -> None:
    """The mailed link keeps the account, whoever is signed in. Raises ``TokenSpent``."""
    account_id = await mailed_tokens.redeem(session, token, purpose=TokenPurpose.CANCEL_DELETION, key=key, now=now)
    await keep(session, account_id, now=now)


async def due(session: AsyncSession, *, now: datetime, most: int) -> Sequence[UUID]:
    """Accounts whose grace is over, the longest waiting first."""
    statement = select(Account.id).where(Account.delete_after <= now).order_by(Account.delete_after).limit(most)
    return (await session.scalars(statement)).all()


async def erase(session: AsyncSession, account_id: UUID, *, now: datetime) -> bool:
    """Delete the account, if its grace is over and nobody has kept it meanwhile; false where that is so."""
    doomed = select(Account).where(Account.id == account_id, Account.delete_after <= now).with_for_update()
    account = (await session.scalars(doomed)).one_or_none()
    if account is None:
        return False
    homes = await _homes_of_nobody_else(session, account_id, now)
    logins = [name for owner_id in homes for name in await _close_home(session, owner_id, now)]
    addresses = {address.lower() for address in (account.email, *await _other_addresses(session, account_id))}
    await session.execute(delete(OutboxMail).where(func.lower(OutboxMail.recipient).in_(addresses)))
    named = or_(Invitation.accepted_by == account_id, func.lower(Invitation.email).in_(addresses))
    await session.execute(delete(Invitation).where(named))
    # Sessions, mailed tokens, grants, keys and recovery codes go with it (ON DELETE CASCADE).
    await session.execute(delete(Account).where(Account.id == account_id))
    await _note(session, Action.DELETED, account_id, audit.SYSTEM, now, logins_revoked=sorted(logins))
    return True


async def _other_addresses(session: AsyncSession, account_id: UUID) -> set[str]:
    """Those that it had before, and those that it wanted and that are nobody else's: wanting proves nothing."""
    tokens = select(EmailToken.purpose, EmailToken.new_email).where(EmailToken.account_id == account_id)
    found = {(purpose, email) for purpose, email in await session.execute(tokens) if email}
    had = {email for purpose, email in found if purpose == TokenPurpose.UNDO_EMAIL}
    wanted = {email_key(email): email for purpose, email in found if purpose != TokenPurpose.UNDO_EMAIL}
    people = select(Account.email_key).where(Account.id != account_id, Account.email_key.in_(wanted))
    invited = select(Invitation.email_key).where(Invitation.email_key.in_(wanted))
    others = {*await session.scalars(people), *await session.scalars(invited)}
    return had | {email for key, email in wanted.items() if key not in others}


async def _homes_of_nobody_else(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[UUID]:
    """Homes that it alone owns, and sites that it alone installs: afterwards nobody could act there."""
    sites = select(Owner.id).where(in_progress())
    acts = or_(Grant.role == Role.OWNER, and_(Grant.role == Role.INSTALLER, Grant.owner_id.in_(sites)))
    mine = select(Grant.owner_id).where(Grant.account_id == account_id, acts)
    others = select(Grant.owner_id).where(Grant.account_id != account_id, acts, holds(now))
    return (await session.scalars(mine.where(Grant.owner_id.not_in(others)))).all()


async def _close_home(session: AsyncSession, owner_id: UUID, now: datetime) -> Sequence[str]:
    """Returns the logins that were revoked."""
    # First the registry's version: whoever adds an inverter at this moment has committed or waits.
    await registry_changed(session, owner_id=owner_id)
    revoke = update(Login).where(Login.owner_id == owner_id, Login.revoked_at.is_(None)).values(revoked_at=now)
    names = (await session.scalars(revoke.returning(Login.name))).all()
    inverters = select(Inverter.id).where(Inverter.owner_id == owner_id)
    held = select(Inverter).where(Inverter.owner_id == owner_id, Inverter.active_serial.is_not(None))
    for one in await session.scalars(held.order_by(Inverter.id)):
        await others_may_claim(session, one.serial, but=one.id)
    await session.execute(update(Feed).where(Feed.inverter_id.in_(inverters)).values(claim_state=ClaimState.RELEASED))
    gone = update(Inverter).where(Inverter.owner_id == owner_id)
    await session.execute(gone.values(name=INVERTER_NAME, active_serial=None, erase_after=now))
    await session.execute(gone.where(Inverter.deleted_at.is_(None)).values(deleted_at=now))
    await session.execute(delete(Grant).where(Grant.owner_id == owner_id))
    await session.execute(delete(Invitation).where(Invitation.owner_id == owner_id))
    await session.execute(update(Owner).where(Owner.id == owner_id).values(name=OWNER_NAME))
    return names


async def _note(
    session: AsyncSession, action: Action, account_id: UUID, actor: Actor, now: datetime, **details: audit.Detail
) -> None:
    await audit.record(session, action, subject=audit.account(account_id), actor=actor, details=details, now=now)
