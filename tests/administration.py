"""What tests of the administration share: the rows behind its pages, and Ada pressing buttons."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from portal.accounts.forms import email_key
from schema import live
from schema.models import Account, AuditEntry, ClaimState, Feed, Inverter, Login, LoginSession, Rung
from tests.people import Cast, Person
from tests.portal_app import RunningPortal


async def entries(portal: RunningPortal, action: str = "") -> Sequence[AuditEntry]:
    """Entries of the audit log, the oldest first."""
    statement = select(AuditEntry).order_by(AuditEntry.id)
    if action:
        statement = statement.where(AuditEntry.action == action)
    async with portal.parts.sessions() as session:
        return (await session.scalars(statement)).all()


async def account(portal: RunningPortal, email: str, **columns: Any) -> UUID:
    """An account that nobody logs in with."""
    row = Account(
        id=uuid4(),
        email=email,
        email_key=email_key(email),
        password_hash="-",
        created_at=portal.clock(),
        **{"verified_at": portal.clock(), **columns},
    )
    async with portal.parts.sessions.begin() as session:
        session.add(row)
    return row.id


async def the_account(portal: RunningPortal, account_id: UUID) -> Account:
    """As it is now."""
    async with portal.parts.sessions() as session:
        return await session.get_one(Account, account_id)


async def devices(portal: RunningPortal, account_id: UUID) -> int:
    """How many sessions the account has."""
    async with portal.parts.sessions() as session:
        rows = await session.scalars(select(LoginSession.id).where(LoginSession.account_id == account_id))
        return len(rows.all())


async def inverter(portal: RunningPortal, inverter_id: UUID) -> Inverter:
    """As it is now."""
    async with portal.parts.sessions() as session:
        return await session.get_one(Inverter, inverter_id)


async def states(portal: RunningPortal, inverter_id: UUID) -> list[str]:
    """The claim states of its feeds."""
    async with portal.parts.sessions() as session:
        statement = select(Feed.claim_state).where(Feed.inverter_id == inverter_id).order_by(Feed.login)
        return [str(state) for state in await session.scalars(statement)]


async def dispute(cast: Cast, serial: str = "2788888888") -> tuple[UUID, UUID]:
    """Alice was first and holds the serial, Bob claims it; returns her inverter and his."""
    portal = cast.portal
    hers, his = await cast.alice.add_inverter("Her roof", serial), await cast.bob.add_inverter("His <b>roof", serial)
    async with portal.parts.sessions.begin() as session:
        active = {"claim_state": ClaimState.ACTIVE, "activated_at": portal.clock()}
        await session.execute(update(Feed).where(Feed.inverter_id == hers).values(**active))
        await session.execute(update(Feed).where(Feed.inverter_id == his).values(claim_state=ClaimState.DISPUTED))
        await session.execute(update(Inverter).where(Inverter.id == hers).values(active_serial=serial))
    return hers, his


async def counted(portal: RunningPortal, inverter_id: UUID, kwh: float, *, at: datetime, version: int) -> None:
    """The inverter's live row, with a lifetime counter and a power that is nobody's business."""
    row = {
        "inverter_id": inverter_id, "version": version, "rung": Rung.VALUES_PLAUSIBLE, "seen_at": at, "reading_at": at,
        "values": {"total_energy": kwh, "ac_power": 4321.0}, "refusal": "", "refusal_detail": "", "refused_at": None,
    }  # fmt: skip
    await live.put(portal.parts.live_engine, [row])


async def login_of(portal: RunningPortal, inverter_id: UUID) -> str:
    """Its first login."""
    async with portal.parts.sessions() as session:
        statement = select(Login.name).join(Feed, Feed.login == Login.name).where(Feed.inverter_id == inverter_id)
        return (await session.scalars(statement)).first() or ""


async def names_in_pages(person: Person, path: str, names: Sequence[str], pages: int) -> list[list[str]]:
    """Which of ``names`` stand on each page of a list."""
    join = "&" if "?" in path else "?"
    shown = [(await person.get(f"{path}{join}page={number}")).text for number in range(1, pages + 1)]
    return [[name for name in names if name in text] for text in shown]
