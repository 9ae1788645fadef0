"""The API's description and the API agree: schemathesis asks over the wire as everybody, and finds no fault of ours.

Short in every run of the tests. ``make api`` is the long form of at least 10,000 requests (``API_FUZZ=long``), also on
PostgreSQL; ``API_SEED=number`` repeats a run.
"""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api_server import ApiServer, api_server
from tests.services import Postgres

pytestmark = pytest.mark.integration

LONG = os.environ.get("API_FUZZ") == "long"
SEED = int(os.environ.get("API_SEED", "0")) or random.randrange(1, 1_000_000)
PEOPLE = ("nobody", "alice", "bob", "ines", "ada", "key")
# Each run of schemathesis takes seconds to start: the others have the long form.
AT_ONCE = ("nobody", "alice")
AT_LEAST = 10_000
DESCRIPTION = "/docs/openapi.json"

# The embedded store has no tokens to give away: 501 is that answer, and the only one above 499 that is no fault.
_CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "501"]
{fixed}
"""
_ALWAYS_THE_ROOF = '[parameters]\n"path.inverter_id" = "{roof}"'


def explore(server: ApiServer, folder: Path, *arguments: str, who: str, roof: bool = False) -> str:
    """One run of schemathesis with every check it has; its report, which the assertion shows where it is no praise.

    With ``roof`` every inverter that is asked for is Alice's; else ids are made up, or taken from answers.
    """
    folder.mkdir(exist_ok=True)
    configuration = folder / "schemathesis.toml"
    fixed = _ALWAYS_THE_ROOF.format(roof=server.roof) if roof else ""
    configuration.write_text(_CONFIGURATION.format(fixed=fixed))
    shown = [item for name, value in server.headers[who].items() for item in ("-H", f"{name}: {value}")]
    # A log-out would end the run; it has a run of its own.
    spared = [] if "--include-operation-id" in arguments else ["--exclude-operation-id", "logOut"]
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "--no-color"),
        *("run", server.url + DESCRIPTION, "--checks", "all", "--continue-on-failure", "--seed", str(SEED)),
        *("--generation-database", "none", "--warnings", "off", *spared, *shown, *arguments),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, f"API_SEED={SEED} as {who}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_api_keeps_to_its_description(tmp_path: Path) -> None:
    """Each operation with the description's examples and some inputs made up, right and wrong, about Alice's roof."""
    with api_server(tmp_path / "portal") as server:
        for who in AT_ONCE:
            explore(server, tmp_path / who, "--phases", "examples,fuzzing", "-n", "3", who=who, roof=True)

    assert server.faults == []
    assert server.statuses[200] > 20
    assert {400, 401, 403, 404} <= set(server.statuses)


def test_a_log_out_keeps_to_its_description(tmp_path: Path) -> None:
    """204 once, 401 afterwards; a key ends nothing."""
    with api_server(tmp_path / "portal") as server:
        for who in ("key", "bob"):
            explore(server, tmp_path / who, "--include-operation-id", "logOut", "-n", "5", who=who)

    assert {204, 401, 403} <= set(server.statuses)


def test_a_description_that_is_not_true_is_noticed(tmp_path: Path) -> None:
    """The same run fails where answers have a status that the description does not name."""
    with (
        api_server(tmp_path / "portal", untrue=True) as server,
        pytest.raises(AssertionError, match="Undocumented status code"),
    ):
        explore(server, tmp_path / "alice", "--phases", "examples", "-n", "1", who="alice", roof=True)


@pytest.mark.skipif(not LONG, reason="the long form: make api")
def test_ten_thousand_requests_find_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every phase schemathesis has, as everybody: about Alice's inverter on SQLite, made-up ones on PostgreSQL."""
    postgres: Postgres = request.getfixturevalue("postgres_server")
    databases: dict[str, dict[str, Any]] = {
        "sqlite": {},
        "postgresql": {"database_url": postgres.fresh("api_conformance")},
    }
    sys.stdout.write(f"API_SEED={SEED}\n")
    answers = 0
    for kind, settings in databases.items():
        with api_server(tmp_path / kind, **settings) as server:
            for who in PEOPLE:
                folder = tmp_path / f"{kind}-{who}"
                explore(server, folder, "-n", "40", "--workers", "2", who=who, roof=kind == "sqlite")
                sys.stdout.write(f"{kind} {who}: {server.statuses.total()} answers so far, {dict(server.statuses)}\n")
                sys.stdout.flush()
        answers += server.statuses.total()
        assert server.faults == []

    assert answers >= AT_LEAST


@pytest.mark.skipif(not LONG, reason="the long form: make api")
def test_limits_keep_to_the_description_too(tmp_path: Path) -> None:
    """With the limits as they are most log-ins are refused, by 429 with a time to wait."""
    with api_server(tmp_path / "portal", limits=True) as server:
        explore(server, tmp_path / "ada", "-n", "60", who="ada", roof=True)

    assert server.faults == []
    assert server.statuses[429] > 10
