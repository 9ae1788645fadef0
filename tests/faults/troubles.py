"""The store is away, slow, wrong or refuses (scenarios 3 to 8 and 14; F4 to F9, F12): only what it refuses for ever is
set aside, and only whoever is concerned waits.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.app import Bridge
from bridge.refusals import Reason
from tests.bridge_set_up import outcomes
from tests.fake_influx import Fault
from tests.faults.arena import Arena
from tests.influx_site import Tenant
from tests.waiting import until

_STATUSES = (500, 502, 503, 429)
_WISHES = ("", "1", "0", "-5", "garbage", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 30)


async def the_store_refuses_connections(arena: Arena) -> None:
    """3, F4: acknowledging goes on from the spool, the window stays within its limit, everything is drained."""
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            await arena.store_road.refuse()
            await arena.moment(100, 400)
            await _acknowledges_on(arena, one)
            await arena.store_road.start()
            await arena.moment()
        await arena.arrived()


async def _acknowledges_on(arena: Arena, one: Bridge) -> None:
    """More is settled while the store is away, and no more is held than was asked for."""
    goal = one.session.window.settled + 50
    await until(lambda: one.session.window.settled >= goal, limit_s=30.0)
    assert len(one.session.window) <= arena.site.place.settings.receive_maximum


async def the_store_falls_silent(arena: Arena) -> None:
    """4: it accepts and never answers."""
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            arena.store_road.weather.silent = True
            await arena.moment()
            await _acknowledges_on(arena, one)
            arena.store_road.fine()
        await arena.arrived()


async def the_stores_answers_are_lost(arena: Arena) -> None:
    """4: it writes, and the network loses what it says: written again, and still one point each."""
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            arena.store_road.weather.deaf = True
            await arena.moment()
            await _acknowledges_on(arena, one)
            arena.store_road.fine()
        await arena.arrived()


async def the_store_is_slow(arena: Arena) -> None:
    """F5: answers take longer than the bridge waits, or come byte by byte."""
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            arena.store_road.weather.latency_s = arena.dice.choice((0.2, 0.6, 1.5))
            await arena.moment()
            await _acknowledges_on(arena, one)
            arena.store_road.fine()
            arena.store_road.weather.piece = 1
            await arena.moment()
            arena.store_road.fine()
        await arena.arrived()


async def the_store_answers_with_errors(arena: Arena) -> None:
    """5, F12: errors of every kind, with wishes for a pause that can be read and that cannot; ten of them."""
    async with arena.bridge():
        async with arena.stream():
            for _ in range(10):
                status, wish = arena.dice.choice(_STATUSES), arena.dice.choice(_WISHES[:-1])
                arena.influx.faults.append(Fault(status=status, retry_after=wish, times=arena.dice.randrange(1, 3)))
            await until(lambda: not arena.influx.faults, limit_s=60.0)
        await arena.arrived()


async def one_owners_credential_fails(arena: Arena) -> None:
    """6, F6: 401, 403 or 404 for one owner: she is parked without a storm of requests, the others go on, and a repair
    releases her without a restart.
    """
    broken, *others = arena.tenants
    async with arena.bridge():
        async with arena.stream():
            await arena.under_way()
            how = arena.dice.choice((_unknown, _without_rights, _bucket_gone))
            before = len(arena.influx.writes)
            restore = how(arena, broken)
            await arena.moment(50, 200)
            for tenant in others:
                seen = dict(tenant.ledger.sent)
                await until(lambda t=tenant, s=seen: s.items() <= arena.site.points(t).items(), limit_s=30.0)  # type: ignore[misc]
            refused = [seen for seen in arena.influx.writes[before:] if seen.status in {401, 403, 404}]
            restore()
            await arena.site.new_token(broken)
        await arena.arrived()
    assert 1 <= len(refused) <= 5


Mend = Callable[[], None]


def _unknown(arena: Arena, tenant: Tenant) -> Mend:
    arena.influx.state.delete_authorization(tenant.token_id)
    return lambda: None


def _without_rights(arena: Arena, tenant: Tenant) -> Mend:
    known = arena.influx.state.authorizations
    (hashed,) = [key for key, one in known.items() if one.id == tenant.token_id]
    known[hashed] = replace(known[hashed], rights=frozenset())
    return lambda: None


def _bucket_gone(arena: Arena, tenant: Tenant) -> Mend:
    bucket = arena.influx.state.buckets.pop(tenant.bucket_id)
    return lambda: arena.influx.state.buckets.update({bucket.id: bucket})


async def single_lines_are_refused_for_ever(arena: Arena) -> None:
    """7, F8, F9: a line the store cannot read, a type that conflicts, a time beyond the retention: each by itself
    becomes a dead letter, its neighbours are stored.
    """
    tenant = arena.tenants[0]
    bucket = arena.influx.state.buckets[tenant.bucket_id]
    bucket.types["reading", "x_conflict"] = str
    bucket.retention_s = 86_400
    arena.influx.poison = b"x_poison"
    logger = arena.loggers[tenant.paired.login]
    async with arena.bridge():
        async with arena.stream():
            await arena.under_way()
            for extra in ({"conflict": 1.0}, {"poison": 1.0}, {}, {"poison": 2.0}):
                await arena.moment(5, 30)
                # None of these times is one of the ledger's.
                back = timedelta(days=2) if not extra else timedelta(seconds=arena.dice.randrange(10_000, 20_000))
                at = datetime.now(UTC) - back
                await logger.send(tenant.paired.topic(), {"ac_power": 1.0, "time": at.isoformat(), **extra})
                arena.refused.setdefault(tenant.bucket_id, set()).add(at)
        await arena.arrived()
    assert {letter.reason for letter in await arena.site.place.letters()} <= {"store_refused"}


async def a_proxy_takes_only_small_requests(arena: Arena) -> None:
    """8: a 413 halves the request; a single line beyond the limit becomes a dead letter."""
    arena.influx.largest_body = arena.dice.randrange(150, 600)
    tenant = arena.tenants[0]
    logger = arena.loggers[tenant.paired.login]
    async with arena.bridge():
        async with arena.stream():
            await arena.under_way()
            await arena.store_road.refuse()
            await arena.moment(100, 200)
            await arena.store_road.start()
            at = datetime.now(UTC) - timedelta(seconds=15_000)
            many = {f"extra_{number}": 1.5 for number in range(60)}
            await logger.send(tenant.paired.topic(), {"time": at.isoformat(), **many})
            arena.refused.setdefault(tenant.bucket_id, set()).add(at)
        await arena.arrived()


async def tokens_are_rotated_again_and_again(arena: Arena) -> None:
    """14, F6: the old token is dead a moment before the registry names the new one."""
    async with arena.bridge():
        async with arena.stream():
            for _ in range(4):
                await arena.moment()
                tenant = arena.dice.choice(arena.tenants)
                arena.influx.state.delete_authorization(tenant.token_id)
                await arena.site.new_token(tenant)
        await arena.arrived()


async def a_bucket_is_deleted_by_hand(arena: Arena) -> None:
    """14, F7: its owner waits until there is one again, as the provisioner makes it; the others do not notice."""
    tenant = arena.tenants[0]
    async with arena.bridge():
        async with arena.stream():
            await arena.under_way()
            restore = _bucket_gone(arena, tenant)
            await arena.moment(50, 200)
            restore()
            await arena.site.new_token(tenant)
        await arena.arrived()


async def an_inverter_is_deleted_in_mid_stream(arena: Arena) -> None:
    """14: what comes after the deletion is known is a dead letter, and no neighbour loses anything."""
    gone = arena.tenants[0]
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            if arena.dice.random() < 0.5:
                await arena.store_road.refuse()
                await arena.moment()
            await arena.site.place.delete(gone.paired)
            await until(lambda: {Reason.UNKNOWN_LOGIN, Reason.WRONG_TOPIC} & one.counters.refusals.keys())
            before = dict(gone.ledger.sent)
            await arena.moment()
            with suppress(OSError):
                await arena.store_road.start()
        await gone.ledger.acknowledged()
        arena.tenants.remove(gone)
        await arena.arrived()
        await until(lambda: sum(outcomes(one).values()) == arena.sent)
    assert arena.site.points(gone).items() <= before.items()
    assert len(gone.ledger.sent) > len(before)
