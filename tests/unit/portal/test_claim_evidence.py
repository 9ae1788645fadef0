"""What lifetime counters say about two who claim one serial."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from portal.admin.claims.evidence import Counters, Side, counters
from schema.models import ClaimState

pytestmark = pytest.mark.unit
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def side(kwh: float | None, at: datetime | None = NOON) -> Side:
    """One of those who claim it."""
    return Side(
        inverter_id=uuid4(), owner_id=uuid4(), name="Roof", people=(), holds=False, states=(ClaimState.DISPUTED,),
        logins=(), added_at=NOON, first_active_at=None, seen_at=at, counter_kwh=kwh, counted_at=at, serials=(),
        devices=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (side(1000.0), side(1004.0), Counters.ALIKE),
        (side(1000.0), side(1100.0), Counters.APART),
        (side(1000.0), side(1100.0, NOON + timedelta(days=1)), Counters.ALIKE),
        (side(1000.0, NOON + timedelta(days=1)), side(1100.0), Counters.ALIKE),
        (side(1000.0), side(9000.0, NOON + timedelta(days=1)), Counters.APART),
        (side(1000.0), side(None), Counters.UNKNOWN),
        (side(None, None), side(None, None), Counters.UNKNOWN),
    ],
)
def test_counters_are_alike_where_one_device_could_have_counted_both(first: Side, second: Side, said: Counters) -> None:
    """Time between them allows for what a device makes meanwhile, and the order does not matter."""
    assert counters([first, second]) is said
    assert counters([second, first]) is said


def test_one_that_does_not_fit_is_enough_to_doubt() -> None:
    """Of three, two that agree do not make the third one fit."""
    assert counters([side(1000.0), side(1001.0), side(5.0)]) is Counters.APART
