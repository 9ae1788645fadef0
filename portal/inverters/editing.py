"""What an owner says about an inverter: its name, and what the device is. The account comes first."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.inverters import metadata
from portal.inverters.forms import Edited
from portal.inverters.service import get_owned
from schema.models import ToldBy


async def edit(session: AsyncSession, account_id: UUID, inverter_id: UUID, wanted: Edited, now: datetime) -> bool:
    """Keep what the owner says; false where the account may not. Equal words change and note nothing."""
    inverter = await get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return False
    said = {name: getattr(wanted, name) for name in metadata.NAMES if name in wanted.model_fields_set}
    told = await metadata.tell(session, inverter, told_by=ToldBy.OWNER, source_id=account_id, values=said, now=now)
    before, after = dict(told.before), dict(told.after)
    if inverter.name != wanted.name:
        before["name"], after["name"] = inverter.name, wanted.name
        inverter.name = wanted.name
    if not after:
        return True
    await audit.record(
        session,
        Action.INVERTER_CHANGED,
        subject=audit.inverter(inverter_id),
        actor=account_id,
        owner_id=inverter.owner_id,
        details=_details(before, after),
        now=now,
    )
    return True


def _details(before: Mapping[str, metadata.Value], after: Mapping[str, metadata.Value]) -> dict[str, audit.Detail]:
    return {**{f"{name} before": before[name] for name in after}, **after}
