"""The steps of a move, told from its row."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from portal.provisioner import move
from portal.provisioner.move import MoveStep
from schema.models import MoveState, MoveWish, OwnerMove

pytestmark = pytest.mark.unit
NOW = datetime(2026, 6, 1, tzinfo=UTC)
P, C, F, S, D, X = MoveState
NONE, CANCEL, CLEAN = MoveWish
NOTHING, ORGANISATION, WHOLE = ("", None), ("0a", None), ("0a", b"t")


@pytest.mark.parametrize(
    ("state", "wish", "made", "age", "step"),
    [
        (P, NONE, NOTHING, 0, MoveStep.ORGANISATION),
        (P, NONE, ORGANISATION, 0, MoveStep.READER),
        (P, NONE, WHOLE, 0, MoveStep.COPY),
        (C, NONE, WHOLE, 0, MoveStep.COPY),
        (F, NONE, WHOLE, 0, MoveStep.SWITCH),
        *[(state, CANCEL, WHOLE, 0, MoveStep.CALL_OFF) for state in (P, C, F)],
        (C, CLEAN, WHOLE, 0, MoveStep.COPY),
        (S, NONE, WHOLE, 59, None),
        (S, CANCEL, WHOLE, 60, MoveStep.SETTLE),
        (D, NONE, WHOLE, 7 * 86_400 - 1, MoveStep.FOLLOW),
        (D, NONE, WHOLE, 7 * 86_400, MoveStep.REMOVE),
        (D, CLEAN, WHOLE, 0, MoveStep.REMOVE),
        (D, CLEAN, NOTHING, 9 * 86_400, None),
        (X, NONE, WHOLE, 0, MoveStep.REMOVE),
        (X, NONE, NOTHING, 0, None),
    ],
)
def test_the_next_step_follows_from_the_row(
    state: MoveState, wish: MoveWish, made: tuple[str, bytes | None], age: int, step: MoveStep | None
) -> None:
    """Whoever comes after a kill reads it there."""
    row = OwnerMove(
        owner_id=uuid4(), server="http://b", state=state, wish=wish, org_id=made[0], read_token_sealed=made[1],
        started_at=NOW, updated_at=NOW,
    )  # fmt: skip

    assert move.next_step(row, NOW + timedelta(seconds=age)) == step
