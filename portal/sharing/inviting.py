"""Invitations by mail, sent, sent again and withdrawn: to take a home over, or to look at it. No HTTP.

The account that invites comes first in every question. Nothing here tells it whether an address has an account.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.accounts import service as accounts
from portal.accounts.forms import email_key
from portal.accounts.links import MailedLinks
from portal.audit import Action
from portal.inverters.grants import acts_for, homes_of
from portal.keys import keyed_hash
from portal.mail import SAME_SUBMIT, owe, too_many_lately
from schema.models import Account, Invitation, Owner, Role

OPEN_FOR = timedelta(days=7)
MOST_OPEN = 20
"""Invitations of one home that wait for an answer."""

_RANDOM_BYTES = 32


class TooManyOpen(Exception):
    """As many people as may are invited already and have not answered: withdraw one first."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom to invite, and as what. ``days`` is how long a reader may look, or how long whoever hands over goes on
    looking; 0 is without end for the one and not at all for the other.
    """

    role: Role
    email: str
    days: int = 0


async def may_invite(session: AsyncSession, account_id: UUID, owner_id: UUID, role: Role, now: datetime) -> bool:
    """Whether the account may hand the home over (its owner, the installer of a site) or share it (its owner)."""
    return (await session.scalars(_home(account_id, owner_id, role, now))).one_or_none() is not None


async def invite(
    session: AsyncSession, account_id: UUID, owner_id: UUID, wish: Wish, *, links: MailedLinks, now: datetime
) -> bool:
    """Mail the link; False where the account may not. Raises ``TooManyOpen``.

    The same form sent twice is one mail. Where the mailbox has had as many mails as may be, none is sent, and the link
    before it works and gives what is wished now. A home waits for one new owner at a time: who was asked before no
    longer is.
    """
    # Of two equal forms the second waits here, and finds the first one's invitation.
    home = await session.scalars(_home(account_id, owner_id, wish.role, now).with_for_update(key_share=True))
    if home.one_or_none() is None:
        return False
    same = (Invitation.role == wish.role, Invitation.email_key == email_key(wish.email))
    mine = select(Invitation).where(Invitation.owner_id == owner_id, waiting(now), *same)
    known = (await session.scalars(mine.order_by(Invitation.sent_at.desc()).with_for_update())).first()
    if known is not None and known.sent_at > now - SAME_SUBMIT:
        return True
    if known is not None and await too_many_lately(session, wish.email, now=now):
        await _change(session, known, wish, account_id, now)
        return True
    await _make_room(session, owner_id, wish, now)
    token, until = secrets.token_urlsafe(_RANDOM_BYTES), _until(wish, now)
    row = Invitation(
        id=uuid4(),
        owner_id=owner_id,
        role=wish.role,
        email=wish.email,
        email_key=email_key(wish.email),
        token_hash=keyed_hash(links.key, token),
        invited_by=account_id,
        created_at=now,
        sent_at=now,
        expires_at=now + OPEN_FOR,
        grant_until=until if wish.role is Role.READER else None,
        keep_until=until if wish.role is Role.OWNER else None,
    )
    session.add(row)
    await _note(session, Action.INVITATION_SENT, row, account_id, now, role=wish.role.value, days=wish.days)
    await _mail(session, row, token, links=links, now=now)
    return True


async def send_again(
    session: AsyncSession,
    account_id: UUID,
    owner_id: UUID,
    invitation_id: UUID,
    *,
    links: MailedLinks,
    now: datetime,
) -> bool:
    """Another link, good for as long as the first one was; the one before ends. False where there is none to send.

    Where the mailbox has had as many mails as may be, nothing is sent and the link before it still works.
    """
    row = await _found(session, account_id, owner_id, invitation_id, now)
    if row is None:
        return False
    if row.sent_at > now - SAME_SUBMIT or await too_many_lately(session, row.email, now=now):
        return True
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    row.token_hash, row.invited_by = keyed_hash(links.key, token), account_id
    row.sent_at, row.expires_at = now, now + OPEN_FOR
    await _note(session, Action.INVITATION_SENT, row, account_id, now, role=row.role, again=True)
    await _mail(session, row, token, links=links, now=now)
    return True


async def revoke(session: AsyncSession, account_id: UUID, owner_id: UUID, invitation_id: UUID, now: datetime) -> bool:
    """The link ends at once; False where there is none that waits."""
    row = await _found(session, account_id, owner_id, invitation_id, now)
    if row is None:
        return False
    row.revoked_at = now
    await _note(session, Action.INVITATION_REVOKED, row, account_id, now, role=row.role)
    return True


def waiting(now: datetime) -> ColumnElement[bool]:
    """Invitations that somebody can still accept."""
    unanswered = Invitation.accepted_at.is_(None) & Invitation.declined_at.is_(None)
    return unanswered & Invitation.revoked_at.is_(None) & (Invitation.expires_at > now)


def _home(account_id: UUID, owner_id: UUID, role: Role, now: datetime) -> Select[UUID]:
    """The home, if the account may give this role there."""
    mine = acts_for(Owner.id, account_id, now) if role == Role.OWNER else Owner.id.in_(homes_of(account_id, now))
    able = select(Account.id).where(Account.id == account_id, Account.disabled_at.is_(None)).exists()
    return select(Owner.id).where(Owner.id == owner_id, mine, able)


async def _found(
    session: AsyncSession, account_id: UUID, owner_id: UUID, invitation_id: UUID, now: datetime
) -> Invitation | None:
    """An invitation that waits, locked, if the account acts for its home."""
    mine = (
        Invitation.id == invitation_id,
        Invitation.owner_id == owner_id,
        acts_for(Invitation.owner_id, account_id, now),
    )
    statement = select(Invitation).where(*mine, waiting(now)).with_for_update()
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def _change(session: AsyncSession, row: Invitation, wish: Wish, account_id: UUID, now: datetime) -> None:
    """The link that was mailed gives what is wished now."""
    row.invited_by, until = account_id, _until(wish, now)
    row.grant_until = until if wish.role is Role.READER else None
    row.keep_until = until if wish.role is Role.OWNER else None
    await _note(session, Action.INVITATION_SENT, row, account_id, now, role=wish.role.value, days=wish.days, again=True)


def _until(wish: Wish, now: datetime) -> datetime | None:
    return now + timedelta(days=wish.days) if wish.days else None


async def _make_room(session: AsyncSession, owner_id: UUID, wish: Wish, now: datetime) -> None:
    """Raises ``TooManyOpen``. A link to the same address, and another new owner's, ends."""
    of_home = (Invitation.owner_id == owner_id, waiting(now))
    replaced = Invitation.role == wish.role
    if wish.role is not Role.OWNER:
        replaced &= Invitation.email_key == email_key(wish.email)
    await session.execute(update(Invitation).where(*of_home, replaced).values(revoked_at=now))
    if (await session.execute(select(func.count()).where(*of_home))).scalar_one() >= MOST_OPEN:
        raise TooManyOpen


async def _mail(session: AsyncSession, row: Invitation, token: str, *, links: MailedLinks, now: datetime) -> None:
    """The mail says nothing that whoever invites has written: no stranger's words go out in our name.

    It is in the language of the address's account, else of the page; looking for one takes as long without.
    """
    inviter = await session.get_one(Account, row.invited_by)
    known = await accounts.find(session, row.email)
    language = known.language if known else ""
    say = letters.take_over if row.role == Role.OWNER else letters.look_at
    letter = say(links.base_url, token, inviter.email, language=language)
    await owe(session, row.email, letter, sealer=links.sealer, now=now)


async def _note(
    session: AsyncSession, action: Action, row: Invitation, account_id: UUID, now: datetime, **details: audit.Detail
) -> None:
    await session.flush()
    await audit.record(
        session,
        action,
        subject=f"invitation:{row.id}",
        actor=account_id,
        owner_id=row.owner_id,
        details=details,
        now=now,
    )
