"""The benchmarks run and print their figures; how large those are is for a person to judge."""

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.smoke]


def _printed(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bridges_benchmark_measures_every_kind_of_work_on_each_store() -> None:
    """A small fleet is enough to see that nothing is lost on the way and every row has its figure."""
    printed = _printed("benchmarks.bridge", "--inverters", "20", "--latency-s", "1")

    for store in ("inert sink", "embedded store"):
        assert len(re.findall(rf"{store} +[\d,]+ msg/s +\d+ us CPU/msg", printed)) == 3, printed
    assert re.search(r"publish -> queryable at 500 msg/s: p50 \d+ ms, p99 \d+ ms", printed)


def test_the_pages_benchmark_measures_every_page() -> None:
    """Each line has a median beside that of a static file."""
    printed = _printed("benchmarks.pages", "--rounds", "5")

    assert len(re.findall(r"median +[\d.]+ ms", printed)) == 6, printed
    assert "static file (comparison)" in printed
