"""The order of the steps and when to try again."""

from uuid import uuid4

import pytest

from portal.provisioner.backoff import LONGEST_S, Backoff
from portal.provisioner.influx_places import Keeping
from portal.provisioner.saga import InverterStep, OwnerStep, next_inverter_step, next_owner_step
from schema.models import OwnerPlacement, Placement, PlacementState

pytestmark = pytest.mark.unit


def test_an_owner_gets_an_organisation_a_token_and_is_ready() -> None:
    """Each filled column leads to the next step; a ready row has none."""
    row = OwnerPlacement(owner_id=uuid4(), state=PlacementState.PENDING, org_id="", read_token_sealed=None)

    seen = [next_owner_step(row)]
    row.org_id = "0a"
    seen.append(next_owner_step(row))
    row.read_token_sealed = b"sealed"
    seen.append(next_owner_step(row))
    row.state = PlacementState.READY

    assert seen == [OwnerStep.ORGANISATION, OwnerStep.READER, OwnerStep.READY]
    assert next_owner_step(row) is None


def test_an_inverter_gets_a_bucket_two_tokens_and_is_ready() -> None:
    """The same for an inverter, and a half-filled row is resumed where it stopped."""
    row = Placement(inverter_id=uuid4(), state=PlacementState.PENDING, bucket_id="")

    seen = [next_inverter_step(row)]
    row.bucket_id = "0b"
    seen.append(next_inverter_step(row))
    row.bridge_token_sealed = b"sealed"
    seen.append(next_inverter_step(row))
    row.external_token_sealed = b"sealed"
    seen.append(next_inverter_step(row))
    row.state = PlacementState.READY

    assert seen == list(InverterStep)
    assert next_inverter_step(row) is None


def test_waits_double_up_to_a_limit_and_end_with_success() -> None:
    """The first failure waits about a second, the tenth a minute; a success forgets them all."""
    now = [100.0]
    backoff = Backoff(lambda: now[0], lambda: 1.0)

    delays = [backoff.failed("server") for _ in range(10)]
    waiting = backoff.is_due("server")
    now[0] += LONGEST_S
    due_again = backoff.is_due("server")
    backoff.succeeded("server")

    assert delays[:4] == [1.0, 2.0, 4.0, 8.0]
    assert delays[-1] == LONGEST_S
    assert (waiting, due_again) == (False, True)
    assert backoff.next_due_s() is None


def test_dice_spread_the_retries() -> None:
    """Between half the wait and all of it."""
    assert Backoff(lambda: 0.0, lambda: 0.0).failed("x") == 0.5


def test_a_shard_never_covers_more_than_is_kept() -> None:
    """InfluxDB refuses a shard longer than the retention; 0 days keep for ever."""
    assert Keeping.of(retention_days=30, shard_group_weeks=52) == Keeping(30 * 86_400, 30 * 86_400)
    assert Keeping.of(retention_days=730, shard_group_weeks=52) == Keeping(730 * 86_400, 364 * 86_400)
    assert Keeping.of(retention_days=0, shard_group_weeks=1) == Keeping(0, 7 * 86_400)
