"""The steps by which an owner moves to another InfluxDB server, in their order. Pure: no database, no InfluxDB.

The second place is made beside the first (PREPARING) and filled while the bridge goes on writing into the first
(COPYING). For some seconds new readings wait in the bridge's spool while everything is compared (FINISHING); then the
two places change sides in one transaction (SWITCHED). What was still under way into the old one is fetched, its tokens
go (DONE), and after a grace the rest of it. Until the switch a move can be called off, and nothing has changed.

As in ``saga`` each step is told from what the steps before it have stored, and each may be done twice.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from schema.models import MoveState, MoveWish, OwnerMove

GRACE = timedelta(days=7)
"""How long the old copy stays after a move. Outsiders who still write there with a token of theirs are followed."""
SETTLING = timedelta(minutes=1)
"""After the switch: writes that were under way into the old place have ended by then, or are refused and come again."""


class MoveStep(StrEnum):
    """What is to be done next about a move."""

    CALL_OFF = "call_off"
    ORGANISATION = "organisation"
    READER = "reader"
    COPY = "copy"
    SWITCH = "switch"
    SETTLE = "settle"
    FOLLOW = "follow"
    REMOVE = "remove"


BEFORE_SWITCH = (MoveState.PREPARING, MoveState.COPYING, MoveState.FINISHING)
OVER = (MoveState.DONE, MoveState.CANCELLED)


def next_step(move: OwnerMove, now: datetime) -> MoveStep | None:
    """None where nothing is to be done, for now or for good."""
    if move.state in BEFORE_SWITCH:
        return _before_switch(move)
    if move.state == MoveState.SWITCHED:
        return MoveStep.SETTLE if now - move.updated_at >= SETTLING else None
    if not move.org_id:
        return None
    if move.state == MoveState.CANCELLED or move.wish == MoveWish.CLEAN or now - move.updated_at >= GRACE:
        return MoveStep.REMOVE
    return MoveStep.FOLLOW


def _before_switch(move: OwnerMove) -> MoveStep:
    if move.wish == MoveWish.CANCEL:
        return MoveStep.CALL_OFF
    if not move.org_id:
        return MoveStep.ORGANISATION
    if not move.read_token_sealed:
        return MoveStep.READER
    return MoveStep.SWITCH if move.state == MoveState.FINISHING else MoveStep.COPY
