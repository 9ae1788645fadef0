"""The rules behind the collector's addresses: an inverter is found by its active serial or not at all.

Unknown, not yet proved, deleted and disputed serials get one answer, and it takes the same work. Disputed ones are
refused for everybody until an administrator has settled them: the first to be active need not be the rightful one
(DESIGN 4.1). That a place is pending is told: only a serial that somebody has proved has one.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import audit
from portal.audit import Action
from portal.credentials import sweeps
from portal.credentials.forms import Metadata
from portal.credentials.sweeps import Asker, Desk, Seen
from portal.inverters import metadata as metadata_of
from portal.inverters.metadata import Told
from schema.models import ClaimState, Feed, Inverter, Login, OwnerPlacement, Placement, PlacementState, ToldBy
from schema.serials import InvalidSerial, normalised

RETRY_AFTER_S = 10

COLUMNS = {"sw_version": "sw_version", "rated_power": "rated_power_w", "number_of_mppts": "number_of_mppts"}
"""What a collector calls it, and the column of ``inverter``."""
_NAMES = {column: name for name, column in COLUMNS.items()}
# What cannot be a serial is looked up and counted under one that nobody can have.
_NONE_AT_ALL = "-"


class Refusal(StrEnum):
    """Why a collector gets nothing. Values and not exceptions: what was counted meanwhile has to be committed."""

    NO_SUCH_SERIAL = "no inverter holds this serial beyond doubt; nothing more is said"
    PLACE_PENDING = "the inverter's bucket is being made or moved: ask again after RETRY_AFTER_S"
    STOPPED = "whoever asks has asked like a sweep"


@dataclass(frozen=True, slots=True)
class WriteToken:
    """Where an outside collector writes one inverter's points, as the original answered it. The token only writes."""

    serial: str
    token: str = field(repr=False)
    bucket_id: str
    bucket_name: str
    org_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Noted:
    """The inverter after a collector has told what it is, and what became of that."""

    inverter: Inverter
    told: Told


async def write_token(
    session: AsyncSession, desk: Desk, asker: Asker, serial: str, *, now: datetime
) -> WriteToken | Refusal:
    """The external token of the inverter that holds ``serial``; that it was read is noted in the audit log."""
    inverter = await _asked_for(session, desk, asker, serial, now)
    if isinstance(inverter, Refusal):
        return inverter
    place = await session.get(Placement, inverter.id)
    home = await session.get(OwnerPlacement, inverter.owner_id)
    if place is None or home is None or not place.state == home.state == PlacementState.READY:
        return Refusal.PLACE_PENDING
    if place.external_token_sealed is None:
        return Refusal.PLACE_PENDING
    await audit.record(
        session,
        Action.TOKEN_READ,
        subject=audit.inverter(inverter.id),
        actor=asker.actor,
        owner_id=inverter.owner_id,
        details={"bucket": place.bucket_id},
        now=now,
    )
    return WriteToken(
        serial=inverter.serial,
        token=desk.sealer.open(place.external_token_sealed, row=f"placement:{inverter.id}:external"),
        bucket_id=place.bucket_id,
        bucket_name=place.bucket_name,
        org_id=home.org_id,
        url=desk.public_urls.get(home.server, home.server),
    )


async def note_metadata(
    session: AsyncSession, desk: Desk, asker: Asker, serial: str, metadata: Metadata, *, now: datetime
) -> Noted | Refusal:
    """Note what a collector found out about the device; what it does not name stays, and what its owner has said."""
    inverter = await _asked_for(session, desk, asker, serial, now)
    if isinstance(inverter, Refusal):
        return inverter
    named = metadata.model_dump(exclude_none=True)
    told = await metadata_of.tell(
        session,
        inverter,
        told_by=ToldBy.COLLECTOR,
        source_id=asker.id,
        values={COLUMNS[name]: value for name, value in named.items()},
        now=now,
    )
    await audit.record(
        session,
        Action.METADATA_CHANGED,
        subject=audit.inverter(inverter.id),
        actor=asker.actor,
        owner_id=inverter.owner_id,
        details={
            **{f"{_NAMES[column]} before": value for column, value in told.before.items()},
            **{_NAMES[column]: value for column, value in told.after.items()},
            **({"kept": kept_of(told)} if told.kept else {}),
        },
        now=now,
    )
    return Noted(inverter, told)


def kept_of(told: Told) -> list[str]:
    """What a collector said and was not taken, in its own words."""
    return [_NAMES[column] for column in told.kept]


async def _asked_for(session: AsyncSession, desk: Desk, asker: Asker, typed: str, now: datetime) -> Inverter | Refusal:
    """The inverter that holds what somebody typed, after that it was asked for is counted."""
    try:
        serial = normalised(typed)
    except InvalidSerial:
        serial = _NONE_AT_ALL
    inverter = await _holder(session, serial)
    seen = await sweeps.seen(session, desk, asker, serial, inverter.id if inverter else None, now=now)
    if seen is not Seen.WORK:
        return Refusal.STOPPED
    return inverter or Refusal.NO_SUCH_SERIAL


async def _holder(session: AsyncSession, serial: str) -> Inverter | None:
    """The one inverter that holds the serial by an active feed, while nobody else claims it."""
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
    statement = select(Inverter).where(
        Inverter.active_serial == serial, Inverter.deleted_at.is_(None), proved, ~disputed
    )
    return (await session.scalars(statement)).one_or_none()
