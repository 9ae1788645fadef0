"""Each control of the portal is switched off by itself, and the test that guards it fails: a proof for every one.

Short in every run of the tests: every control is still where the table says, and three of them are switched off.
``make controls`` (``CONTROLS=long``) switches off all of them.
"""

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import switches
from tests.control import Control
from tests.switched_off import ROOT, without
from tests.switches import CONTROLS
from tests.switches_inside import SESSIONS

pytestmark = pytest.mark.integration

LONG = os.environ.get("CONTROLS") == "long"
GROUPS = (switches.FORMS, switches.LIMITS, SESSIONS)
TRIED = CONTROLS if LONG else tuple(group[1] for group in GROUPS)  # one test each: the quick ones
LIMIT_S = 3600


def names(controls: tuple[Control, ...]) -> list[str]:
    """How the tests are called."""
    return [control.name for control in controls]


@cache
def found() -> dict[str, dict[str, Any]]:
    """What became of each control's tests without it; one process tries them one after the other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.switched_off", *names(TRIED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["control"]: line for line in lines}


@pytest.mark.parametrize("control", CONTROLS, ids=names(CONTROLS))
def test_every_control_is_where_the_table_says(control: Control) -> None:
    """One that moved would be switched off in vain, and its proof would prove nothing."""
    spec = importlib.util.find_spec(control.module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text()

    compile(without(control, source), spec.origin, "exec")


def test_every_name_is_said_once_and_every_test_is_in_its_file() -> None:
    """What is named wrong would never run."""
    missing = []
    for control in CONTROLS:
        for test in control.tests:
            file, _, name = test.partition("::")
            if f"def {name.partition('[')[0]}(" not in (ROOT / file).read_text():
                missing.append(test)

    assert missing == []
    assert len(set(names(CONTROLS))) == len(CONTROLS) >= 60


@pytest.mark.parametrize("control", TRIED, ids=names(TRIED))
def test_without_the_control_its_test_fails(control: Control) -> None:
    """In the test itself, not before it or after it, and nowhere else is anything broken."""
    seen = found()[control.name]

    assert seen.get("error") is None
    assert seen["failed"], f"passed without it: {seen['passed']}"
    assert all(where.startswith("call: ") for where in seen["failed"].values()), seen["failed"]
