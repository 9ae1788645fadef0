"""An administrator's decision whose a serial is: one transaction with its entry in the audit log and the mails."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters
from portal.accounts.links import MailedLinks
from portal.admin.claims import service
from portal.audit import Action
from portal.letters import Letter
from portal.mail import owe
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Inverter


class NothingToSettle(Exception):
    """Meanwhile nobody disputes the serial, or not this inverter's claim: look again."""


async def settle(
    session: AsyncSession, serial: str, inverter_id: UUID, *, by: UUID, links: MailedLinks, now: datetime
) -> None:
    """From now on ``inverter_id`` alone holds ``serial``. Raises ``NothingToSettle``.

    The others' feeds are released: they go on writing into their own buckets and claim nothing any more. Nobody's
    readings move. A login that is made for them later may claim again; then there is a new dispute to look at.
    """
    before = await service.claimants(session, serial)
    for inverter, _ in before:
        # The version's row lock: claims that the bridge makes meanwhile meet the unique index, other decisions wait.
        await registry_changed(session, inverter_id=inverter.id)
    present = {inverter.id: (inverter, states) for inverter, states in await service.claimants(session, serial)}
    if inverter_id not in present or not present.keys() <= {inverter.id for inverter, _ in before}:
        raise NothingToSettle
    winner, states = present[inverter_id]
    others = [inverter for inverter, _ in present.values() if inverter.id != inverter_id]
    open_still = any(ClaimState.DISPUTED in states for _, states in present.values())
    if winner.active_serial is not None and not open_still:
        raise NothingToSettle
    if not open_still and ClaimState.RELEASED not in states:
        raise NothingToSettle
    holder = next((inverter for inverter in present.values() if inverter[0].active_serial is not None), None)
    await audit.record(
        session,
        Action.CLAIM_SETTLED,
        subject=f"serial:{serial}",
        actor=by,
        owner_id=winner.owner_id,
        details={
            "before": str(holder[0].id) if holder else None,
            "after": str(inverter_id),
            "against": [str(inverter.id) for inverter in others],
        },
        now=now,
    )
    await _decide(session, serial, winner, others, now)
    await _tell(session, winner, letters.serial_yours, links, now=now)
    for inverter in others:
        await _tell(session, inverter, letters.serial_not_yours, links, now=now)


async def _decide(session: AsyncSession, serial: str, winner: Inverter, others: list[Inverter], now: datetime) -> None:
    ids = [inverter.id for inverter in others]
    await session.execute(update(Inverter).where(Inverter.id.in_(ids)).values(active_serial=None))
    await session.execute(update(Feed).where(Feed.inverter_id.in_(ids)).values(claim_state=ClaimState.RELEASED))
    await session.execute(update(Inverter).where(Inverter.id == winner.id).values(active_serial=serial))
    contested = Feed.claim_state.in_((ClaimState.DISPUTED, ClaimState.RELEASED))
    await session.execute(
        update(Feed)
        .where(Feed.inverter_id == winner.id, contested)
        .values(claim_state=ClaimState.ACTIVE, activated_at=now)
    )


class _Letter(Protocol):
    def __call__(self, base_url: str, serial: str, name: str, *, language: str) -> Letter: ...


async def _tell(
    session: AsyncSession, inverter: Inverter, letter: _Letter, links: MailedLinks, *, now: datetime
) -> None:
    for person in await service.people(session, inverter.owner_id):
        mail = letter(links.base_url, inverter.serial, inverter.name, language=person.language)
        await owe(session, person.email, mail, sealer=links.sealer, now=now, always=True)
