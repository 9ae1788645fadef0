"""Dead letters and requests in the database, as the command asks for them. No words, no terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, String, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.letters import NO_LOGIN
from schema.models import Account, DeadLetter, DeadLetterRequest, LetterAction, RequestSource, RequestState


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; empty fields mean any, ``NO_LOGIN`` those of nobody."""

    login: str = ""
    topic: str = ""
    reason: str = ""
    inverter_id: UUID | None = None


class NotOne(Exception):
    """The beginning of an id names no letter, or several; the message says which."""


async def letters(session: AsyncSession, wanted: Wanted, limit: int) -> Sequence[DeadLetter]:
    """The newest kinds of messages set aside."""
    rows = select(DeadLetter).where(*_conditions(wanted)).order_by(DeadLetter.last_seen_at.desc(), DeadLetter.id)
    return (await session.scalars(rows.limit(limit))).all()


async def how_many(session: AsyncSession, wanted: Wanted) -> tuple[int, int, int]:
    """Kinds, messages, and originals that can be replayed."""
    counts = select(
        func.count(), func.coalesce(func.sum(DeadLetter.count), 0), func.coalesce(func.sum(DeadLetter.kept), 0)
    )
    kinds, messages, kept = (await session.execute(counts.where(*_conditions(wanted)))).one()
    return kinds, messages, kept


async def letter(session: AsyncSession, beginning: str) -> DeadLetter:
    """The letter whose id begins so. Raises ``NotOne``."""
    digits = func.replace(cast(DeadLetter.id, String), "-", "")
    found = (await session.scalars(select(DeadLetter).where(digits.like(f"{beginning}%")).limit(2))).all()
    if len(found) != 1:
        several = "names several letters: give more of it" if found else "names no letter"
        raise NotOne(f"{beginning} {several}.")
    return found[0]


async def ask(session: AsyncSession, action: LetterAction, wanted: Wanted, now: datetime) -> DeadLetterRequest:
    """A request that the bridge finds by itself."""
    request = DeadLetterRequest(
        id=uuid4(),
        action=action,
        login=wanted.login,
        topic=wanted.topic,
        reason=wanted.reason,
        inverter_id=wanted.inverter_id,
        source=RequestSource.COMMAND,
        requested_at=now,
        state=RequestState.WAITING,
    )
    session.add(request)
    await session.flush()
    return request


async def requests(session: AsyncSession, limit: int) -> Sequence[tuple[DeadLetterRequest, str]]:
    """The newest requests, each with the e-mail address of who asked on the page."""
    rows = (
        select(DeadLetterRequest, func.coalesce(Account.email, ""))
        .outerjoin(Account, Account.id == DeadLetterRequest.account_id)
        .order_by(DeadLetterRequest.requested_at.desc(), DeadLetterRequest.id)
        .limit(limit)
    )
    return [(request, email) for request, email in await session.execute(rows)]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.login:
        conditions.append(DeadLetter.login == ("" if wanted.login == NO_LOGIN else wanted.login))
    if wanted.topic:
        conditions.append(DeadLetter.topic == wanted.topic)
    if wanted.reason:
        conditions.append(DeadLetter.reason == wanted.reason)
    if wanted.inverter_id:
        conditions.append(DeadLetter.inverter_id == wanted.inverter_id)
    return conditions
