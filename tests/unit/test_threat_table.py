"""No threat is forgotten: each number has tests, and they are there under the names that the table gives."""

import re
from pathlib import Path

import pytest

from tests.threats import FAULTS, THREATS

pytestmark = pytest.mark.unit

TESTS = Path(__file__).parents[1]
PLACES = sorted({place for table in (THREATS, FAULTS) for places in table.values() for place in places})


def test_every_number_of_the_list_has_its_tests() -> None:
    """T1 to T35 without a gap, and the faults that are not the bridge's alone."""
    assert set(THREATS) == {f"T{number}" for number in range(1, 36)}
    assert {"F6", "F7", "F21", "F22", "F26"} <= set(FAULTS)
    assert all(THREATS.values())
    assert all(FAULTS.values())


@pytest.mark.parametrize("place", PLACES)
def test_what_the_table_names_is_there(place: str) -> None:
    """Renaming a test must not leave the table behind."""
    file, _, name = place.partition("::")

    assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE)
