"""What the watch finds out by asking: a real spool and a real database, and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from bridge.broker_rules import BrokerRules
from bridge.broker_watch import BrokerWatch
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.spool import SqliteSpool
from bridge.edges.watch import Watch, Watched
from bridge.health import REGISTRY_STALE_S, State, live, ready
from bridge.kept import Line, SpoolUnavailable
from bridge.lanes import Lane
from bridge.observed import Role
from bridge.window import Window
from schema.changes import registry_changed, registry_version
from tests.bridge_set_up import Home
from tests.broker import Broker
from tests.databases import bring_up_to_date
from tests.waiting import until

pytestmark = pytest.mark.integration


@dataclass
class Scene:
    """A watch over a real spool and database; everything else stands still."""

    watch: Watch
    home: Home
    spool: SqliteSpool
    window: Window
    lanes: dict[UUID, Lane]
    registry: Any
    now: list[float] = field(default_factory=lambda: [1000.0])

    async def later(self, seconds: float) -> Any:
        """Let time pass, look, and say what was seen."""
        self.now[0] += seconds
        return await self.watch.look(writing=True)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A bridge that is active; the broker is never started."""
    place = Home(tmp_path, Broker(tmp_path / "broker"), f"sqlite:///{tmp_path}/deye.db")
    await bring_up_to_date(place.engine)
    place.settings.data_dir.mkdir()
    now = [1000.0]
    counters, clock = Counters(), Clock(monotonic=lambda: now[0])
    spool = SqliteSpool(place.settings.spool_path, max_bytes=2**20, counters=counters)
    async with place.sessions() as session:
        version = await registry_version(session)
    registry: Any = SimpleNamespace(directory=_Directory(version))
    lanes: dict[UUID, Lane] = {}
    window = Window()
    # What stands still: typed as anything, for none of it is asked for more than these names.
    connection: Any = SimpleNamespace(window=window, subscribed=True)
    writer: Any = SimpleNamespace(lanes=lanes.values(), servers=[])
    check: Any = SimpleNamespace(rules=BrokerRules())
    watch = Watch(place.settings, counters, clock)
    watch.attach(
        Watched(
            session=connection,
            writer=writer,
            spool=spool,
            registry=registry,
            sessions=place.sessions,
            broker=BrokerWatch(queue_limit=0, queue_limit_bytes=0),
            check=check,
        )
    )
    watch.active([])
    yield Scene(watch, place, spool, window, lanes, registry, now)
    spool.close()
    await place.engine.dispose()


class _Directory:
    def __init__(self, version: int) -> None:
        self.version = version

    def __len__(self) -> int:
        return 0


async def test_a_bridge_whose_parts_answer_is_well(scene: Scene) -> None:
    """Every question is put to the real thing."""
    seen = await scene.later(1)

    assert {name: part for name, part in ready(seen).items() if part.state is not State.OK} == {}
    assert seen.spool.size_bytes > 0
    assert seen.disk_free_bytes > 0
    assert seen.registry_age_s == 0


async def test_a_registry_that_stays_behind_the_database_grows_old(scene: Scene) -> None:
    """Its age counts from the last moment when both had the same version, and ends when it has caught up."""
    await scene.later(1)
    async with scene.home.sessions() as session, session.begin():
        newest = await registry_changed(session)
    behind = await scene.later(REGISTRY_STALE_S + 5)
    scene.registry.directory.version = newest
    current = await scene.later(2)

    assert behind.registry_age_s == pytest.approx(REGISTRY_STALE_S + 5)
    assert ready(behind)["database"].state is State.DEGRADED
    assert current.registry_age_s == 0


async def test_a_registry_that_was_never_current_grows_old_from_the_start(scene: Scene) -> None:
    """A bridge that began on its snapshot and never got further must not look fresh."""
    scene.registry.directory.version = -1

    seen = await scene.later(REGISTRY_STALE_S + 5)

    assert seen.registry_age_s == pytest.approx(REGISTRY_STALE_S + 5)


async def test_what_the_spool_holds_has_its_age_by_the_wall_clock(scene: Scene) -> None:
    """A restart of the bridge makes no record younger."""
    received = scene.watch._clock.now().replace(year=scene.watch._clock.now().year - 1)
    await scene.spool.commit([Line(uuid4(), 1, received, b"reading,serial=1 ac_power=1 1")], [])

    seen = await scene.later(1)

    assert seen.spool.oldest_s is not None
    assert seen.spool.oldest_s > 364 * 86_400
    assert seen.oldest_unwritten_s == seen.spool.oldest_s


async def test_a_parked_destination_has_the_age_of_its_parking(scene: Scene) -> None:
    """From the first look that saw it until it is served again; others do not matter."""
    one, other = Lane(uuid4()), Lane(uuid4())
    scene.lanes.update({lane.inverter_id: lane for lane in (one, other)})
    one.parked = True
    await scene.later(1)
    other.parked = True
    longest = await scene.later(100)
    one.parked = False
    rest = await scene.later(50)

    assert (longest.lanes.parked, longest.parked_longest_s) == (2, 100)
    assert (rest.lanes.parked, rest.parked_longest_s) == (1, 50)


async def test_the_oldest_message_in_the_window_has_its_age(scene: Scene) -> None:
    """By the arrival of its batch."""
    token = scene.window.admit(1)
    assert token is not None
    scene.watch.counters.times.arrivals.note(token, scene.now[0])

    waiting = await scene.later(7)
    scene.window.settle([token])
    empty = await scene.later(2)

    assert waiting.oldest_in_window_s == 7
    assert empty.oldest_in_window_s is None


async def test_live_rows_that_cannot_be_written_are_seen_until_one_is(scene: Scene) -> None:
    """Neither success nor failure leaves it as it was."""
    counters = scene.watch.counters
    counters.live_failures += 1
    failing = await scene.later(2)
    quiet = await scene.later(2)
    counters.live_rows_written += 1
    back = await scene.later(2)

    assert [bool(seen.live_fault) for seen in (failing, quiet, back)] == [True, True, False]


async def test_a_part_that_ended_by_itself_is_named(scene: Scene) -> None:
    """A loop that returned instead of raising would leave a bridge that does half of its work."""
    ended = asyncio.create_task(asyncio.sleep(0), name="bridge.keeper")
    going = asyncio.create_task(asyncio.sleep(60), name="bridge.receiver")
    scene.watch.active([ended, going])
    await until(ended.done)
    seen = await scene.later(2)
    scene.watch.role = Role.STOPPING
    stopping = await scene.later(2)
    going.cancel()

    assert live(seen)["tasks"].detail == "ended: bridge.keeper"
    assert live(stopping)["tasks"].state is State.OK


async def test_many_who_ask_at_once_cost_one_question(scene: Scene) -> None:
    """An answer younger than a second is used again: each question writes to the disk."""
    asked = 0
    real = scene.spool.run

    async def counted(action: Any) -> Any:
        nonlocal asked
        asked += 1
        return await real(action)

    scene.spool.run = counted  # type: ignore[method-assign]
    scene.now[0] += 10

    await asyncio.gather(*(scene.watch.look(writing=True) for _ in range(20)))

    assert asked == 1


async def test_a_spool_that_says_why_it_fails_is_quoted(scene: Scene) -> None:
    """The system's own words: full, read-only or broken are three different errands."""

    async def broken(_: Any) -> Any:
        raise SpoolUnavailable("OperationalError('attempt to write a readonly database')")

    scene.spool.run = broken  # type: ignore[method-assign,assignment]

    seen = await scene.later(2)

    assert "readonly" in ready(seen)["spool"].detail
    assert seen.spool.limit_bytes > 0


async def test_a_fault_of_the_watch_ends_nothing(scene: Scene) -> None:
    """It is counted, and the next look goes on."""

    async def defect(_: Any) -> Any:
        raise RuntimeError("a defect")

    whole, scene.spool.run = scene.spool.run, defect  # type: ignore[method-assign,assignment]
    await scene.later(2)
    scene.spool.run = whole  # type: ignore[method-assign]
    seen = await scene.later(2)

    assert scene.watch.counters.faults == 1
    assert ready(seen)["spool"].state is State.OK
