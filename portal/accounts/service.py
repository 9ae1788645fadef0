"""The rules of accounts: sign up, confirm, log in, forgotten password. Answers never tell who has an account.

Each function works inside the caller's transaction; hashing happens before it begins, for it takes long. Log-in
itself is in ``entry``.
"""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.accounts import mailed_tokens, sessions
from portal.accounts.forms import email_key
from portal.accounts.links import MailedLinks
from portal.accounts.mailed_tokens import TokenSpent
from portal.audit import Action
from portal.mail import owe, owed_lately, too_many_lately
from portal.words import reader
from schema.changes import registry_changed
from schema.models import Account, Grant, Owner, OwnerPlacement, Role, TokenPurpose

OWNER_NAME = "Home"


async def find(session: AsyncSession, email: str, *, locked: bool = False) -> Account | None:
    """The account of this address, confirmed or not; ``locked`` keeps other writers of it waiting until the commit."""
    if "\0" in email:
        # PostgreSQL's text cannot hold it and says so with an error.
        return None
    statement = select(Account).where(Account.email_key == email_key(email))
    return (await session.scalars(statement.with_for_update() if locked else statement)).one_or_none()


async def held(session: AsyncSession, account_id: UUID) -> Account | None:
    """The account as it is now, if it may log in; nobody changes it before the commit."""
    may = select(Account).where(
        Account.id == account_id, Account.verified_at.is_not(None), Account.disabled_at.is_(None)
    )
    return (await session.scalars(may.with_for_update(key_share=True))).one_or_none()


async def create(
    session: AsyncSession,
    email: str,
    password_hash: str,
    time_zone: str,
    *,
    now: datetime,
    is_admin: bool = False,
    language: str = "",
    with_home: bool = True,
) -> Account | None:
    """Account, owner and the grant between them; None where the address has an account already.

    Without ``with_home`` the account alone: it is about to be given somebody else's home.
    """
    account = Account(
        id=uuid4(),
        email=email,
        email_key=email_key(email),
        password_hash=password_hash,
        is_admin=is_admin,
        language=language,
        created_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(account)
    except IntegrityError:
        return None
    if with_home:
        await make_home(session, account.id, time_zone, now=now)
    return account


async def make_home(session: AsyncSession, account_id: UUID, time_zone: str, *, now: datetime) -> None:
    """An empty home that the account owns; it gets a place in the store with its first inverter, or a confirmation."""
    owner = Owner(id=uuid4(), name=OWNER_NAME, time_zone=time_zone, created_at=now)
    session.add(owner)
    await session.flush()
    session.add(Grant(id=uuid4(), account_id=account_id, owner_id=owner.id, role=Role.OWNER, created_at=now))


async def sign_up(
    session: AsyncSession, email: str, password_hash: str, time_zone: str, *, links: MailedLinks, now: datetime
) -> Account | None:
    """Make an account, or tell the one who reads that mailbox that there is one. The caller's answer is the same.

    Returns an account that waits for its confirmation already: then ``sign_up_again`` has to follow.
    """
    account = await create(session, email, password_hash, time_zone, now=now, language=reader().language)
    if account is not None:
        await _note(session, Action.SIGNED_UP, account.id, audit.NOBODY, now)
        await _send_confirmation(session, account, links=links, now=now)
        return None
    known = await find(session, email, locked=True)
    if known is not None:
        # It costs what the entry of a new account costs: the time of the answer tells nothing.
        await _note(session, Action.SIGNED_UP_AGAIN, known.id, audit.NOBODY, now)
    if known is not None and known.verified_at is not None:
        letter = letters.account_exists(links.base_url, language=known.language)
        if not await owed_lately(session, known.email, letter.subject, now=now):
            await owe(session, known.email, letter, sealer=links.sealer, now=now)
        return None
    return known


async def sign_up_again(
    session: AsyncSession,
    account: Account,
    *,
    same_password: bool,
    nobodys_hash: str,
    links: MailedLinks,
    now: datetime,
) -> None:
    """A second sign-up before the confirmation, with the password of the first or with another one.

    With another one nobody can tell which of the two reads the mailbox, and whoever does must not confirm a stranger's
    password: neither counts any more, and the mailbox gets a link that sets a new one.
    """
    if same_password:
        await _send_confirmation(session, account, links=links, now=now)
        return
    unsettled = update(Account).where(Account.id == account.id, Account.verified_at.is_(None))
    if not (await session.execute(unsettled.values(password_hash=nobodys_hash).returning(Account.id))).first():
        return
    await mailed_tokens.withdraw(session, account.id, purpose=TokenPurpose.VERIFY)
    await _send_reset(session, account, links=links, now=now)


async def send_confirmation_again(
    session: AsyncSession, email: str, *, links: MailedLinks, now: datetime, actor: audit.Actor = audit.NOBODY
) -> None:
    """A new confirmation link for an account that still waits for it; nothing for anybody else."""
    account = await find(session, email)
    if account is not None and account.verified_at is None:
        await _note(session, Action.CONFIRMATION_ASKED, account.id, actor, now)
        await _send_confirmation(session, account, links=links, now=now)


async def confirm(session: AsyncSession, token: str, *, key: str, now: datetime) -> None:
    """The address is the account's. Its owners get a place in the store. Raises ``TokenSpent``."""
    account_id = await mailed_tokens.redeem(session, token, purpose=TokenPurpose.VERIFY, key=key, now=now)
    await _note(session, Action.CONFIRMED, account_id, account_id, now)
    await mark_verified(session, account_id, now=now)


async def mark_verified(session: AsyncSession, account_id: UUID, *, now: datetime) -> None:
    """From now on the account can log in; the provisioner is told to prepare its owner's place, and chooses where."""
    marked = update(Account).where(Account.id == account_id, Account.verified_at.is_(None)).values(verified_at=now)
    if not (await session.execute(marked.returning(Account.id))).first():
        return
    owners = select(Grant.owner_id).where(Grant.account_id == account_id, Grant.role == Role.OWNER)
    placed = select(OwnerPlacement.owner_id)
    for owner_id in (await session.scalars(owners.where(Grant.owner_id.not_in(placed)))).all():
        session.add(OwnerPlacement(owner_id=owner_id, updated_at=now))
        await registry_changed(session, owner_id=owner_id)


async def forgotten_password(session: AsyncSession, email: str, *, links: MailedLinks, now: datetime) -> None:
    """A link that sets a new password, to whoever reads the mailbox of an existing account."""
    account = await find(session, email)
    if account is not None:
        await _note(session, Action.RESET_ASKED, account.id, audit.NOBODY, now)
        await _send_reset(session, account, links=links, now=now)


async def set_password(
    session: AsyncSession, token: str, password_hash: str, *, links: MailedLinks, now: datetime
) -> str:
    """Set the password, log every device out, say so by mail. The link came by mail, so it confirms the address too.

    Returns the address's key. Raises ``TokenSpent``.
    """
    account_id = await mailed_tokens.redeem(session, token, purpose=TokenPurpose.RESET, key=links.key, now=now)
    account = await session.get(Account, account_id)
    if account is None:
        raise TokenSpent
    account.password_hash = password_hash
    await _note(session, Action.PASSWORD_SET, account_id, account_id, now)
    await sessions.end_all(session, account_id)
    await mark_verified(session, account_id, now=now)
    # Whoever is able to fill the mailbox must not be able to keep this one from it.
    await owe(
        session,
        account.email,
        letters.password_changed(links.base_url, language=account.language),
        sealer=links.sealer,
        now=now,
        always=True,
    )
    return account.email_key


async def keep_hash(session: AsyncSession, account_id: UUID, password_hash: str, *, instead_of: str) -> None:
    """Store the same password's hash made with today's costs, unless the password was changed meanwhile."""
    await session.execute(
        update(Account)
        .where(Account.id == account_id, Account.password_hash == instead_of)
        .values(password_hash=password_hash)
    )


async def settle(session: AsyncSession, account_id: UUID, password_hash: str) -> bool:
    """Where nobody has confirmed the address, only this password counts; False where somebody has. For the commands.

    Whoever signed up need not be who reads the mailbox, and must not come in with the password that he chose.
    """
    unsettled = update(Account).where(Account.id == account_id, Account.verified_at.is_(None))
    if not (await session.execute(unsettled.values(password_hash=password_hash).returning(Account.id))).first():
        return False
    for purpose in (TokenPurpose.VERIFY, TokenPurpose.RESET):
        await mailed_tokens.withdraw(session, account_id, purpose=purpose)
    await sessions.end_all(session, account_id)
    return True


async def make_admin(session: AsyncSession, account_id: UUID, *, now: datetime) -> None:
    """Give the account administration; for the command line alone."""
    await session.execute(update(Account).where(Account.id == account_id).values(is_admin=True))
    await _note(session, Action.ROLE_GRANTED, account_id, audit.COMMAND, now, role="admin")


async def _note(
    session: AsyncSession, action: Action, account_id: UUID, actor: audit.Actor, now: datetime, **details: audit.Detail
) -> None:
    await audit.record(session, action, subject=audit.account(account_id), actor=actor, details=details, now=now)


async def _send_confirmation(session: AsyncSession, account: Account, *, links: MailedLinks, now: datetime) -> None:
    """Nothing where the mail would be dropped: a new token ends the older ones, and one of those was delivered.

    Nothing for a form sent twice, either: its mail is on its way.
    """
    if await mailed_tokens.issued_just_now(session, account.id, purpose=TokenPurpose.VERIFY, now=now):
        return
    if await too_many_lately(session, account.email, now=now):
        return
    token = await mailed_tokens.issue(session, account.id, purpose=TokenPurpose.VERIFY, key=links.key, now=now)
    letter = letters.confirm_address(links.base_url, token, language=account.language)
    await owe(session, account.email, letter, sealer=links.sealer, now=now)


async def _send_reset(session: AsyncSession, account: Account, *, links: MailedLinks, now: datetime) -> None:
    """Nothing where the mail would be dropped or is on its way, as above."""
    if await mailed_tokens.issued_just_now(session, account.id, purpose=TokenPurpose.RESET, now=now):
        return
    if await too_many_lately(session, account.email, now=now, reset=True):
        return
    token = await mailed_tokens.issue(session, account.id, purpose=TokenPurpose.RESET, key=links.key, now=now)
    letter = letters.set_password(links.base_url, token, language=account.language)
    await owe(session, account.email, letter, sealer=links.sealer, now=now, reset=True)
