"""Requests about dead letters, on a real spool and database: what fails fails alone and is told."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bridge.counters import Counters
from bridge.edges.dead_letters import DeadLetterCopy
from bridge.edges.letter_requests import EXPIRE_EVERY_S, LetterRequests
from bridge.edges.spool import SqliteSpool
from bridge.kept import KeptLetter, Letter
from bridge.refusals import Reason
from schema.database import create_engine_for, sessions_for
from schema.models import DeadLetter, DeadLetterRequest, LetterAction, RequestSource, RequestState
from tests.databases import bring_up_to_date
from tests.fakes import ALICE_LOGIN, NOON, FakeRegistry, FakeTime

pytestmark = pytest.mark.integration


class Bench:
    """Requests carried out by hand; ``taken`` is what was taken up, ``fault`` is raised then."""

    def __init__(self, spool: SqliteSpool, folder: Path) -> None:
        self.spool = spool
        self.time = FakeTime()
        # How wrong the wall clock is.
        self.ahead = timedelta(0)
        clock = replace(self.time.clock(), now=lambda: self.time.now() + self.ahead)
        self.counters = Counters()
        self.registry = FakeRegistry()
        self.taken: list[KeptLetter] = []
        self.fault: Exception | None = None
        self.settle = True
        url = f"sqlite:///{folder}/deye.db"
        self.engine = create_engine_for(url)
        self.sessions = sessions_for(self.engine)
        copy = DeadLetterCopy(spool, self.sessions, url, self.time.clock(), self.counters)
        self.requests = LetterRequests(
            spool=spool,
            copy=copy,
            sessions=self.sessions,
            url=url,
            registry=self.registry,
            replays=self,
            clock=clock,
            counters=self.counters,
            keep=timedelta(days=14),
        )

    def take(self, kept: Sequence[KeptLetter]) -> None:
        """Everything taken up is stored at once, unless told otherwise."""
        if self.fault is not None:
            raise self.fault
        self.taken.extend(kept)
        if self.settle:
            self.spool.forget_soon([one.record for one in kept])  # type: ignore[attr-defined]  # see _Spool

    async def ask(self, action: LetterAction = LetterAction.REPLAY, **named: object) -> UUID:
        """A request, one second after the one before."""
        self.time.seconds += 1
        request = DeadLetterRequest(
            id=uuid4(), action=action, source=RequestSource.COMMAND, requested_at=self.time.now(), **named
        )
        async with self.sessions.begin() as session:
            session.add(request)
        return request.id

    async def answer(self, request_id: UUID) -> DeadLetterRequest:
        """The request's row now."""
        async with self.sessions() as session:
            found = await session.get(DeadLetterRequest, request_id)
        assert found is not None
        return found


class _Spool(SqliteSpool):
    """A spool that can be told to forget from outside a coroutine, as the keeper would by and by."""

    def forget_soon(self, records: list[int]) -> None:
        self._loop.create_task(self.commit([], records))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Three letters of Alice's and a migrated database."""
    spool = _Spool(tmp_path / "spool.db", max_bytes=10_000_000, counters=Counters())
    bench = Bench(spool, tmp_path)
    await bring_up_to_date(bench.engine)
    letters = [Letter(ALICE_LOGIN, None, "deye/x", b"%d" % number, Reason.NOT_JSON, "No.", NOON) for number in range(3)]
    await spool.commit(letters, [])
    yield bench
    await bench.engine.dispose()
    spool.close()


async def test_what_was_begun_goes_first_then_the_oldest(bench: Bench) -> None:
    """A request that a crash interrupted is not overtaken."""
    later = await bench.ask(login=ALICE_LOGIN)
    begun = await bench.ask(login="BBBBBBBBBB", state=RequestState.RUNNING)

    await bench.requests.turn()
    first = [(await bench.answer(one)).state for one in (begun, later)]
    await bench.requests.turn()

    assert first == [RequestState.DONE, RequestState.WAITING]
    assert (await bench.answer(later)).state == RequestState.DONE
    assert [one.payload for one in bench.taken] == [b"0", b"1", b"2"]
    assert await bench.requests.turn() is False


async def test_a_request_that_the_code_fails_on_fails_alone(bench: Bench) -> None:
    """Its row says so, its letters are kept, and the next request is carried out."""
    bench.fault = ValueError("a bug")
    poisoned = await bench.ask()
    await bench.requests.turn()
    bench.fault = None
    next_one = await bench.ask()
    await bench.requests.turn()

    failed, done = await bench.answer(poisoned), await bench.answer(next_one)
    assert (failed.state, "is kept" in failed.error) == (RequestState.FAILED, True)
    assert (done.state, done.done) == (RequestState.DONE, 3)
    assert bench.counters.faults == 1


async def test_letters_without_an_outcome_end_the_request_and_are_kept(bench: Bench) -> None:
    """Nothing answers for them: after some rounds the request says how many there are, instead of going on for ever."""
    bench.settle = False
    request_id = await bench.ask()

    await bench.requests.turn()

    request = await bench.answer(request_id)
    assert (request.state, request.chosen, request.done) == (RequestState.FAILED, 3, 0)
    assert "3 originals have no outcome yet" in request.error
    assert len(bench.taken) == 15


async def test_a_process_that_dies_of_a_replay_stops_trying(bench: Bench) -> None:
    """Five starts in vain are enough: a message that ends the bridge must not do it for ever."""
    request_id = await bench.ask()
    for _ in range(5):
        bench.requests._started.clear()
        bench.fault = OSError("the process ends here")
        with pytest.raises(OSError, match="ends here"):
            await bench.requests.turn()
    bench.fault = None
    bench.requests._started.clear()

    await bench.requests.turn()

    assert (await bench.answer(request_id)).state == RequestState.FAILED
    assert bench.taken == []


async def test_the_database_is_asked_about_logins_before_they_are_taken_for_unknown(bench: Bench) -> None:
    """While it cannot be asked, nothing is taken up; afterwards it is."""
    bench.registry.away = True
    request_id = await bench.ask()
    with pytest.raises(Exception, match="away"):
        await bench.requests.turn()
    taken_while_away = list(bench.taken)
    bench.registry.away = False

    await bench.requests.turn()

    assert taken_while_away == []
    assert (await bench.answer(request_id)).done == 3


async def test_a_purge_that_was_interrupted_says_how_many_it_dropped(bench: Bench) -> None:
    """The spool has nothing left by then; the row remembers what there was."""
    await bench.spool.run(lambda file: file.letters.forget([]))
    request_id = await bench.ask(LetterAction.PURGE, state=RequestState.RUNNING, chosen=7)

    await bench.requests.turn()

    request = await bench.answer(request_id)
    assert (request.state, request.done) == (RequestState.DONE, 7)


async def test_a_clock_that_is_far_ahead_for_a_while_makes_no_letter_old(bench: Bench) -> None:
    """At the start or later; what is old by a clock that has not been set for an hour goes."""
    bench.time.seconds = EXPIRE_EVERY_S / 2
    for ahead in (timedelta(days=3650), timedelta(0), timedelta(days=3650)):
        bench.ahead = ahead
        await bench.requests.look()
        bench.time.seconds += EXPIRE_EVERY_S * 0.9
        await bench.requests.look()
    kept = bench.counters.letters_expired
    bench.ahead = timedelta(0)
    for _ in range(15):
        bench.time.seconds += 86_400
        await bench.requests.look()

    assert (kept, bench.counters.letters_expired) == (0, 3)


async def test_old_copies_and_requests_go_with_old_letters(bench: Bench) -> None:
    """Also copies of a spool that is no more."""
    old = NOON - timedelta(days=20)
    letter = DeadLetter(
        id=uuid4(), login="x", topic="deye/x", payload=b"", reason="not_json", first_seen_at=old, last_seen_at=old
    )
    async with bench.sessions.begin() as session:
        session.add(letter)
    finished = await bench.ask(state=RequestState.DONE, finished_at=old)
    recent = await bench.ask(state=RequestState.DONE, finished_at=NOON)

    await bench.requests.expire()

    async with bench.sessions() as session:
        left = [await session.get(DeadLetter, letter.id), await session.get(DeadLetterRequest, finished)]
        kept = await session.get(DeadLetterRequest, recent)
    assert left == [None, None]
    assert kept is not None
