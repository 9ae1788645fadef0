"""The order of the steps and when to try again."""

from dataclasses import dataclass
from uuid import uuid4

import pytest

from portal.provisioner.backoff import LONGEST_S, Backoff
from portal.provisioner.in_turn import InTurn
from portal.provisioner.making import Keeping
from portal.provisioner.saga import InverterStep, OwnerStep, next_inverter_step, next_owner_step
from schema.models import OwnerPlacement, Placement, PlacementState

pytestmark = pytest.mark.unit


def test_an_owner_gets_a_server_an_organisation_a_token_and_is_ready() -> None:
    """Each filled column leads to the next step; a ready row has none."""
    row = OwnerPlacement(owner_id=uuid4(), state=PlacementState.PENDING, server="", org_id="", read_token_sealed=None)

    seen = [next_owner_step(row)]
    row.server = "http://influxdb:8086"
    seen.append(next_owner_step(row))
    row.org_id = "0a"
    seen.append(next_owner_step(row))
    row.read_token_sealed = b"sealed"
    seen.append(next_owner_step(row))
    row.state = PlacementState.READY

    assert seen == list(OwnerStep)
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


def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    """An owner who has gone must not keep the loop turning: his retry would be due for ever."""
    now = [0.0]
    backoff = Backoff(lambda: now[0], lambda: 1.0)
    backoff.failed("gone")
    backoff.failed("there")
    now[0] = 0.5

    backoff.only(["there"])

    assert backoff.due_in_s("gone") == 0.0
    assert backoff.due_in_s("there") == backoff.next_due_s() == 0.5


def test_dice_spread_the_retries() -> None:
    """Between half the wait and all of it."""
    assert Backoff(lambda: 0.0, lambda: 0.0).failed("x") == 0.5


def test_a_shard_never_covers_more_than_is_kept() -> None:
    """InfluxDB refuses a shard longer than the retention; 0 days keep for ever."""
    assert Keeping.of(retention_days=30, shard_group_weeks=52) == Keeping(30 * 86_400, 30 * 86_400)
    assert Keeping.of(retention_days=730, shard_group_weeks=52) == Keeping(730 * 86_400, 364 * 86_400)
    assert Keeping.of(retention_days=0, shard_group_weeks=1) == Keeping(0, 7 * 86_400)


async def test_several_parts_take_their_turns_and_the_first_who_wants_another_sets_the_pace() -> None:
    """One after the other; where nobody wants another turn, none is asked for."""
    taken: list[str] = []

    @dataclass
    class Part:
        name: str
        wait_s: float | None

        async def turn(self) -> float | None:
            taken.append(self.name)
            return self.wait_s

    assert await InTurn(Part("a", None), Part("b", 3.0), Part("c", 2.0)).turn() == 2.0
    assert await InTurn(Part("d", None)).turn() is None
    assert taken == ["a", "b", "c", "d"]
