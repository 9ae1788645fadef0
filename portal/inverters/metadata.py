"""What a device is, and who said so: its owner's word stays, what a collector says fills in the rest. No HTTP here.

Whoever told a value first is its source until somebody tells another one: to repeat is not to tell.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.changes import registry_changed
from schema.models import Inverter, MetadataSource, ToldBy

Value = str | int | None

POWER = "rated_power_w"
NAMES = ("sw_version", POWER, "number_of_mppts")
"""Columns of ``inverter``."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of what somebody said, by name: values before and after a change, and values that were not taken
    because the owner has said something else (``kept`` has the owner's).
    """

    before: dict[str, Value] = field(default_factory=dict)
    after: dict[str, Value] = field(default_factory=dict)
    kept: dict[str, Value] = field(default_factory=dict)


async def tell(
    session: AsyncSession,
    inverter: Inverter,
    *,
    told_by: ToldBy,
    source_id: UUID | None,
    values: Mapping[str, Value],
    now: datetime,
) -> Told:
    """Note what somebody says of a device; the caller has checked values and writes the audit entry.

    ``values`` are some of ``NAMES``; what is not among them stays. None, from an owner, takes a value back, and
    collectors may fill it in again. ``source_id`` is the collector's id, or the account's that spoke.
    """
    # The registry's row comes before an inverter's, as everywhere: two transactions never wait for each other.
    raised = POWER in values and values[POWER] != inverter.rated_power_w
    if raised:
        await registry_changed(session, inverter_id=inverter.id)
    await session.refresh(inverter, with_for_update=True)
    sources = await sources_of(session, inverter.id)
    told = Told()
    for name, value in values.items():
        present, source = getattr(inverter, name), sources.get(name)
        if value == present:
            continue
        if told_by is not ToldBy.OWNER and source is not None and source.told_by == ToldBy.OWNER:
            told.kept[name] = present
            continue
        setattr(inverter, name, value)
        told.before[name], told.after[name] = present, value
        if source is not None:
            await session.delete(source)
            await session.flush()
        if value is not None:
            session.add(
                MetadataSource(inverter_id=inverter.id, name=name, told_by=told_by, source_id=source_id, told_at=now)
            )
    if POWER in told.after and not raised:
        # Somebody else has told another one between our look and the lock.
        await registry_changed(session, inverter_id=inverter.id)
    await session.flush()
    return told


async def sources_of(session: AsyncSession, inverter_id: UUID) -> dict[str, MetadataSource]:
    """Who told what, by name; a value without one was told before that was noted, by a collector."""
    return (await sources_by_inverter(session, [inverter_id])).get(inverter_id, {})


async def sources_by_inverter(
    session: AsyncSession, inverter_ids: Collection[UUID]
) -> dict[UUID, dict[str, MetadataSource]]:
    """``sources_of`` for several; one of which nothing was told is missing."""
    found: dict[UUID, dict[str, MetadataSource]] = {}
    statement = select(MetadataSource).where(MetadataSource.inverter_id.in_(inverter_ids))
    for row in await session.scalars(statement):
        found.setdefault(row.inverter_id, {})[row.name] = row
    return found
