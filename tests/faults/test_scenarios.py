"""Every fault at a moment of chance, with the exact oracle afterwards; the table is in ``scenarios.py``.

``FAULT_SEEDS`` is how many seeds each scenario has, ``FAULT_SEED`` repeats a run with one.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

import pytest

from tests.faults.arena import arena
from tests.faults.scenarios import ELSEWHERE, SCENARIOS, Scenario

pytestmark = pytest.mark.faults

# Only a bridge that hangs reaches it.
LIMIT_S = 120.0
SEEDS = (
    [int(os.environ["FAULT_SEED"])] if "FAULT_SEED" in os.environ else range(int(os.environ.get("FAULT_SEEDS", "1")))
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"FAULT_SEED={seed}")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
async def test_nothing_acknowledged_is_lost_doubled_or_written_to_anybody_else(
    scenario: Scenario, seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each bucket equals its ledger but for what is refused by design, and that is a dead letter."""
    sys.stdout.write(f"FAULT_SEED={seed}\n")
    settings = dict(scenario.settings)
    async with arena(tmp_path, seed, scenario.owners, ledger_age_s=scenario.ledger_age_s, **settings) as made:
        async with asyncio.timeout(LIMIT_S):
            await scenario.run(made)
    # The event loop logs what nobody catches.
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_every_scenario_of_the_two_lists_is_proved_somewhere() -> None:
    """The table names them, and what it names is there."""
    named = ", ".join([one.numbers for one in SCENARIOS] + [numbers for numbers, _ in ELSEWHERE]).split(", ")
    bridges = [*range(1, 19), 25]

    assert {str(number) for number in range(1, 21)} - set(named) == set()
    assert {f"F{number}" for number in bridges} - set(named) == set()
    for _, place in ELSEWHERE:
        file, _, function = place.partition("::")
        assert f"def {function}(" in (Path(__file__).parent / file).read_text(), place
