"""Mail leaves: to a server that speaks SMTP, or into a folder; once, later if it must, and never against a stop."""

import asyncio
import email
import email.policy
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select

from portal import letters
from portal.mail import GIVE_UP_AFTER, KEEP_SENT, FileTransport, Mailer, MailNotTaken, SmtpTransport, owe
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import OutboxMail
from schema.sealing import AesSealer
from tests.databases import bring_up_to_date
from tests.portal_app import KEY_OF_ZEROS, Clock, MailBag, portal_settings

pytestmark = pytest.mark.integration

LETTER = letters.confirm_address("http://portal.example.org", "token-" + "x" * 60)
SEALER = AesSealer(KEY_OF_ZEROS)
OTHER_KEY = "B" * 43 + "="


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncGenerator[Sessions, None]:
    """A migrated database."""
    engine = create_engine_for(f"sqlite:///{tmp_path}/deye.db")
    await bring_up_to_date(engine)
    yield sessions_for(engine)
    await engine.dispose()


def a_message() -> EmailMessage:
    """What the mailer hands to a transport."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "alice@example.org", LETTER.subject
    message["Date"] = "Mon, 01 Jun 2026 12:00:00 +0000"
    message.set_content(LETTER.text, cte="7bit")
    message.add_alternative(LETTER.html, subtype="html")
    return message


@dataclass
class Postman:
    """A mail server of a few lines; ``refusing`` answers 451 to every recipient."""

    refusing: bool = False
    mails: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: greeting, then an answer to each command."""
        writer.write(b"220 postman\r\n")
        while line := await reader.readline():
            command = line[:4].upper()
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            if command == b"RCPT" and self.refusing:
                writer.write(b"451 later\r\n")
            else:
                writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 fine\r\n")
            if command == b"QUIT":
                break
        writer.close()


@asynccontextmanager
async def open_post_office(postman: Postman) -> AsyncGenerator[int, None]:
    """The postman at a port of the kernel's choice."""
    server = await asyncio.start_server(postman.serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_mail_server_is_handed_the_whole_mail(tmp_path: Path) -> None:
    """Text, HTML and the link in one piece."""
    postman = Postman()
    async with open_post_office(postman) as port:
        await SmtpTransport(portal_settings(tmp_path, smtp_host="127.0.0.1", smtp_port=port)).send(a_message())

    mail = email.message_from_bytes(postman.mails[0].removesuffix(b".\r\n"), policy=email.policy.default)
    assert mail["To"] == "alice@example.org"
    assert "token-" + "x" * 60 in str(mail)


async def test_a_refusal_and_a_closed_door_both_mean_later(tmp_path: Path) -> None:
    """The mail stays owed."""
    async with open_post_office(Postman(refusing=True)) as port:
        settings = portal_settings(tmp_path, smtp_host="127.0.0.1", smtp_port=port)
        with pytest.raises(MailNotTaken):
            await SmtpTransport(settings).send(a_message())
    with pytest.raises(MailNotTaken):
        await SmtpTransport(settings).send(a_message())


async def test_without_a_server_mails_are_files_for_our_user_alone(tmp_path: Path) -> None:
    """In the order they were sent, complete from the first look, and their link is said."""
    said: list[str] = []
    transport = FileTransport(tmp_path / "outbox", said.append)
    for _ in range(3):
        await transport.send(a_message())

    files = sorted((tmp_path / "outbox").iterdir())  # a test may look at its own folder
    assert [file.suffix for file in files] == [".eml"] * 3
    assert [file.name.split("-")[1] for file in files] == ["0001", "0002", "0003"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert f"/verify?token=token-{'x' * 60}\n" in files[0].read_text()
    assert said[0] == (
        f"Mail to alice@example.org: Confirm your address\n  http://portal.example.org/verify?token=token-{'x' * 60}"
    )


async def test_two_portals_send_a_mail_once(sessions: Sessions) -> None:
    """Whoever takes the row first sends it."""
    bag, clock = MailBag(), Clock()
    async with sessions.begin() as session:
        for number in range(10):
            await owe(session, f"person{number}@example.org", LETTER, sealer=SEALER, now=clock())

    mailers = [Mailer(sessions, bag, sealer=SEALER, mail_from="a@example.org", now=clock) for _ in range(2)]
    sent = await asyncio.gather(*(mailer.send_due() for mailer in mailers))

    assert sum(sent) == len(bag.mails) == 10


async def test_a_mail_that_nobody_takes_is_given_up_and_forgotten(sessions: Sessions) -> None:
    """After two days; its text, which may hold a link, goes at once, its row a week later."""
    bag, clock = MailBag(refusals=100), Clock()
    mailer = Mailer(sessions, bag, sealer=SEALER, mail_from="a@example.org", now=clock)
    async with sessions.begin() as session:
        await owe(session, "alice@example.org", LETTER, sealer=SEALER, now=clock())

    await mailer.send_due()
    clock.at += GIVE_UP_AFTER + timedelta(seconds=1)
    await mailer.send_due()
    async with sessions() as session:
        given_up = (await session.scalars(select(OutboxMail))).one()
    clock.at += KEEP_SENT + timedelta(seconds=1)
    async with sessions.begin() as session:
        await owe(session, "bob@example.org", LETTER, sealer=SEALER, now=clock())
    await mailer.send_due()

    async with sessions() as session:
        left = (await session.scalars(select(OutboxMail.recipient))).all()
    assert given_up.sealed == b""
    assert given_up.sent_at is not None
    assert left == ["bob@example.org"]


async def test_a_mail_that_another_key_has_sealed_holds_up_no_other(
    sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever changes TOKEN_KEY while mails wait reads it in the log; later mails go."""
    bag, clock = MailBag(), Clock()
    async with sessions.begin() as session:
        await owe(session, "alice@example.org", LETTER, sealer=AesSealer(OTHER_KEY), now=clock())
        await owe(session, "bob@example.org", LETTER, sealer=SEALER, now=clock())

    sent = await Mailer(sessions, bag, sealer=SEALER, mail_from="a@example.org", now=clock).send_due()
    async with sessions() as session:
        waiting = (await session.scalars(select(OutboxMail.recipient).where(OutboxMail.sent_at.is_(None)))).all()

    assert sent == 1
    assert [mail["To"] for mail in bag.mails] == ["bob@example.org"]
    assert waiting == []
    assert "mail.cannot_unseal" in capsys.readouterr().out


async def test_a_waiting_mail_opens_in_no_other_row(sessions: Sessions) -> None:
    """Whoever may write to the table cannot have another person's mail sent to himself."""
    bag, clock = MailBag(), Clock()
    async with sessions.begin() as session:
        for name in ("alice", "bob"):
            await owe(session, f"{name}@example.org", LETTER, sealer=SEALER, now=clock())
    async with sessions.begin() as session:
        of_alice, of_bob = (await session.scalars(select(OutboxMail).order_by(OutboxMail.recipient))).all()
        of_bob.sealed = of_alice.sealed

    await Mailer(sessions, bag, sealer=SEALER, mail_from="a@example.org", now=clock).send_due()

    assert [mail["To"] for mail in bag.mails] == ["alice@example.org"]


async def test_a_mailer_stops_even_when_it_is_woken_at_the_same_moment(sessions: Sessions) -> None:
    """A portal that is stopped just after a sign-up ends; before Python 3.12 wait_for would have forgotten the stop."""
    mailer = Mailer(sessions, MailBag(), sealer=SEALER, mail_from="a@example.org", now=Clock())

    stopped = []
    for _ in range(5):
        task = asyncio.create_task(mailer.run())
        while not mailer._due._waiters:  # noqa: ASYNC110  # nothing else tells that the mailer rests
            await asyncio.sleep(0)
        mailer.wake()
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        stopped.append(bool(done))

    assert stopped == [True] * 5
