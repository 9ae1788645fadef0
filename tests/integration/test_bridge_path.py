"""The bridge's whole path on real parts: a logger publishes, the store answers, the live row shows it."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.keeper import Outcome
from schema.models import ClaimState, PlacementState, Rung
from schema.timeseries.port import StoreUnavailable
from tests.bridge_set_up import Home, Publisher, bridge, home, outcomes, reached, settled
from tests.broker import Broker, broker
from tests.fakes import FakeStore
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test's own."""
    with broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, server: Broker, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside the broker."""
    async with home(tmp_path, server, database_url) as made:
        yield made


@pytest.fixture
async def sqlite(tmp_path: Path, server: Broker) -> AsyncIterator[Home]:
    """Where the kind of the database makes no difference."""
    async with home(tmp_path, server) as made:
        yield made


async def test_a_published_document_is_stored_and_seen_and_claims_its_feed(place: Home) -> None:
    """From the logger's publish to the store's answer, on both databases."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 412.5, "total_energy": 1234.5, "status": "normal"})
        await settled(one, 1)
        row = await reached(place, alice, Rung.VALUES_PLAUSIBLE)
        latest = await place.latest(alice)

    assert {name: sample.value for name, sample in latest.items()} == {
        "ac_power": 412.5,
        "total_energy": 1234.5,
        "status": 2.0,
    }
    assert row.values == {"ac_power": 412.5, "total_energy": 1234.5, "status": 2.0}
    assert row.refusal == ""
    assert outcomes(one) == {Outcome.WRITTEN: 1}
    feed = await place.feed(alice)
    assert feed.claim_state == ClaimState.ACTIVE
    assert feed.activated_at is not None


async def test_a_cycle_of_scalars_becomes_one_point(sqlite: Home) -> None:
    """kbialek's topics, QoS 1, one value each: one line, one request."""
    alice = await sqlite.pair()
    async with bridge(sqlite) as one, Publisher(sqlite.broker, alice.login) as logger:
        cycle = {"logger_status": "online", "day_energy": "1.7", "ac/active_power": "412.5", "ac/l1/voltage": "236.0"}
        for tail, value in cycle.items():
            await logger.send(alice.topic(tail), value)
        await settled(one, 4)
        latest = await sqlite.latest(alice)

    assert {name: sample.value for name, sample in latest.items()} == {
        "day_energy": 1.7,
        "ac_power": 412.5,
        "ac_l1_voltage": 236.0,
    }
    assert len({sample.at for sample in latest.values()}) == 1
    assert one.counters.lines_written == 1


async def test_a_message_is_seen_within_a_second_of_its_publish(sqlite: Home) -> None:
    """Scalars too, which wait a moment for their neighbours."""
    alice = await sqlite.pair()
    async with bridge(sqlite), Publisher(sqlite.broker, alice.login) as logger:
        await logger.send(alice.topic("ac/active_power"), "1.0")
        await reached(sqlite, alice, Rung.VALUES_PLAUSIBLE)
        started = datetime.now(UTC)
        await logger.send(alice.topic("logger_status"), "online")
        await logger.send(alice.topic("ac/active_power"), "2.0")

        async def seen() -> bool:
            row = await sqlite.live(alice)
            return row is not None and row.values["ac_power"] == 2.0

        await until_async(seen)
        took = datetime.now(UTC) - started

    assert took < timedelta(seconds=1)


async def test_payload_times_are_kept_and_a_redelivered_document_is_no_second_point(sqlite: Home) -> None:
    """Equal inverter and time merge: the key is idempotent."""
    alice = await sqlite.pair()
    now = datetime.now(UTC).replace(microsecond=0)
    async with bridge(sqlite) as one, Publisher(sqlite.broker, alice.login) as logger:
        for age in (30, 20, 20, 10):
            document = {"ac_power": float(age), "time": (now - timedelta(seconds=age)).isoformat()}
            await logger.send(alice.topic(), document)
        await settled(one, 4)
        points = await sqlite.points(alice)

    assert sorted(points.values()) == [10.0, 20.0, 30.0]


async def test_a_login_made_while_the_bridge_runs_needs_no_restart(place: Home) -> None:
    """The registry's version announces it; the very first message is stored."""
    async with bridge(place) as one:
        alice = await place.pair()
        async with Publisher(place.broker, alice.login) as logger:
            await logger.send(alice.topic(), {"ac_power": 1.0})
            await settled(one, 1)
        latest = await place.latest(alice)

    assert latest["ac_power"].value == 1.0


async def test_readings_of_an_inverter_that_has_no_place_yet_are_kept_and_written_later(place: Home) -> None:
    """Pairing works while provisioning does not."""
    alice = await place.pair(state=PlacementState.PENDING)
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        outcome, before = outcomes(one), await place.latest(alice)
        row = await reached(place, alice, Rung.VALUES_PLAUSIBLE)
        await place.place(alice)

        async def written() -> object:
            return (await place.latest(alice)).get("ac_power")

        sample = await until_async(written)

    assert outcome == {Outcome.SPOOLED: 1}
    assert before == {}
    assert row.values == {"ac_power": 1.0}
    assert sample is not None


async def test_the_ladder_shows_a_login_before_its_first_message(sqlite: Home) -> None:
    """The broker's own log tells that the login was accepted."""
    alice = await sqlite.pair()
    async with bridge(sqlite), Publisher(sqlite.broker, alice.login):
        row = await reached(sqlite, alice, Rung.LOGIN_ACCEPTED)

    assert row.rung == Rung.LOGIN_ACCEPTED
    assert row.seen_at is None


async def test_a_stop_under_load_acknowledges_everything_it_took(sqlite: Home) -> None:
    """Receive no more, flush, settle, disconnect: nothing stays in the window, the rest is with the broker."""
    alice = await sqlite.pair()
    start = int(datetime.now(UTC).timestamp()) - 1000
    async with Publisher(sqlite.broker, alice.login) as logger:
        async with bridge(sqlite) as first:
            done = [
                logger.throw(alice.topic(), {"ac_power": float(number), "time": start + number})
                for number in range(500)
            ]
            await until(lambda: first.session.window.received > 0)
        await until(lambda: all(each() for each in done))
        window = first.session.window
        async with bridge(sqlite) as second:
            await settled(second, 500 - sum(outcomes(first).values()))
            points = await sqlite.points(alice)

    assert len(window) == 0
    assert window.settled == window.received
    assert sorted(points.values()) == [float(number) for number in range(500)]


async def test_a_store_that_fails_costs_no_reading(sqlite: Home) -> None:
    """Parked, kept, acknowledged, and written when it is back."""
    alice = await sqlite.pair()
    store = FakeStore()
    store.faults[alice.inverter_id] = StoreUnavailable("503")
    async with bridge(sqlite, store) as one, Publisher(sqlite.broker, alice.login) as logger:
        for number in range(10):
            await logger.send(alice.topic(), {"ac_power": float(number)})
        await settled(one, 10)
        kept = sum((await one.spool.backlog()).values())
        store.faults.clear()
        await until(lambda: len(store.written) == 10)

    assert kept == 10
    assert outcomes(one) == {Outcome.SPOOLED: 10}
