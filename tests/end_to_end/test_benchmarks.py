"""The benchmarks run and print their figures; how large those are is for a person to judge.

In every run of the tests each one starts and says what may be asked of it, and two do a little work: the bridge's, and
the outage's, whose count of readings is exact. ``make benchmarks`` (``BENCHMARKS=long``) lets all of them work.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.smoke]
LONG = os.environ.get("BENCHMARKS") == "long"
long_form = pytest.mark.skipif(not LONG, reason="the long form: make benchmarks")
PROGRAMS = sorted(
    path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py") if "argparse" in path.read_text()
)


def _printed(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_benchmark_says_what_may_be_asked_of_it(program: str) -> None:
    """So none is forgotten when what it measures changes its name."""
    assert f"benchmarks.{program}" in _printed(f"benchmarks.{program}", "--help")


@pytest.mark.parametrize(
    ("edge", "kind", "store"),
    [
        ("mqtt5", "inert", "inert sink"),
        pytest.param("aiomqtt", "embedded", "embedded store", marks=long_form),
    ],
)
def test_the_bridges_benchmark_measures_every_kind_of_work(edge: str, kind: str, store: str) -> None:
    """A small fleet is enough to see that nothing is lost on the way and every row has its figure."""
    printed = _printed("benchmarks.bridge", "--inverters", "20", "--latency-s", "1", "--edge", edge, "--store", kind)

    assert len(re.findall(rf"{edge} .* {store} +[\d,]+ msg/s +[\d.]+ us CPU/msg", printed)) == 3, printed
    if kind == "embedded":
        assert re.search(r"publish -> queryable at 500 msg/s: p50 \d+ ms, p99 \d+ ms", printed)


@long_form
def test_the_backlogs_benchmark_stores_every_reading() -> None:
    """A short outage: it ends when each cycle has become a reading."""
    printed = _printed("benchmarks.backlog", "--inverters", "20", "--messages", "4000")

    assert re.search(
        r"4,000 untimed messages of 20 inverters: acknowledged after [\d.]+ s .* stored as 100 readings", printed
    )


@long_form
def test_the_pages_benchmark_measures_every_page() -> None:
    """Each line has a median beside that of a static file."""
    printed = _printed("benchmarks.pages", "--rounds", "5")

    assert len(re.findall(r"median +[\d.]+ ms", printed)) == 6, printed
    assert "static file (comparison)" in printed


@long_form
def test_the_neighbours_benchmark_compares_both_kinds_of_trouble() -> None:
    """Broken and healthy stretches of one run stand on one line."""
    printed = _printed("benchmarks.neighbours", "--tenants", "20", "--seconds", "1", "--turns", "1")

    assert len(re.findall(r"others' p99 +[\d.]+ ms, beside +[\d.]+ ms", printed)) == 2, printed


def test_the_outages_benchmark_counts_every_reading() -> None:
    """Small: 20,000 messages go into the spool and out of it; its exit status says whether the count is exact."""
    printed = _printed("benchmarks.outage", "--inverters", "100", "--seconds", "200")

    assert re.search(r"drained: 20,000 kept readings in [\d.]+ s", printed), printed
    assert printed.rstrip().endswith("foreign 0: exact")


@long_form
def test_the_edges_benchmark_measures_both_edges() -> None:
    """Both kinds of message, live and from a backlog."""
    printed = _printed("benchmarks.edges", "--messages", "2000")

    for edge in ("aiomqtt", "mqtt5"):
        figures = re.findall(rf"{edge} .* live +[\d.]+ us CPU/msg.* backlog +[\d.]+ us CPU/msg", printed)
        assert len(figures) == 2, printed


@long_form
def test_the_registrys_benchmark_measures_start_memory_and_changes() -> None:
    """A few logins on each database that is there."""
    printed = _printed("benchmarks.registry", "--few", "5", "--some", "10", "--many", "50", "--settled-s", "0.2")

    assert len(re.findall(r"ready after +[\d.]+ s .* idle +[\d.]+ MB", printed)) in (3, 6), printed
    assert len(re.findall(r"applied after [\d,]+ ms, loop held \d+ ms", printed)) in (2, 4), printed


@long_form
def test_the_erasings_benchmark_measures_the_writer_beside_it() -> None:
    """A small series; the writer's commits by themselves and meanwhile."""
    printed = _printed("benchmarks.erasing", "--rows", "5000", "--alone-s", "0.5")

    assert re.search(r"5,001 rows erased in [\d.]+ s, file \d+ MB", printed), printed
    assert len(re.findall(r"p50 [\d.]+ ms, p99 [\d.]+ ms, longest \d+ ms", printed)) == 2, printed


@long_form
def test_the_places_benchmark_measures_inverters_and_a_move() -> None:
    """Bare requests and the provisioner in one run; without ``influxd`` it says that it is left out."""
    printed = _printed("benchmarks.places", "--inverters", "2", "--seconds", "0.1", "--days", "2")

    if shutil.which("influxd") is None:
        assert printed.startswith("left out: no INFLUX_URL and no influxd")
        return
    assert len(re.findall(r"[\d.]+ ms an inverter", printed)) == 2, printed
    assert len(re.findall(r"[\d.]+ MB and 1[78]\.\d descriptors an inverter", printed)) == 2, printed
    assert re.search(r"6,912 values: copied in [\d.]+ s .* compared in [\d.]+ s", printed), printed


@long_form
def test_the_logins_benchmark_measures_file_broker_and_revocation() -> None:
    """Few logins are enough to see each figure in both columns."""
    printed = _printed("benchmarks.logins", "--few", "5", "--many", "20")

    assert len(re.findall(r"(?: +[\d,]+ ms +[\d,]+ CPU){2}$", printed, re.MULTILINE)) == 6, printed
