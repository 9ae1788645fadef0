"""Owes, sends and retries mail. A letter is a row in the transaction that owes it; one task sends what is due.

What a row says is sealed, for it may hold a one-time link and waits while a mail server is away. A row whose mail is
gone says nothing any more; it is deleted a week later.
"""

import asyncio
import email.utils
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import aiosmtplib
import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.letters import Letter
from schema.database import Sessions, reading
from schema.models import MailBudget, OutboxMail
from schema.sealing import CannotUnseal, Sealer
from schema.settings import PortalSettings

_log = structlog.get_logger(__name__)

SAME_SUBMIT = timedelta(seconds=10)
"""A form sent again within this time was sent twice by mistake."""
# To one address of what strangers can cause; how much one caller may cause is in ``limits``.
MOST_PER_HOUR = 3
_HOUR = timedelta(hours=1)
LOOK_EVERY_S = 30.0
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=2)
KEEP_SENT = timedelta(days=7)
FREED_AFTER = timedelta(minutes=2)
_AT_ONCE = 20
_SMTP_TIMEOUT_S = 20.0


class MailNotTaken(Exception):
    """The mail server did not take the mail: try again later."""


class Transport(Protocol):
    """Takes one finished mail, or raises ``MailNotTaken``."""

    async def send(self, message: EmailMessage) -> None:
        """Return only when responsibility for the mail has passed on."""


class SmtpTransport:
    """Hands mail to the server of ``SMTP_HOST``."""

    def __init__(self, settings: PortalSettings) -> None:
        self._settings = settings

    async def send(self, message: EmailMessage) -> None:
        """Raises ``MailNotTaken`` on every refusal, time-out and broken connection."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_username or None,
                password=settings.smtp_password.get_secret_value() or None,
                start_tls=settings.smtp_starttls,
                timeout=_SMTP_TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailNotTaken(type(error).__name__) from error


class FileTransport:
    """Keeps each mail as a file and says so, for installations without a mail server; ``say`` gets two lines of it."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._numbers = itertools.count(1)

    async def send(self, message: EmailMessage) -> None:
        """Write ``<time>-<number>-<random>.eml``, readable by our user alone: it may hold a one-time link."""
        try:
            await asyncio.to_thread(self._keep, message)
        except OSError as error:
            raise MailNotTaken(type(error).__name__) from error
        text = message.get_body(("plain",))
        lines = text.get_content().splitlines() if text else []
        link = next((line.strip() for line in lines if "://" in line), "")
        self._say(f"Mail to {message['To']}: {message['Subject']}\n  {link}")

    def _keep(self, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sent_at = email.utils.parsedate_to_datetime(message["Date"])
        path = self._folder / f"{sent_at:%Y%m%dT%H%M%S}-{next(self._numbers):04}-{uuid4().hex[:8]}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(bytes(message))
        unfinished.rename(path)


async def too_many_lately(session: AsyncSession, recipient: str, *, now: datetime, reset: bool = False) -> bool:
    """Whether ``owe`` would drop a mail to this address."""
    counted = select(func.count(), func.count().filter(OutboxMail.budget == MailBudget.ANYBODY)).where(
        func.lower(OutboxMail.recipient) == recipient.lower(),
        OutboxMail.budget != MailBudget.NONE,
        OutboxMail.created_at > now - _HOUR,
    )
    of_all, of_anybody = (await session.execute(counted)).one()
    if of_all < MOST_PER_HOUR and (reset or of_anybody < MOST_PER_HOUR - 1):
        return False
    _log.warning("mail.too_many_to_one_address")
    return True


async def owed_lately(session: AsyncSession, recipient: str, subject: str, *, now: datetime) -> bool:
    """Whether such a mail has been owed within the hour: for what needs saying once, however often it happens."""
    twin = select(OutboxMail.id).where(
        func.lower(OutboxMail.recipient) == recipient.lower(),
        OutboxMail.subject == subject,
        OutboxMail.created_at > now - _HOUR,
    )
    return (await session.execute(twin)).first() is not None


async def owe(
    session: AsyncSession,
    recipient: str,
    letter: Letter,
    *,
    sealer: Sealer,
    now: datetime,
    always: bool = False,
    reset: bool = False,
) -> None:
    """Write the mail into this transaction. The fourth to one address within an hour is dropped: nobody is flooded.

    ``reset`` is for the link that sets a new password, and the last of the three is kept for it: else whoever causes
    other mails could keep somebody out. Where even that one is dropped, the link before it still works. ``always`` is
    for what must be said and cannot be caused by a stranger; it is not counted, or a thief could fill the hour with it.
    """
    if not always and await too_many_lately(session, recipient, now=now, reset=reset):
        return
    mail_id = uuid4()
    session.add(
        OutboxMail(
            id=mail_id,
            recipient=recipient,
            subject=letter.subject,
            budget=MailBudget.NONE if always else MailBudget.RESET if reset else MailBudget.ANYBODY,
            sealed=sealer.seal(json.dumps([letter.text, letter.html]), row=_row(mail_id)),
            created_at=now,
            next_attempt_at=now,
        )
    )


def _row(mail_id: UUID) -> str:
    return f"outbox_mail:{mail_id}"


def retry_after(attempts: int) -> timedelta:
    """How long to wait after that many failures: doubling from half a minute up to an hour."""
    return min(FIRST_RETRY * (1 << min(attempts, 16)), LONGEST_RETRY)


class Mailer:
    """Sends due rows; ``wake`` after a commit that owes one, so that nobody waits for the next look."""

    def __init__(
        self,
        sessions: Sessions,
        transport: Transport,
        *,
        sealer: Sealer,
        mail_from: str,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._transport = transport
        self._sealer = sealer
        self._mail_from = mail_from
        self._now = now
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()

    def wake(self) -> None:
        """Something is due."""
        self._due.set()

    async def run(self) -> None:
        """Send until cancelled; a turn that fails is logged and the next one tries again."""
        while True:
            self._due.clear()
            try:
                await self.send_due()
            except Exception:  # noqa: BLE001  # one turn of a loop: logged, and the next one tries again
                _log.exception("mail.turn_failed")
            # Not wait_for: until Python 3.12 it forgets a cancellation that meets its wake-up, and a stop would hang.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._due.wait()

    async def send_due(self) -> int:
        """Send what is due now; returns how many mails went out. A second call waits for the first."""
        async with self._turn:
            now = self._now()
            async with reading(self._sessions) as session:
                statement = (
                    select(OutboxMail)
                    .where(OutboxMail.sent_at.is_(None), OutboxMail.next_attempt_at <= now)
                    .order_by(OutboxMail.next_attempt_at)
                    .limit(_AT_ONCE)
                )
                due = (await session.scalars(statement)).all()
            sent = [await self._try(mail) for mail in due]
            if len(due) == _AT_ONCE:
                self.wake()
            if due:
                await self._sweep()
            return sum(sent)

    async def _try(self, mail: OutboxMail) -> bool:
        if not await self._taken(mail):
            return False
        attempts = mail.attempts + 1
        try:
            await self._transport.send(self._message(mail))
        except CannotUnseal:
            # TOKEN_KEY is another one by now, and TOKEN_KEY_OLD not the one before: no later try would help.
            _log.error("mail.cannot_unseal", mail=str(mail.id))
            await self._note(mail, sent_at=self._now(), sealed=b"")
            return False
        except MailNotTaken as error:
            now = self._now()
            if now - mail.created_at > GIVE_UP_AFTER:
                _log.error("mail.given_up", attempts=attempts, error=str(error))
                await self._note(mail, sent_at=now, sealed=b"")
            else:
                _log.warning("mail.not_taken", attempts=attempts, error=str(error))
                await self._note(mail, next_attempt_at=now + retry_after(mail.attempts))
            return False
        await self._note(mail, sent_at=self._now(), sealed=b"")
        return True

    async def _taken(self, mail: OutboxMail) -> bool:
        """Take the mail for this process: of two portals on one database one sends it. A killed one frees it later."""
        take = (
            update(OutboxMail)
            .where(OutboxMail.id == mail.id, OutboxMail.attempts == mail.attempts, OutboxMail.sent_at.is_(None))
            .values(attempts=mail.attempts + 1, next_attempt_at=self._now() + FREED_AFTER)
        )
        async with self._sessions.begin() as session:
            return (await session.execute(take.returning(OutboxMail.id))).first() is not None

    async def _note(self, mail: OutboxMail, **values: object) -> None:
        async with self._sessions.begin() as session:
            await session.execute(update(OutboxMail).where(OutboxMail.id == mail.id).values(**values))

    async def _sweep(self) -> None:
        async with self._sessions.begin() as session:
            await session.execute(delete(OutboxMail).where(OutboxMail.sent_at < self._now() - KEEP_SENT))

    def _message(self, mail: OutboxMail) -> EmailMessage:
        """Raises ``CannotUnseal``."""
        text, html = json.loads(self._sealer.open(mail.sealed, row=_row(mail.id)))
        message = EmailMessage()
        message["From"] = self._mail_from
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Date"] = email.utils.format_datetime(self._now())
        message["Message-ID"] = (
            f"<{mail.id}@{email.utils.parseaddr(self._mail_from)[1].partition('@')[2] or 'localhost'}>"
        )
        # Plain lines where they can be: a link in the outbox folder must not be broken by quoted-printable.
        encoding = "7bit" if (text + html).isascii() else "8bit"
        message.set_content(text, cte=encoding)
        message.add_alternative(html, subtype="html", cte=encoding)
        return message
