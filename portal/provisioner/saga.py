"""The steps from a row that asks for a place to a place that is ready, in their order. Pure: no database, no InfluxDB.

Each step is told from the columns the steps before it have filled, so a provisioner that is killed anywhere goes on
where the last commit left off. Each step may be done twice: organisations and buckets are found by their name before
they are made, and a token that was made but never stored is deleted by its description before a new one is made.
"""

from enum import StrEnum
from uuid import UUID

from schema.models import OwnerPlacement, Placement, PlacementState


class OwnerStep(StrEnum):
    """What an owner's place lacks next."""

    SERVER = "server"
    ORGANISATION = "organisation"
    READER = "reader"
    READY = "ready"


class InverterStep(StrEnum):
    """What an inverter's place lacks next."""

    BUCKET = "bucket"
    BRIDGE_WRITER = "bridge_writer"
    EXTERNAL_WRITER = "external_writer"
    READY = "ready"


def next_owner_step(row: OwnerPlacement) -> OwnerStep | None:
    """The first step not yet done, None where the place is ready, or on its way out."""
    if row.state != PlacementState.PENDING:
        return None
    if not row.server:
        return OwnerStep.SERVER
    if not row.org_id:
        return OwnerStep.ORGANISATION
    return OwnerStep.READY if row.read_token_sealed else OwnerStep.READER


def next_inverter_step(row: Placement) -> InverterStep | None:
    """The first step not yet done, None where the place is ready, or on its way out. Its owner's place comes first."""
    if row.state != PlacementState.PENDING:
        return None
    if not row.bucket_id:
        return InverterStep.BUCKET
    if not row.bridge_token_sealed:
        return InverterStep.BRIDGE_WRITER
    return InverterStep.READY if row.external_token_sealed else InverterStep.EXTERNAL_WRITER


WRITERS = ("bridge", "external")
"""Who may write into an inverter's bucket, each with a token."""


def organisation_name(owner_id: UUID) -> str:
    """Opaque: InfluxDB's operators need not learn who its tenants are."""
    return f"owner-{owner_id}"


def bucket_name(inverter_id: UUID) -> str:
    """Opaque and never reused: a resold inverter is a new row."""
    return f"inverter-{inverter_id}"


def read_description(owner_id: UUID) -> str:
    """Finds a read token that was made but never stored."""
    return f"portal reads owner-{owner_id}"


def write_description(inverter_id: UUID, who: str) -> str:
    """Finds a write token that was made but never stored; ``who`` is one of ``WRITERS``."""
    return f"{who} writes inverter-{inverter_id}"


def read_row(owner_id: UUID) -> str:
    """What an owner's read token is sealed to."""
    return f"owner:{owner_id}:read"


def write_row(inverter_id: UUID, who: str) -> str:
    """What an inverter's write token is sealed to; ``who`` is one of ``WRITERS``."""
    return f"placement:{inverter_id}:{who}"
