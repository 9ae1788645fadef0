"""What owners should know is one row for equal trouble, counted, hidden by a click and back when it happens again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from schema import notices
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import Notice, NoticeKind, Owner
from tests.databases import bring_up_to_date

pytestmark = pytest.mark.integration

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """A migrated database of each kind."""
    engine = create_engine_for(database_url)
    await bring_up_to_date(engine)
    yield sessions_for(engine)
    await engine.dispose()


@pytest.fixture
async def owner_id(sessions: Sessions) -> UUID:
    """Somebody to be told."""
    owner = Owner(id=uuid4(), name="an owner", created_at=NOON)
    async with sessions.begin() as session:
        session.add(owner)
    return owner.id


async def flap(sessions: Sessions, owner_id: UUID, now: datetime, *, times: int = 1, login: str = "AAAA222222") -> None:
    """Two programs have thrown each other out."""
    async with sessions.begin() as session:
        await notices.note(
            session,
            NoticeKind.FLAPPING,
            owner_id=owner_id,
            login=login,
            now=now,
            details={"times": times},
            times=times,
        )


async def rows(sessions: Sessions) -> list[Notice]:
    """All notices, the oldest first."""
    async with sessions() as session:
        return list((await session.scalars(select(Notice).order_by(Notice.first_at, Notice.login))).all())


async def hide(sessions: Sessions, at: datetime) -> None:
    """Its owner has read it."""
    async with sessions.begin() as session:
        await session.execute(update(Notice).values(hidden_at=at))


async def test_equal_trouble_is_one_row_with_a_count(sessions: Sessions, owner_id: UUID) -> None:
    """First and last time, and the newest details; another login's is another row."""
    await flap(sessions, owner_id, NOON, times=3)
    await flap(sessions, owner_id, NOON + timedelta(minutes=5), times=4)
    await flap(sessions, owner_id, NOON + timedelta(minutes=6), login="BBBB222222")

    first, second = await rows(sessions)
    assert (first.count, first.first_at, first.last_at) == (7, NOON, NOON + timedelta(minutes=5))
    assert first.details == {"times": 4}
    assert (second.login, second.count) == ("BBBB222222", 1)


async def test_many_at_once_are_all_counted(sessions: Sessions, owner_id: UUID) -> None:
    """The first ones race for the row."""
    await asyncio.gather(*(flap(sessions, owner_id, NOON + timedelta(seconds=number)) for number in range(20)))

    (row,) = await rows(sessions)
    assert row.count == 20
    assert row.last_at == NOON + timedelta(seconds=19)


async def test_what_was_hidden_stays_so_for_a_day_and_then_comes_back(sessions: Sessions, owner_id: UUID) -> None:
    """Whoever has read it is not told the same thing every minute."""
    await flap(sessions, owner_id, NOON)
    await hide(sessions, NOON + timedelta(minutes=1))

    await flap(sessions, owner_id, NOON + timedelta(hours=23))
    (soon,) = await rows(sessions)
    await flap(sessions, owner_id, NOON + timedelta(days=1, minutes=1))
    (later,) = await rows(sessions)

    assert soon.hidden_at == NOON + timedelta(minutes=1)
    assert (soon.count, later.count) == (2, 3)
    assert later.hidden_at is None
    assert later.first_at == NOON


async def test_after_a_rest_it_begins_anew(sessions: Sessions, owner_id: UUID) -> None:
    """Three times in spring and once today is not "four times since spring"."""
    await flap(sessions, owner_id, NOON, times=3)
    await hide(sessions, NOON + timedelta(days=89, hours=12))
    again = NOON + timedelta(days=90)

    await flap(sessions, owner_id, again)

    (row,) = await rows(sessions)
    assert (row.count, row.first_at, row.last_at, row.hidden_at) == (1, again, again, None)


async def test_a_clock_that_steps_back_takes_no_last_time_back(sessions: Sessions, owner_id: UUID) -> None:
    """The newest time stands."""
    await flap(sessions, owner_id, NOON)
    await flap(sessions, owner_id, NOON - timedelta(minutes=5))

    (row,) = await rows(sessions)
    assert (row.count, row.last_at) == (2, NOON)


async def test_nobody_is_told_where_the_owner_is_gone(sessions: Sessions) -> None:
    """The caller hears of it."""
    with pytest.raises(IntegrityError):
        await flap(sessions, uuid4(), NOON)
