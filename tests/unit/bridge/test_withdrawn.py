"""A login is withdrawn while its lines are on their way: what has not left yet is a dead letter, what has is valid."""

import asyncio

import pytest

from bridge.batch import Parcel
from bridge.kept import Line
from bridge.records import pack
from bridge.refusals import Reason
from bridge.routes import Route
from schema.timeseries.port import PointsRefused, StoreUnavailable
from tests.fakes import BOB_LOGIN, route, row_of
from tests.writer_bench import Bench, at_work, balanced

pytestmark = pytest.mark.unit


def _send(bench: Bench, one: Route, *lines: bytes) -> None:
    """Lines of this login that each settle a message of their own."""
    bench.writer.add(
        [
            Parcel(
                inverter_id=one.inverter_id,
                login=one.login,
                topic=f"deye/{one.login}/reading",
                line=line,
                tokens=[bench.session.deliver(f"deye/{one.login}/reading", line).token],
                since=bench.time.seconds,
            )
            for line in lines
        ]
    )


def _withdraw(bench: Bench, one: Route) -> None:
    """The directory takes the version that withdraws the login."""
    bench.registry.directory.put(one.login, pack([row_of(one)], revoked=True))


def _kept(bench: Bench) -> list[bytes]:
    return [entry.line for entry in bench.spool.records.values() if isinstance(entry, Line)]


def _letters(bench: Bench) -> list[tuple[bytes, Reason]]:
    return [(letter.payload, letter.reason) for letter in bench.spool.letters]


async def test_what_waits_behind_a_request_is_not_sent_any_more() -> None:
    """The request under way may finish; neighbours are not touched; every message finds its end."""
    alice, bob = route(), route(BOB_LOGIN)
    async with at_work(Bench(alice, bob)) as bench:
        bench.store.faults[alice.inverter_id] = hanging = asyncio.Event()
        _send(bench, alice, b"1")
        await bench.sweep(0.0)
        _send(bench, alice, b"2", b"3")
        _withdraw(bench, alice)
        hanging.set()
        _send(bench, bob, b"4")
        await bench.quiet()

    assert bench.store.lines_of(alice.inverter_id) == [b"1"]
    assert bench.store.lines_of(bob.inverter_id) == [b"4"]
    assert _letters(bench) == [(b"2", Reason.REVOKED_LOGIN), (b"3", Reason.REVOKED_LOGIN)]
    assert sorted(bench.session.acknowledged) == [1, 2, 3, 4]
    assert balanced(bench)


async def test_a_request_that_fails_after_the_withdrawal_is_not_kept_for_a_second_try() -> None:
    """Else its lines would be stored later."""
    alice = route()
    async with at_work(Bench(alice)) as bench:
        bench.store.faults[alice.inverter_id] = hanging = asyncio.Event()
        _send(bench, alice, b"1")
        await bench.sweep(0.0)
        _withdraw(bench, alice)
        bench.store.largest, bench.store.too_large = 0, StoreUnavailable("away")
        hanging.set()
        await bench.quiet()

    assert bench.store.written == []
    assert _kept(bench) == []
    assert _letters(bench) == [(b"1", Reason.REVOKED_LOGIN)]


async def test_halves_of_a_refused_batch_are_new_requests() -> None:
    """What is narrowed down after the withdrawal goes nowhere."""
    alice = route()
    async with at_work(Bench(alice)) as bench:
        gate = asyncio.Event()
        bench.store.faults[alice.inverter_id] = gate
        _send(bench, alice, b"0")
        await bench.sweep(0.0)
        _send(bench, alice, b"1", b"bad", b"2", b"3")
        bench.store.refused_lines[b"bad"] = PointsRefused("bad", status=400)
        asked = bench.store.requests.copy()

        def withdraw_at_the_first_refusal() -> None:
            if len(bench.store.requests) > len(asked) and not bench.registry.directory.login(alice.login).revoked:  # type: ignore[union-attr]  # it is known
                _withdraw(bench, alice)

        gate.set()
        for _ in range(40):
            await asyncio.sleep(0)
            withdraw_at_the_first_refusal()
        await bench.quiet()

    assert bench.store.lines_of(alice.inverter_id) == [b"0"]
    assert {reason for _, reason in _letters(bench)} == {Reason.REVOKED_LOGIN}
    assert len(_letters(bench)) == 4
    assert balanced(bench)


async def test_what_the_spool_has_was_received_before_and_stays_valid() -> None:
    """It was acknowledged; it is stored when the store is back, while what comes now is refused."""
    alice = route()
    async with at_work(Bench(alice)) as bench:
        bench.store.faults[alice.inverter_id] = StoreUnavailable("away", answered=True)
        _send(bench, alice, b"1")
        await bench.quiet()
        before = _kept(bench)
        _withdraw(bench, alice)
        _send(bench, alice, b"2")
        bench.store.faults[alice.inverter_id] = None
        for _ in range(100):
            await bench.sweep(0.5)
        await bench.quiet()

    assert before == [b"1"]
    assert bench.store.lines_of(alice.inverter_id) == [b"1"]
    assert _letters(bench) == [(b"2", Reason.REVOKED_LOGIN)]


async def test_a_stop_keeps_nothing_of_a_withdrawn_login() -> None:
    """The last way into the spool asks, too."""
    alice = route()
    bench = Bench(alice)
    _send(bench, alice, b"1")
    _withdraw(bench, alice)
    async with at_work(bench):
        bench.writer.keep_all()
        await bench.quiet()

    assert _kept(bench) == []
    assert bench.store.written == []
    assert _letters(bench) == [(b"1", Reason.REVOKED_LOGIN)]
