"""The rules behind the collector's addresses: an inverter is found by its active serial or not at all.

Unknown, not yet proved and disputed serials get one answer. Disputed ones are refused for everybody until an
administrator has settled them: the first to be active need not be the rightful one (DESIGN 4.1).
"""

from dataclasses import dataclass, field

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal.credentials.forms import Metadata
from schema.models import ClaimState, Feed, Inverter, Login, OwnerPlacement, Placement, PlacementState
from schema.sealing import Sealer
from schema.serials import InvalidSerial, normalised

RETRY_AFTER_S = 10


class NoSuchSerial(Exception):
    """No inverter holds this serial beyond doubt. Nothing more is said."""


class PlacePending(Exception):
    """The inverter's bucket is still being made: ask again after ``RETRY_AFTER_S``."""


@dataclass(frozen=True, slots=True)
class WriteToken:
    """Where an outside collector writes one inverter's points, as the original answered it. The token only writes."""

    serial: str
    token: str = field(repr=False)
    bucket_id: str
    bucket_name: str
    org_id: str
    url: str


async def write_token(session: AsyncSession, sealer: Sealer, serial: str) -> WriteToken:
    """The external token of the inverter that holds ``serial``. Raises ``NoSuchSerial`` and ``PlacePending``."""
    inverter = await _holder(session, serial)
    place = await session.get(Placement, inverter.id)
    home = await session.get(OwnerPlacement, inverter.owner_id)
    if place is None or home is None:
        raise PlacePending
    if PlacementState.PENDING in (place.state, home.state) or place.external_token_sealed is None:
        raise PlacePending
    return WriteToken(
        serial=inverter.serial,
        token=sealer.open(place.external_token_sealed, row=f"placement:{inverter.id}:external"),
        bucket_id=place.bucket_id,
        bucket_name=place.bucket_name,
        org_id=home.org_id,
        url=home.server,
    )


async def note_metadata(session: AsyncSession, serial: str, metadata: Metadata) -> Inverter:
    """Keep what a collector found out about the device; what it does not name stays. Raises ``NoSuchSerial``."""
    inverter = await _holder(session, serial)
    if metadata.sw_version is not None:
        inverter.sw_version = metadata.sw_version
    if metadata.rated_power is not None:
        inverter.rated_power_w = metadata.rated_power
    if metadata.number_of_mppts is not None:
        inverter.number_of_mppts = metadata.number_of_mppts
    return inverter


async def _holder(session: AsyncSession, typed: str) -> Inverter:
    """The one inverter that holds the serial by an active feed, while nobody else claims it."""
    try:
        serial = normalised(typed)
    except InvalidSerial:
        raise NoSuchSerial from None
    claimant = aliased(Inverter)
    proved = exists().where(
        Feed.inverter_id == Inverter.id,
        Feed.claim_state == ClaimState.ACTIVE,
        Login.name == Feed.login,
        Login.revoked_at.is_(None),
    )
    disputed = (
        exists()
        .where(claimant.serial == serial, Feed.inverter_id == claimant.id, Feed.claim_state == ClaimState.DISPUTED)
        .correlate(None)
    )
    statement = select(Inverter).where(Inverter.active_serial == serial, proved, ~disputed)
    inverter = (await session.scalars(statement)).one_or_none()
    if inverter is None:
        raise NoSuchSerial
    return inverter
