"""What is set aside: an owner's own by inverter, everything for an administrator, and requests for the bridge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.dead_letters.forms import PAGE_SIZE, Order, Search
from portal.inverters.grants import visible_to
from schema.letters import NO_LOGIN, PayloadForm, Shown, plain, shown, title
from schema.models import (
    Account,
    DeadLetter,
    DeadLetterRequest,
    Feed,
    Inverter,
    LetterAction,
    Login,
    RequestSource,
    RequestState,
)

_MOST_OF_AN_INVERTER = 20
_MOST_REQUESTS = 10
_ORDERS: dict[Order, ColumnElement[Any]] = {
    Order.NEWEST: DeadLetter.last_seen_at.desc(),
    Order.OLDEST: DeadLetter.first_seen_at.asc(),
    Order.MOST: DeadLetter.count.desc(),
    Order.LOGIN: DeadLetter.login.asc(),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """Equal messages set aside. ``sentence`` says what to do; ``kept`` of the ``count`` messages can be replayed."""

    id: UUID
    login: str
    topic: str
    title: str
    reason: str
    sentence: str
    response: str
    count: int
    kept: int
    first_seen_at: datetime
    last_seen_at: datetime
    payload: Shown
    form: PayloadForm
    inverter_id: UUID | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a search: ``kinds`` of ``total``, and what all of them stand for."""

    kinds: Sequence[Kind]
    total: int
    messages: int
    kept: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))


@dataclass(frozen=True, slots=True)
class Request:
    """A wish and how far the bridge has come with it. ``who`` is an e-mail address, or "command"."""

    id: UUID
    action: LetterAction
    meaning: str
    who: str
    requested_at: datetime
    state: RequestState
    chosen: int
    done: int
    again: int
    error: str

    @property
    def open(self) -> bool:
        """Whether something may still change."""
        return self.state in (RequestState.WAITING, RequestState.RUNNING)


async def of_inverter(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Sequence[Kind]:
    """What was set aside of an inverter that the account may see, newest first; nothing of a stranger's.

    A message that names no inverter (a wrong topic, say) belongs to those its login speaks of: the broker has proved
    the login, and the name of a login is never given to anybody else.
    """
    spoken_for = (
        select(Feed.login)
        .join(Login, Login.name == Feed.login)
        .where(Feed.inverter_id == Inverter.id, Login.owner_id == Inverter.owner_id)
    )
    theirs = or_(
        DeadLetter.inverter_id == Inverter.id,
        and_(DeadLetter.inverter_id.is_(None), DeadLetter.login.in_(spoken_for)),
    )
    rows = (
        select(DeadLetter)
        .join(Inverter, theirs)
        .where(visible_to(account_id, now), Inverter.id == inverter_id, DeadLetter.count > 0)
        .order_by(DeadLetter.last_seen_at.desc(), DeadLetter.id)
        .limit(_MOST_OF_AN_INVERTER)
    )
    return [_kind(row) for row in await session.scalars(rows)]


async def listed(session: AsyncSession, search: Search) -> Listed:
    """A page of everything; the caller has made sure that an administrator asks."""
    conditions = _conditions(search.login, search.reason)
    counts = select(
        func.count(), func.coalesce(func.sum(DeadLetter.count), 0), func.coalesce(func.sum(DeadLetter.kept), 0)
    ).where(*conditions)
    total, messages, kept = (await session.execute(counts)).one()
    rows = (
        select(DeadLetter)
        .where(*conditions)
        .order_by(_ORDERS[search.sort], DeadLetter.last_seen_at.desc(), DeadLetter.id)
        .limit(PAGE_SIZE)
        .offset((search.page - 1) * PAGE_SIZE)
    )
    return Listed([_kind(row) for row in await session.scalars(rows)], total, messages, kept)


async def one(session: AsyncSession, letter_id: UUID) -> Kind | None:
    """One kind; the caller has made sure that an administrator asks."""
    row = await session.get(DeadLetter, letter_id)
    return _kind(row) if row else None


async def requests(session: AsyncSession) -> Sequence[Request]:
    """The newest requests; the caller has made sure that an administrator asks."""
    rows = (
        select(DeadLetterRequest, Account.email)
        .outerjoin(Account, Account.id == DeadLetterRequest.account_id)
        .order_by(DeadLetterRequest.requested_at.desc(), DeadLetterRequest.id)
        .limit(_MOST_REQUESTS)
    )
    return [_request(row, email) for row, email in await session.execute(rows)]


async def ask_about_one(
    session: AsyncSession, action: LetterAction, letter_id: UUID, *, account_id: UUID, now: datetime
) -> bool:
    """Replay or purge one kind; False where there is none by this id any more."""
    row = await session.get(DeadLetter, letter_id)
    if row is None:
        return False
    wanted = {"login": row.login or NO_LOGIN, "topic": row.topic, "reason": row.reason}
    await _ask(session, action, wanted, account_id, now)
    return True


async def ask_about_all(
    session: AsyncSession, action: LetterAction, *, login: str, reason: str, account_id: UUID, now: datetime
) -> None:
    """Replay or purge everything that a search finds; asked for again while it waits, it is one request."""
    await _ask(session, action, {"login": login, "reason": reason}, account_id, now)


async def want_replay(session: AsyncSession, *, login: str, reason: str, account_id: UUID, now: datetime) -> None:
    """Take up again what was set aside of a login for one reason. It is a part of an act, which the caller notes."""
    request = _request_row(LetterAction.REPLAY, {"login": login, "reason": reason}, account_id, now)
    session.add(request)
    await session.flush()


async def _ask(
    session: AsyncSession, action: LetterAction, wanted: dict[str, str], account_id: UUID, now: datetime
) -> None:
    # Of two equal forms of one person the second waits here and finds the first one's request.
    await session.execute(select(Account.id).where(Account.id == account_id).with_for_update())
    same = select(DeadLetterRequest.id).where(
        DeadLetterRequest.account_id == account_id,
        DeadLetterRequest.action == action,
        DeadLetterRequest.state == RequestState.WAITING,
        *(getattr(DeadLetterRequest, name) == wanted.get(name, "") for name in ("login", "topic", "reason")),
    )
    if (await session.execute(same.limit(1))).first() is not None:
        return
    request = _request_row(action, wanted, account_id, now)
    session.add(request)
    asked = Action.REPLAY_ASKED if action is LetterAction.REPLAY else Action.PURGE_ASKED
    subject = f"letter_request:{request.id}"
    await audit.record(session, asked, subject=subject, actor=account_id, details=wanted, now=now)


def _request_row(action: LetterAction, wanted: dict[str, str], account_id: UUID, now: datetime) -> DeadLetterRequest:
    return DeadLetterRequest(
        id=uuid4(),
        action=action,
        source=RequestSource.PAGE,
        account_id=account_id,
        requested_at=now,
        state=RequestState.WAITING,
        **wanted,
    )


def _conditions(login: str, reason: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [DeadLetter.count > 0]
    if login:
        conditions.append(DeadLetter.login == ("" if login == NO_LOGIN else login))
    if reason:
        conditions.append(DeadLetter.reason == reason)
    return conditions


def _kind(row: DeadLetter) -> Kind:
    return Kind(
        id=row.id,
        login=row.login,
        topic=plain(row.topic),
        title=title(row.reason),
        reason=row.reason,
        sentence=plain(row.detail),
        response=plain(row.response),
        count=row.count,
        kept=row.kept,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        payload=shown(row.payload, row.payload_bytes),
        form=PayloadForm(row.form),
        inverter_id=row.inverter_id,
    )


def _request(row: DeadLetterRequest, email: str | None) -> Request:
    named = [
        f"login {row.login}" if row.login and row.login != NO_LOGIN else "nobody's login" if row.login else "",
        title(row.reason).lower() if row.reason else "",
        f"topic {plain(row.topic)}" if row.topic else "",
        f"inverter {row.inverter_id}" if row.inverter_id else "",
    ]
    return Request(
        id=row.id,
        action=LetterAction(row.action),
        meaning=", ".join(part for part in named if part) or "everything",
        who=email or ("an account that is gone" if row.source == RequestSource.PAGE else str(row.source)),
        requested_at=row.requested_at,
        state=RequestState(row.state),
        chosen=row.chosen,
        done=row.done,
        again=row.again,
        error=row.error,
    )
