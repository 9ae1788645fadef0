"""The network, the clock and the crowd (scenarios 11, 17, 19 and 20; F3, F5, F10, F15 to F18)."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from bridge.app import Bridge
from bridge.clock import Clock
from bridge.refusals import Reason
from tests.bridge_set_up import SECRET, Paired
from tests.faults.arena import RECOVERED_WITHIN_S, Arena
from tests.hostile.attack import Attack
from tests.hostile.wire import Wire
from tests.waiting import until

_KEEPALIVE_S = 4
_CROWD = 60


async def the_broker_falls_silent(arena: Arena) -> None:
    """11, F18: half-open: noticed within one and a half keep-alives, and everything goes on afterwards."""
    async with arena.bridge() as one:
        async with arena.stream(pace_s=0.05):
            await arena.under_way()
            arena.broker_road.weather.silent = True
            began, before = time.monotonic(), arena.broker_road.accepted
            await until(lambda: arena.broker_road.accepted > before, limit_s=4 * _KEEPALIVE_S)
            noticed_s = time.monotonic() - began
            arena.broker_road.fine()
            await until(lambda: one.session.subscribed, limit_s=30.0)
            await arena.moment()
        await arena.arrived()
    # Two seconds more for a loop that looks once a second, and for a computer that does other things.
    assert noticed_s <= 1.5 * _KEEPALIVE_S + 2


async def every_packet_is_late_and_in_pieces(arena: Arena) -> None:
    """11: 1 to 7 bytes at a time on both roads, and late."""
    async with arena.bridge() as one:
        async with arena.stream(pace_s=0.1):
            await arena.under_way()
            for road in (arena.broker_road, arena.store_road):
                road.weather.piece = arena.dice.randrange(1, 8)
                road.weather.latency_s = arena.dice.choice((0.0, 0.0001))
            await arena.moment(30, 60)
            arena.broker_road.fine()
            arena.store_road.fine()
        await arena.arrived()
        assert one.session.subscribed


async def connections_are_reset_again_and_again(arena: Arena) -> None:
    """F16: each time everything unsettled is delivered once more, DUP set; one point each."""
    async with arena.bridge() as one:
        async with arena.stream():
            for _ in range(4):
                await arena.under_way()
                # A slow store, so that something is unsettled when the connection goes.
                arena.store_road.weather.latency_s = arena.dice.choice((0.05, 0.2))
                await until(lambda: len(one.session.window))
                arena.broker_road.reset()
                if arena.dice.random() < 0.5:
                    arena.store_road.reset()
                await until(lambda: one.session.subscribed)
            arena.store_road.fine()
        await arena.arrived()
        assert one.session.window.received > arena.sent + 1


async def every_reading_comes_three_times(arena: Arena) -> None:
    """F16, T13: a publisher that repeats itself writes the same point again."""
    async with arena.bridge():
        async with arena.stream():
            await arena.under_way()
        for _ in range(2):
            for tenant in arena.tenants:
                tenant.ledger.throw_again(arena.loggers[tenant.paired.login])
        await arena.arrived()


async def the_clock_jumps(arena: Arena) -> None:
    """17, F15: an hour and a day, forth and back: times of the payload are stored as they are, pauses end in time."""
    jump = timedelta()

    def now() -> datetime:
        return datetime.now(UTC) + jump

    hours = [1, -1, 24, -24, 0]
    arena.dice.shuffle(hours)
    async with arena.bridge(clock=Clock(now=now)):
        async with arena.stream():
            for number in hours:
                await arena.under_way()
                jump = timedelta(hours=number)
                if number == hours[2]:
                    await arena.store_road.refuse()
                    await arena.moment()
                    await arena.store_road.start()
            await arena.moment()
            jump = timedelta()
        await arena.arrived()


async def a_device_lives_in_1970(arena: Arena) -> None:
    """17: times that cannot be right: the arrival is stored, the owner told; neighbours are not touched."""
    odd = arena.tenants.pop()
    logger = arena.loggers[odd.paired.login]
    began = datetime.now(UTC)
    values = [float(number) for number in range(1, 31)]
    async with arena.bridge() as one:
        async with arena.stream():
            for value in values:
                at = arena.dice.choice(("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", 0, 4_102_444_800_000, "soon"))
                await logger.send(odd.paired.topic(), {"ac_power": value, "time": at})
        await arena.arrived()
        await until(lambda: len(arena.site.points(odd)) == len(values))
        told = one.counters.refusals[Reason.BAD_TIME]
    points = arena.site.points(odd)
    assert [points[at] for at in sorted(points)] == values
    assert all(began - timedelta(seconds=1) <= at <= datetime.now(UTC) for at in points)
    assert told == len(values)


async def a_crowd_comes_back_at_once(arena: Arena) -> None:
    """19, F3: the broker restarts, everybody reconnects in the same moment and sends a burst: all of it arrives."""
    crowd = [await arena.site.tenant(f"28{number:08}") for number in range(_CROWD)]
    arena.everybody.extend(crowd)
    broker = arena.site.place.broker
    start = int(datetime.now(UTC).timestamp()) - 5_000
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            broker.stop()
            broker.start()
            began = time.monotonic()
            await asyncio.gather(*(_burst(broker.port, each.paired, start) for each in crowd))
            await until(lambda: one.session.subscribed, limit_s=60.0)
            back_s = time.monotonic() - began
        await arena.arrived()
        wanted = {datetime.fromtimestamp(start + number, UTC): float(number) for number in range(5)}
        for each in crowd:
            await until(lambda each=each: arena.site.points(each) == wanted, limit_s=60.0)  # type: ignore[misc]
    assert back_s < 60.0


async def _burst(port: int, paired: Paired, start: int) -> None:
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(Wire(port, paired.login, SECRET))
        for number in range(5):
            payload = f'{{"ac_power": {number}.0, "time": {start + number}}}'
            await wire.send(Attack("burst", paired.topic().encode(), payload.encode()))
        await wire.drained()
        assert wire.answers.codes[0] == 5


async def the_store_takes_a_twentieth(arena: Arena) -> None:
    """F17: twenty times as much comes as the store takes: the window keeps its limit, the broker drops nothing."""
    most = 0
    async with arena.bridge() as one:
        arena.store_road.weather.latency_s = 0.3
        async with arena.stream(pace_s=0.002):
            for _ in range(10):
                await arena.moment(50, 100)
                most = max(most, len(one.session.window))
        arena.store_road.fine()
        await arena.arrived()
        dropped = one.broker.lost
    assert most <= arena.site.place.settings.receive_maximum
    assert not dropped


async def one_owner_sends_nothing_but_poison(arena: Arena) -> None:
    """F10: thousands of messages nobody can read: the bridge stays, and the neighbours have everything."""
    poisoner = arena.tenants.pop()
    count = 2_000
    # His own connection: a second one on his login would be thrown out as soon as the first one is back.
    logger, topic = arena.loggers[poisoner.paired.login], poisoner.paired.topic()
    async with arena.bridge() as one:
        async with arena.stream():
            thrown = [logger.throw(topic, b"poison %d" % number) for number in range(count)]
            await until(lambda: all(acknowledged() for acknowledged in thrown), limit_s=RECOVERED_WITHIN_S)
        await arena.arrived()
        refused = one.counters.outcomes["dead_lettered"] + one.counters.outcomes["over_quota"]
    assert refused == count
    assert arena.site.points(poisoner) == {}


async def whatever_comes(arena: Arena) -> None:
    """20: a dozen faults one after the other, drawn by chance, under load."""
    async with arena.bridge() as one:
        async with arena.stream():
            for _ in range(12):
                await arena.moment(20, 100)
                await arena.dice.choice(_FAULTS)(arena, one)
            arena.broker_road.fine()
            arena.store_road.fine()
            await until(lambda: one.session.subscribed, limit_s=30.0)
        await arena.arrived()


async def _reset(arena: Arena, _: Bridge) -> None:
    arena.dice.choice((arena.broker_road, arena.store_road)).reset()


async def _slow(arena: Arena, _: Bridge) -> None:
    arena.dice.choice((arena.broker_road, arena.store_road)).weather.latency_s = arena.dice.uniform(0, 0.05)


async def _deaf(arena: Arena, _: Bridge) -> None:
    arena.store_road.weather.deaf = True


async def _fine(arena: Arena, _: Bridge) -> None:
    arena.store_road.fine()
    arena.broker_road.fine()


async def _restarted_broker(arena: Arena, one: Bridge) -> None:
    arena.site.place.broker.stop()
    arena.site.place.broker.start()
    arena.broker_road.fine()
    await until(lambda: one.session.subscribed, limit_s=30.0)


async def _store_gone(arena: Arena, _: Bridge) -> None:
    await arena.store_road.refuse()
    await arena.moment()
    await arena.store_road.start()


async def _new_token(arena: Arena, _: Bridge) -> None:
    await arena.site.new_token(arena.dice.choice(arena.tenants))


_FAULTS = (_reset, _reset, _slow, _deaf, _fine, _fine, _restarted_broker, _store_gone, _new_token)
