"""The steps by which an inverter, and then its owner, leave for good, in their order. Pure: no database, no InfluxDB.

As in ``saga`` each step is told from the columns that the steps before it have emptied, so a provisioner that is killed
anywhere goes on where the last commit left off, and each step may be done twice. What is in no column (a bucket or
token that was made but never stored, rows of the embedded store, live rows) goes with the rows, at the end.
"""

from enum import StrEnum

from schema.models import InverterMove, OwnerMove, OwnerPlacement, Placement, PlacementState

Bucket = Placement | InverterMove
"""Where an inverter's readings are, or where its owner's move takes them."""
Organisation = OwnerPlacement | OwnerMove


class InverterErasure(StrEnum):
    """What is to be done next about an inverter."""

    BEGIN = "begin"
    BRIDGE_WRITER = "bridge_writer"
    EXTERNAL_WRITER = "external_writer"
    BUCKET = "bucket"
    LETTERS = "letters"
    ROWS = "rows"


class OwnerErasure(StrEnum):
    """What is to be done next about an owner whose inverters are gone."""

    BEGIN = "begin"
    READER = "reader"
    ORGANISATION = "organisation"
    ROWS = "rows"


def next_inverter_step(place: Placement, *, letters_gone: bool) -> InverterErasure:
    """``letters_gone``: the bridge has dropped what it had set aside."""
    if place.state != PlacementState.ERASING:
        return InverterErasure.BEGIN
    if step := next_bucket_step(place):
        return step
    return InverterErasure.ROWS if letters_gone else InverterErasure.LETTERS


def next_bucket_step(place: Bucket) -> InverterErasure | None:
    """First the tokens, then the bucket: while there are points nobody writes any more. None where it is empty."""
    if place.bridge_authorization_id or place.bridge_token_sealed:
        return InverterErasure.BRIDGE_WRITER
    if place.external_authorization_id or place.external_token_sealed:
        return InverterErasure.EXTERNAL_WRITER
    return InverterErasure.BUCKET if place.bucket_id else None


def next_owner_step(home: OwnerPlacement) -> OwnerErasure:
    """An owner's place, once no inverter is in it."""
    if home.state != PlacementState.ERASING:
        return OwnerErasure.BEGIN
    return next_organisation_step(home) or OwnerErasure.ROWS


def next_organisation_step(home: Organisation) -> OwnerErasure | None:
    """First the token, then the organisation: its tokens outlive it, and nobody finds them then. None where empty."""
    if home.read_authorization_id or home.read_token_sealed:
        return OwnerErasure.READER
    return OwnerErasure.ORGANISATION if home.org_id else None
