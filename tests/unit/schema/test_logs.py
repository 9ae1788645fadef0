"""Logs never carry secrets, whatever is handed to them, and every line is one JSON object."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

CANARY = "canary-0123"
_START = f"""
import logging, structlog, threading, warnings
from schema import logs
logs.configure("FORMAT", hidden=["{CANARY}"])
log = structlog.get_logger("x")
"""


def _run(program: str, *, log_format: str = "json") -> str:
    """What a process that runs this says on standard error; how it ends is its own business."""
    code = _START.replace("FORMAT", log_format) + program
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr


def _lines(program: str) -> list[dict[str, Any]]:
    """The lines, each of them a JSON object without the canary."""
    said = _run(program)
    assert CANARY not in said
    return [json.loads(line) for line in said.splitlines()]


def test_fields_that_sound_like_secrets_are_blanked() -> None:
    """The event and harmless fields stay readable; libraries' warnings become lines of the same kind."""
    ours, theirs = _lines(
        'log.warning("login.made", login="ABC", password="hunter2", read_token="t0p", payload=b"x")\n'
        'logging.getLogger("library").warning("plain words")'
    )

    assert (ours["event"], ours["login"], ours["level"]) == ("login.made", "ABC", "warning")
    assert (ours["password"], ours["read_token"], ours["payload"]) == ("[redacted]",) * 3
    assert theirs["event"] == "plain words"


@pytest.mark.parametrize(
    "program",
    [
        f'log.error("x", detail="it was {CANARY}")',
        f'log.error("x", detail={{"inner": ["{CANARY}"]}})',
        f'log.error("x", detail=ValueError("{CANARY}"))',
        f'log.error("{CANARY}")',
        f'logging.getLogger("library").error("it was %s", "{CANARY}")',
        f'try:\n  raise ValueError("{CANARY}")\nexcept ValueError:\n  log.exception("x")',
        f'try:\n  raise ValueError("{CANARY}")\nexcept ValueError:\n  logging.getLogger("library").exception("x")',
        f'try:\n  raise ExceptionGroup("many", [ValueError("{CANARY}")])\nexcept* ValueError:\n  log.exception("x")',
        f'def f():\n  local = "{CANARY}"\n  raise ValueError("{CANARY}")\nf()',
        f't = threading.Thread(target=lambda: int("{CANARY}")); t.start(); t.join()',
        f'warnings.warn("it was {CANARY}")',
        f'logging.getLogger("library").error("%d", "{CANARY}")',
        f'class A:\n  def __del__(self): raise ValueError("{CANARY}")\nA()',
    ],
)
def test_a_secret_shows_nowhere_and_every_line_is_json(program: str) -> None:
    """In fields, nested values, exceptions with their groups, what nobody caught, warnings and broken records."""
    (line,) = _lines(program)

    assert line["level"] in {"warning", "error", "critical"}
    assert "[redacted]" in json.dumps(line) or line["event"] == "log.unformatted"


def test_numbers_that_json_does_not_know_are_words() -> None:
    """A line with NaN in it could not be read by anybody."""
    said = _run('log.error("x", value=float("nan"), other=1.5)')

    line = json.loads(said, parse_constant=pytest.fail)
    assert (line["value"], line["other"]) == ("nan", 1.5)


def test_people_read_no_secrets_either() -> None:
    """The same rules in the format for a screen."""
    said = _run(f'try:\n  raise ValueError("{CANARY}")\nexcept ValueError:\n  log.exception("x")', log_format="console")

    assert CANARY not in said
    assert "ValueError: [redacted]" in said


def test_what_a_library_says_of_our_own_cancelling_is_no_error() -> None:
    """A bridge that stops while it asks its database: nothing failed. Other faults of libraries are told."""
    lines = _lines(
        'import asyncio\nfor kind in (asyncio.CancelledError, OSError):\n  try:\n    raise kind("now")\n'
        '  except BaseException:\n    logging.getLogger("sqlalchemy.pool").error("in a reset", exc_info=True)'
    )

    assert len(lines) == 1
    assert "OSError" in lines[0]["exception"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="other systems have no disk that is always full")
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_that_cannot_be_written_costs_its_lines_and_nothing_else(log_format: str) -> None:
    """On a file of the full disk, and on a pipe whose reader has gone: whoever says so goes on."""
    code = (
        _START.replace("FORMAT", log_format) + 'for _ in range(2_000): log.error("spool.unavailable", why="x" * 99)\n'
    )
    code += 'logging.getLogger("library").warning("plain words")\nprint("went on")'
    unread, broken = os.pipe()
    os.close(unread)
    with Path("/dev/full").open("wb") as full, os.fdopen(broken, "wb") as pipe:
        said = [
            subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stream, check=False).stdout
            for stream in (full, pipe)
        ]

    assert said == [b"went on\n"] * 2
