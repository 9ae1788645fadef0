"""Inverters that have something to erase in every place where there can be something."""

from uuid import UUID

from sqlalchemy import func, select

from schema import live
from schema.database import reading
from schema.models import DeadLetter, Inverter, Owner, Rung
from tests.estate import Estate, Held


async def measuring(place: Estate, owner_id: UUID, watts: float) -> Held:
    """An inverter with a place and a reading in it, and a live row."""
    held = await place.inverter(owner_id)
    await place.provisioner().turn()
    await place.write(held, watts)
    engine = await live.open_live(place.live_url)
    nothing = {"refusal": "", "refusal_detail": "", "refused_at": None, "seen_at": place.now, "reading_at": place.now}
    row = {"inverter_id": held.inverter_id, "version": 1, "rung": Rung.VALUES_PLAUSIBLE, "values": {}} | nothing
    await live.put(engine, [row])
    await live.put_logins(engine, [{"login": held.login, "seen_at": place.now}])
    await engine.dispose()
    async with place.sessions.begin() as session:
        session.add(
            DeadLetter(
                login=held.login, inverter_id=held.inverter_id, topic="t", payload=b"p", reason="not_json",
                first_seen_at=place.now, last_seen_at=place.now,
            )
        )  # fmt: skip
    return held


async def count_of(place: Estate, table: type[Inverter] | type[Owner]) -> int:
    """How many rows there are."""
    async with reading(place.sessions) as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()
