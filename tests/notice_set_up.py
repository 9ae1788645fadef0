"""What tests of tripwires ask of the tables, and an owner's answer to a quarantine."""

from datetime import UTC, datetime

from sqlalchemy import select, update

from bridge.tripwires import Trip, Wire
from schema.changes import registry_changed
from schema.models import Login, Notice
from tests.bridge_set_up import Home, Paired


async def noticed_rows(place: Home) -> dict[str, Notice]:
    """Notices by their kind."""
    async with place.sessions() as session:
        return {str(row.kind): row for row in await session.scalars(select(Notice))}


async def quarantine_of(place: Home, login: str) -> tuple[datetime | None, str]:
    """Since when a login is in quarantine, and why."""
    async with place.sessions() as session:
        row = (await session.scalars(select(Login).where(Login.name == login))).one()
    return row.quarantined_at, row.quarantine_why


def tripped(paired: Paired, *, quarantine: bool = False, times: int = 1) -> Trip:
    """A wire that a login has touched."""
    details: dict[str, str | int | float] = {"quantity": "ac_power", "value": 9e6}
    now = datetime.now(UTC)
    return Trip(Wire.IMPOSSIBLE_POWER, paired.login, paired.inverter_id, details, times, now, quarantine=quarantine)


async def let_speak(place: Home, paired: Paired) -> None:
    """As the owner's page does."""
    async with place.sessions.begin() as session:
        await registry_changed(session, inverter_id=paired.inverter_id)
        speaks = update(Login).where(Login.name == paired.login)
        await session.execute(speaks.values(quarantined_at=None, quarantine_why=""))
        await session.execute(update(Notice).where(Notice.login == paired.login).values(hidden_at=datetime.now(UTC)))
