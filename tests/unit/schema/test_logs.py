"""Logs never carry secrets, whatever is handed to them."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

_PROGRAM = """
import structlog
from schema import logs
logs.configure("json")
structlog.get_logger("x").warning("login.made", login="ABC", password="hunter2", read_token="t0p", payload=b"x")
import logging
logging.getLogger("library").warning("plain words")
"""


def test_fields_that_sound_like_secrets_are_blanked() -> None:
    """The event and harmless fields stay readable; libraries' warnings become lines of the same kind."""
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)

    ours, theirs = (json.loads(line) for line in run.stderr.splitlines())
    assert (ours["event"], ours["login"], ours["level"]) == ("login.made", "ABC", "warning")
    assert "hunter2" not in run.stderr
    assert "t0p" not in run.stderr
    assert theirs["event"] == "plain words"
