"""``python -m bridge.letters`` on a real database: what it says, what it refuses, what it leaves for the bridge."""

import asyncio
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from bridge.letters import __main__ as command
from schema.database import Sessions, create_engine_for, sessions_for
from schema.letters import PayloadForm
from schema.models import DeadLetter, DeadLetterRequest, LetterAction, RequestSource, RequestState
from tests.databases import bring_up_to_date
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Said:
    """What the command answered."""

    returncode: int
    stdout: str
    stderr: str


def _run(words: tuple[str, ...], url: str) -> Said:
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setenv("DATABASE_URL", url)
        patch.setattr(sys, "argv", ["python -m bridge.letters", *words])
        try:
            code = command.main()
        except SystemExit as left:
            code = int(left.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


@dataclass
class Shell:
    """The command on a database of its own."""

    url: str
    sessions: Sessions

    async def run(self, *words: str, url: str | None = None) -> Said:
        """``python -m bridge.letters`` with these words, without the half second in which a process begins."""
        return await asyncio.to_thread(_run, words, self.url if url is None else url)

    async def run_apart(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The same as a process."""
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bridge.letters", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.url},
            check=False,
            capture_output=True,
            text=True,
        )

    async def put(self, login: str, reason: str, payload: bytes = b"{", **columns: object) -> UUID:
        """A dead letter as the bridge would copy it."""
        letter = DeadLetter(
            id=uuid4(),
            login=login,
            topic=f"deye/{login}/json",
            payload=payload,
            payload_bytes=len(payload),
            form=PayloadForm.MESSAGE,
            reason=reason,
            detail="Send numbers without quotation marks and units.",
            first_seen_at=NOON,
            last_seen_at=NOON,
            count=3,
            kept=2,
        )
        for name, value in columns.items():
            setattr(letter, name, value)
        async with self.sessions.begin() as session:
            session.add(letter)
        return letter.id

    async def requests(self) -> list[DeadLetterRequest]:
        """What waits for the bridge."""
        async with self.sessions() as session:
            return list((await session.scalars(select(DeadLetterRequest))).all())


@pytest.fixture
async def shell(database_url: str) -> AsyncIterator[Shell]:
    """Somebody at a prompt, on SQLite and on PostgreSQL."""
    engine = create_engine_for(database_url)
    await bring_up_to_date(engine)
    yield Shell(database_url, sessions_for(engine))
    await engine.dispose()


async def test_the_list_says_what_happened_how_often_and_when(shell: Shell) -> None:
    """Newest first, with the owner's own sentence; filters leave the others out."""
    await shell.put(ALICE_LOGIN, "not_a_number")
    await shell.put(BOB_LOGIN, "not_json")

    everything, alices = await shell.run("list"), await shell.run("list", "--login", ALICE_LOGIN.lower())
    one = await shell.run("list", "--limit", "1")

    assert everything.returncode == 0, everything.stderr
    assert ALICE_LOGIN in everything.stdout
    assert BOB_LOGIN in everything.stdout
    assert "2026-06-01 12:00:00" in everything.stdout
    assert "Send numbers without quotation marks and units." in alices.stdout
    assert BOB_LOGIN not in alices.stdout
    assert "1 more: --limit shows them." in one.stdout


async def test_the_documented_commands_do_what_the_document_says(shell: Shell) -> None:
    """Each line of docs/running.md, in its order."""
    login = "ABCDEFGHJK"
    await shell.put(login, "unknown_login", id=UUID(hex="3f2a91c4" + "0" * 24))

    listed = await shell.run_apart("list")
    found, shown, replayed, purged, asked = [
        await shell.run(*line.split())
        for line in (
            "list --reason unknown_login --limit 200",
            "show 3f2a91c4",
            "replay --reason unknown_login",
            f"purge --login {login}",
            "requests",
        )
    ]

    assert [one.returncode for one in (listed, found, shown, replayed, purged, asked)] == [0] * 6
    assert listed.stdout == found.stdout
    assert f"login       {login}" in shown.stdout
    assert "replay 2 originals" in replayed.stdout
    assert "purge 3 messages" in purged.stdout
    assert asked.stdout.count("waiting") == 2


async def test_nothing_set_aside_is_said_in_words(shell: Shell) -> None:
    """Not an empty screen."""
    done = await shell.run("list")

    assert (done.returncode, done.stdout) == (0, "Nothing is set aside.\n")


async def test_a_payload_cannot_command_the_terminal(shell: Shell) -> None:
    """Escape sequences of a payload, a topic and a sentence are spelt out."""
    letter = await shell.put(
        ALICE_LOGIN, "not_json", b"now red: \x1b[31m and a bell \x07 in a text", topic="deye/\x1b]0;x", detail="\x1b[2J"
    )

    shown, listed = await shell.run("show", str(letter)), await shell.run("list")

    assert shown.returncode == 0, shown.stderr
    assert "\x1b" not in shown.stdout + listed.stdout
    assert "\x07" not in shown.stdout
    assert "now red: \\u001b[31m" in shown.stdout
    assert "2 of them can be replayed" in shown.stdout


async def test_an_id_may_be_shortened_as_long_as_it_names_one(shell: Shell) -> None:
    """Else the command says so."""
    first = await shell.put(ALICE_LOGIN, "not_json", id=UUID(hex="abcd1111" + "0" * 24))
    await shell.put(BOB_LOGIN, "not_json", id=UUID(hex="abcd2222" + "0" * 24))

    found = await shell.run("show", first.hex[:8])
    unclear, unknown, nonsense = [await shell.run("show", word) for word in ("abcd", "ffff", "%%%%")]

    assert ALICE_LOGIN in found.stdout
    assert (unclear.returncode, "names several letters" in unclear.stderr) == (1, True)
    assert (unknown.returncode, "names no letter" in unknown.stderr) == (1, True)
    assert (nonsense.returncode, "is no id" in nonsense.stderr) == (2, True)


async def test_a_request_waits_for_the_bridge(shell: Shell) -> None:
    """The row says what is wanted and that it came from the command; 'requests' shows it."""
    await shell.put(ALICE_LOGIN, "unknown_login")

    done = await shell.run("replay", "--login", ALICE_LOGIN, "--reason", "unknown_login")
    listed = await shell.run("requests")

    (request,) = await shell.requests()
    assert done.returncode == 0, done.stderr
    assert "replay 2 originals" in done.stdout
    assert (request.action, request.login, request.reason) == (LetterAction.REPLAY, ALICE_LOGIN, "unknown_login")
    assert (request.source, request.state, request.topic) == (RequestSource.COMMAND, RequestState.WAITING, "")
    assert f"replay login {ALICE_LOGIN}, reason unknown_login: waiting" in listed.stdout


async def test_everything_is_dropped_only_where_everything_was_said(shell: Shell) -> None:
    """A forgotten filter must not cost anybody his letters."""
    forgotten = await shell.run("purge")
    meant = await shell.run("purge", "--all")

    assert (forgotten.returncode, "--all" in forgotten.stderr) == (1, True)
    assert meant.returncode == 0
    assert [request.action for request in await shell.requests()] == [LetterAction.PURGE]


async def test_waiting_ends_with_the_bridges_answer_or_a_hint(shell: Shell) -> None:
    """Status 1 and a question while no bridge runs; its sentence and status 0 once it has answered."""
    in_vain = await shell.run("purge", "--all", "--wait", "1")

    async def bridge() -> None:
        while True:
            async with shell.sessions.begin() as session:
                for request in await session.scalars(
                    select(DeadLetterRequest).where(DeadLetterRequest.action == LetterAction.REPLAY)
                ):
                    request.state, request.chosen, request.done = RequestState.DONE, 5, 5
                    request.finished_at = datetime.now(UTC)
            await asyncio.sleep(0.05)

    answering = asyncio.create_task(bridge())
    answered = await shell.run("replay", "--all", "--wait", "30")
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert (in_vain.returncode, "Does the bridge run?" in in_vain.stdout) == (1, True)
    assert answered.returncode == 0, answered.stderr
    assert "replay all: done, 5 of 5" in answered.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("replay", "--reason", "moonlight"), "there is no reason 'moonlight', but: unknown_login"),
        (("replay", "--inverter", "roof"), "is no inverter's id"),
        (("list", "--limit", "0"), "is no number from 1"),
        ((), "required"),
    ],
)
async def test_a_wrong_word_is_answered_with_the_right_ones(shell: Shell, words: tuple[str, ...], hint: str) -> None:
    """Status 2, and what would have been understood."""
    done = await shell.run(*words)

    assert done.returncode == 2
    assert hint in done.stderr


async def test_a_database_that_is_not_there_is_no_traceback(shell: Shell, tmp_path: Path) -> None:
    """A sentence, and no empty database where there was none."""
    missing = await shell.run("list", url=f"sqlite:///{tmp_path}/nothing.db")
    away = await shell.run("list", url="postgresql://nobody@127.0.0.1:1/nothing")

    assert (missing.returncode, "There is no database" in missing.stderr) == (1, True)
    assert not (tmp_path / "nothing.db").exists()
    assert (away.returncode, "does not answer" in away.stderr) == (1, True)
    assert "Traceback" not in missing.stderr + away.stderr
