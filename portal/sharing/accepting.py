"""The other side of an invitation: what its link offers, accepting it with an account or without one, and declining it.

Accepting a hand-over re-grants the home and moves nothing: organisation, buckets, inverters and logins stay what they
are. Whoever has handed it over keeps at most a look that ends (``portal.inverters.grants``). No HTTP.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.accounts import service as accounts
from portal.accounts.changes import forget_unconfirmed
from portal.accounts.forms import email_key
from portal.accounts.links import MailedLinks
from portal.audit import Action
from portal.dashboard.days import zone_named
from portal.inverters.grants import homes_of
from portal.keys import keyed_hash
from portal.mail import owe
from portal.sharing import service as sharing
from portal.sharing.inviting import may_invite, waiting
from portal.words import reader
from schema.models import Account, Grant, Inverter, Invitation, Notice, NoticeKind, Owner, Role
from schema.notices import note


class Spent(Exception):
    """The link is unknown, used, withdrawn or too old, or whoever sent it may not invite any more: do not say which."""


class SomebodyElse(Exception):
    """The link is for another address than that of the account which is signed in."""


class HasAccount(Exception):
    """The address has an account: its owner logs in instead of choosing another password."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers to whoever reads that mailbox. ``inviter`` and ``email`` are addresses."""

    role: Role
    home: str
    inverters: int
    inviter: str
    email: str
    has_account: bool
    grant_until: datetime | None
    keep_until: datetime | None
    zone: ZoneInfo

    def is_for(self, email: str) -> bool:
        """Whether this is the address that was invited."""
        return email_key(email) == email_key(self.email)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was accepted."""

    account_id: UUID
    owner_id: UUID
    role: Role


async def offer(session: AsyncSession, token: str, *, key: str, now: datetime) -> Offer:
    """What the link is good for; nothing is used up, so mail scanners may look as often as they like.

    Raises ``Spent``.
    """
    row = await _good(session, token, key=key, now=now)
    home, inviter = await session.get_one(Owner, row.owner_id), await session.get_one(Account, row.invited_by)
    counted = select(func.count()).where(Inverter.owner_id == row.owner_id, Inverter.deleted_at.is_(None))
    known = await accounts.find(session, row.email)
    return Offer(
        role=Role(row.role),
        home=home.name,
        inverters=(await session.execute(counted)).scalar_one(),
        inviter=inviter.email,
        email=row.email,
        has_account=known is not None and not _makes_room(known),
        grant_until=row.grant_until,
        keep_until=row.keep_until,
        zone=zone_named(home.time_zone),
    )


async def accept(session: AsyncSession, account_id: UUID, token: str, *, links: MailedLinks, now: datetime) -> Taken:
    """The account takes what the link offers. Raises ``Spent`` and ``SomebodyElse``; of two at once one succeeds."""
    mine = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    account = (await session.scalars(mine.execution_options(populate_existing=True))).one()
    row = await _good(session, token, key=links.key, now=now)
    if account.email_key != row.email_key or account.verified_at is None:
        raise SomebodyElse
    row = await _used(session, row, now, answer="accepted_at")
    return await _give(session, account, row, links=links, now=now)


async def join(
    session: AsyncSession,
    token: str,
    password_hash: str,
    time_zone: str,
    *,
    links: MailedLinks,
    now: datetime,
    **details: audit.Detail,
) -> Taken:
    """A new account of the invited address, which the link has proved, takes what it offers.

    Whoever signed up with the address and never confirmed it makes room, unless he was disabled. Raises ``Spent`` and
    ``HasAccount``.
    """
    row = await _used(session, await _good(session, token, key=links.key, now=now), now, answer="accepted_at")
    known = await accounts.find(session, row.email, locked=True)
    if known is not None and not _makes_room(known):
        raise HasAccount
    if known is not None:
        await forget_unconfirmed(session, known.id)
    account = await accounts.create(
        session,
        row.email,
        password_hash,
        time_zone,
        now=now,
        language=reader().language,
        with_home=row.role != Role.OWNER,
    )
    if account is None:
        raise HasAccount
    account.verified_at = now
    await session.flush()
    return await _give(session, account, row, links=links, now=now, new_account=True, **details)


async def decline(
    session: AsyncSession, token: str, *, account: tuple[UUID, str] | None, links: MailedLinks, now: datetime
) -> None:
    """No, thank you: nothing changes, the link is used up and whoever sent it is told.

    ``account`` is the id and the address of who is signed in; without one the link is proof enough. Raises ``Spent``
    and ``SomebodyElse``.
    """
    row = await _good(session, token, key=links.key, now=now)
    if account and email_key(account[1]) != row.email_key:
        raise SomebodyElse
    row = await _used(session, row, now, answer="declined_at")
    inviter = await session.get_one(Account, row.invited_by)
    told = letters.declined(links.base_url, row.owner_id, row.email, language=inviter.language)
    await owe(session, inviter.email, told, sealer=links.sealer, now=now, always=True)
    await audit.record(
        session,
        Action.INVITATION_DECLINED,
        subject=f"invitation:{row.id}",
        actor=account[0] if account else audit.NOBODY,
        owner_id=row.owner_id,
        details={"role": row.role},
        now=now,
    )


def _makes_room(known: Account) -> bool:
    """Nobody has shown that the address is his, and no administrator keeps him out."""
    return known.verified_at is None and known.disabled_at is None


async def _good(session: AsyncSession, token: str, *, key: str, now: datetime) -> Invitation:
    """The invitation behind the link, while whoever sent it may still invite. Raises ``Spent``."""
    statement = select(Invitation).where(Invitation.token_hash == keyed_hash(key, token), waiting(now))
    row = (await session.scalars(statement)).one_or_none()
    if row is None or row.invited_by is None:
        raise Spent
    if not await may_invite(session, row.invited_by, row.owner_id, Role(row.role), now):
        raise Spent
    return row


async def _used(
    session: AsyncSession, row: Invitation, now: datetime, *, answer: Literal["accepted_at", "declined_at"]
) -> Invitation:
    """Use the link up, with this answer. Raises ``Spent``.

    Whoever else accepts something of this home waits at its row, and then finds what became of it. Accounts before
    homes, as where an account is erased, so that nobody waits crosswise.
    """
    inviter = select(Account.id).where(Account.id == row.invited_by)
    await session.execute(inviter.with_for_update(read=True, key_share=True))
    await session.execute(select(Owner.id).where(Owner.id == row.owner_id).with_for_update(key_share=True))
    use = update(Invitation).where(Invitation.id == row.id, Invitation.token_hash == row.token_hash, waiting(now))
    if (await session.execute(use.values({answer: now}).returning(Invitation.id))).first() is None:
        raise Spent
    if row.invited_by is None or not await may_invite(session, row.invited_by, row.owner_id, Role(row.role), now):
        raise Spent
    return row


async def _give(
    session: AsyncSession,
    account: Account,
    row: Invitation,
    *,
    links: MailedLinks,
    now: datetime,
    **details: audit.Detail,
) -> Taken:
    row.accepted_by = account.id
    inviter = await session.get_one(Account, row.invited_by)
    home = await session.get_one(Owner, row.owner_id)
    if row.role == Role.OWNER:
        action = Action.OWNER_HANDED_OVER
        details = {**details, "keeps_until": row.keep_until.isoformat() if row.keep_until else None}
        before = await sharing.looking(session, home.id, now) - {inviter.id}
        await _hand_over(session, account.id, row, home, now)
        await sharing.tell_who_looked(session, before, home.id, by=inviter.id, links=links, now=now)
        letter = letters.taken_over(links.base_url, home.id, language=account.language)
        await owe(session, account.email, letter, sealer=links.sealer, now=now, always=True)
        told = letters.gave_away(links.base_url, home.name, account.email, language=inviter.language)
    else:
        action = Action.GRANT_GIVEN
        await _set(session, account.id, row.owner_id, Role.READER, until=row.grant_until, by=inviter.id, now=now)
        told = letters.looks_now(links.base_url, home.id, account.email, language=inviter.language)
    await owe(session, inviter.email, told, sealer=links.sealer, now=now, always=True)
    details = {**details, "role": row.role, "account": str(account.id)}
    await audit.record(
        session, action, subject=audit.owner(home.id), actor=account.id, owner_id=home.id, details=details, now=now
    )
    return Taken(account.id, home.id, Role(row.role))


async def _hand_over(session: AsyncSession, account_id: UUID, row: Invitation, home: Owner, now: datetime) -> None:
    """The home is the new owner's; of everybody who had to do with it before, only those stay who own it too."""
    inviter_id = row.invited_by
    assert inviter_id is not None  # noqa: S101  # an invitation of nobody is no good one
    was_site = home.handed_over_at is None and not await _owners(session, home.id)
    leaving = {inviter_id} | (await _installers(session, home.id) if was_site else set())
    of_home = Grant.owner_id == home.id
    owners = await _owners(session, home.id) - leaving
    if not owners:
        await session.execute(delete(Grant).where(of_home))
    else:
        theirs = Grant.account_id.in_(leaving) | (Grant.granted_by.in_(leaving) & (Grant.role != Role.OWNER))
        await session.execute(delete(Grant).where(of_home, theirs))
    await session.execute(delete(Grant).where(of_home, Grant.account_id == account_id))
    await session.execute(update(Invitation).where(Invitation.owner_id == home.id, waiting(now)).values(revoked_at=now))
    await _set(session, account_id, home.id, Role.OWNER, until=None, by=inviter_id, now=now)
    for one in leaving - {account_id}:
        if row.keep_until is not None and row.keep_until > now:
            await _set(session, one, home.id, Role.READER, until=row.keep_until, by=account_id, now=now)
        if not was_site and not (await session.scalars(homes_of(one, now).limit(1))).first():
            # Whoever has owned a home can go on adding inverters.
            await accounts.make_home(session, one, home.time_zone, now=now)
    home.handed_over_at = now
    await session.execute(delete(Notice).where(Notice.owner_id == home.id, Notice.kind == NoticeKind.HANDED_OVER))
    await note(session, NoticeKind.HANDED_OVER, owner_id=home.id, now=now)


async def _owners(session: AsyncSession, owner_id: UUID) -> set[UUID]:
    found = select(Grant.account_id).where(Grant.owner_id == owner_id, Grant.role == Role.OWNER)
    return set((await session.scalars(found)).all())


async def _installers(session: AsyncSession, owner_id: UUID) -> set[UUID]:
    found = select(Grant.account_id).where(Grant.owner_id == owner_id, Grant.role == Role.INSTALLER)
    return set((await session.scalars(found)).all())


async def _set(
    session: AsyncSession,
    account_id: UUID,
    owner_id: UUID,
    role: Role,
    *,
    until: datetime | None,
    by: UUID,
    now: datetime,
) -> None:
    """The account has exactly this grant of that role."""
    same: Any = (Grant.account_id == account_id, Grant.owner_id == owner_id, Grant.role == role)
    await session.execute(delete(Grant).where(*same))
    session.add(
        Grant(
            id=uuid4(), account_id=account_id, owner_id=owner_id, role=role, until=until, granted_by=by, created_at=now
        )
    )
    await session.flush()
