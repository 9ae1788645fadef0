"""Owes, sends and retries mail. A letter is a row in the transaction that owes it; one task sends what is due.

A row whose mail is gone keeps no text, for it held a one-time link; it is deleted a week later.
"""

import asyncio
import email.utils
import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import aiosmtplib
import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.letters import Letter
from schema.database import Sessions, reading
from schema.models import OutboxMail
from schema.settings import PortalSettings

_log = structlog.get_logger(__name__)

MOST_PER_HOUR = 5
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


async def too_many_lately(session: AsyncSession, recipient: str, *, now: datetime) -> bool:
    """Whether ``owe`` would drop a mail to this address."""
    recent = select(func.count()).where(
        func.lower(OutboxMail.recipient) == recipient.lower(), OutboxMail.created_at > now - timedelta(hours=1)
    )
    if (await session.execute(recent)).scalar_one() < MOST_PER_HOUR:
        return False
    _log.warning("mail.too_many_to_one_address")
    return True


async def owe(session: AsyncSession, recipient: str, letter: Letter, *, now: datetime, always: bool = False) -> None:
    """Write the mail into this transaction. The sixth to one address within an hour is dropped: nobody is flooded.

    ``always`` is for what must be said and cannot be caused by a stranger.
    """
    if not always and await too_many_lately(session, recipient, now=now):
        return
    session.add(
        OutboxMail(
            id=uuid4(),
            recipient=recipient,
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            created_at=now,
            next_attempt_at=now,
        )
    )


def retry_after(attempts: int) -> timedelta:
    """How long to wait after that many failures: doubling from half a minute up to an hour."""
    return min(FIRST_RETRY * (1 << min(attempts, 16)), LONGEST_RETRY)


class Mailer:
    """Sends due rows; ``wake`` after a commit that owes one, so that nobody waits for the next look."""

    def __init__(
        self, sessions: Sessions, transport: Transport, *, mail_from: str, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._transport = transport
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
        except MailNotTaken as error:
            now = self._now()
            if now - mail.created_at > GIVE_UP_AFTER:
                _log.error("mail.given_up", attempts=attempts, error=str(error))
                await self._note(mail, sent_at=now, text="", html="")
            else:
                _log.warning("mail.not_taken", attempts=attempts, error=str(error))
                await self._note(mail, next_attempt_at=now + retry_after(mail.attempts))
            return False
        await self._note(mail, sent_at=self._now(), text="", html="")
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
        message = EmailMessage()
        message["From"] = self._mail_from
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Date"] = email.utils.format_datetime(self._now())
        message["Message-ID"] = (
            f"<{mail.id}@{email.utils.parseaddr(self._mail_from)[1].partition('@')[2] or 'localhost'}>"
        )
        # Plain lines where they can be: a link in the outbox folder must not be broken by quoted-printable.
        encoding = "7bit" if (mail.text + mail.html).isascii() else None
        message.set_content(mail.text, cte=encoding)
        message.add_alternative(mail.html, subtype="html", cte=encoding)
        return message
