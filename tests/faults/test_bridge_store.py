"""InfluxDB's rules and faults under the whole bridge: every acknowledged reading ends in its own bucket, and no request
ever carried another tenant's bucket and token.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import Bridge
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Publisher, bridge, home, outcomes, settled
from tests.broker import broker
from tests.fake_influx import FakeInflux, Fault
from tests.influx_site import OPERATOR, Site
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Short pauses, so that the tests need not wait long."""
    async with FakeInflux(operator_token=OPERATOR) as influx:
        with broker(tmp_path / "broker") as server:
            async with home(
                tmp_path, server, influx_url=influx.url, hold_s=0.5, probe_s=0.5, store_timeout_s=1.0
            ) as place:
                yield Site(place, influx)


async def test_each_reading_goes_to_its_own_bucket_with_its_own_token(site: Site) -> None:
    """Two owners at once."""
    alice, bob = await site.tenant("2711111111"), await site.tenant("2722222222")
    async with (
        bridge(site.place) as one,
        Publisher(site.place.broker, alice.paired.login) as hers,
        Publisher(site.place.broker, bob.paired.login) as his,
    ):
        alice.ledger.throw(hers, 100)
        bob.ledger.throw(his, 100)
        await site.arrived(alice, bob)
        await settled(one, 200)

    assert outcomes(one) == {"written": 200}


async def test_a_store_that_stops_and_comes_back_has_everything(site: Site) -> None:
    """Connections refused for a while: kept, acknowledged, replayed."""
    alice = await site.tenant("2711111111")
    async with bridge(site.place) as one, Publisher(site.place.broker, alice.paired.login) as logger:
        alice.ledger.throw(logger, 50)
        await settled(one, 50)
        await site.influx.stop()
        alice.ledger.throw(logger, 100)
        await settled(one, 150)
        kept = sum((await one.spool.backlog()).values())
        await site.influx.start()
        alice.ledger.throw(logger, 50)

        await site.arrived(alice)
        await until_async(lambda: _nothing_kept(one))

    assert kept == 100


async def _nothing_kept(one: Bridge) -> bool:
    return not await one.spool.backlog()


async def test_a_bridge_killed_while_the_store_is_away_replays_after_its_restart(site: Site) -> None:
    """The spool outlives the process."""
    alice = await site.tenant("2711111111")
    environment = {"INFLUX_URL": site.influx.url, "HOLD_S": "0.5", "PROBE_S": "0.5", "STORE_TIMEOUT_S": "1"}
    first = BridgeProcess(site.place, **environment)
    await first.ready()
    await site.influx.stop()
    async with Publisher(site.place.broker, alice.paired.login) as logger:
        alice.ledger.throw(logger, 200)
        await alice.ledger.acknowledged()
        await until(lambda: "server.parked" in first.said)
        await first.kill()
        await site.influx.start()
        second = BridgeProcess(site.place, **environment)
        await site.arrived(alice)
    second.terminate()

    assert await second.ended() == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, times=3),
        Fault(status=500, times=2),
        Fault(status=429, times=1, retry_after="1"),
        Fault(status=503, times=1, retry_after="garbage"),
        Fault(status=204, times=2, lost_answer=True),
        Fault(hang=True, times=1),
        Fault(status=401, times=1),
    ],
    ids=lambda fault: f"{fault.status}-{'hang' if fault.hang else 'lost' if fault.lost_answer else fault.retry_after}",
)
async def test_a_passing_fault_costs_no_reading_and_makes_no_double(site: Site, fault: Fault) -> None:
    """Whatever the answer, the bucket equals the ledger in the end."""
    alice = await site.tenant("2711111111")
    async with bridge(site.place) as one, Publisher(site.place.broker, alice.paired.login) as logger:
        alice.ledger.throw(logger, 1)
        await settled(one, 1)
        site.influx.faults.append(fault)
        alice.ledger.throw(logger, 60)
        if fault.status == 401:
            await until(lambda: not site.influx.faults)
            await site.new_token(alice)
        await site.arrived(alice)
        await settled(one, 61)


async def test_one_owners_broken_credential_holds_up_nobody_else(site: Site) -> None:
    """Parked with everything kept, and released by a new token."""
    alice, bob = await site.tenant("2711111111"), await site.tenant("2722222222")
    site.influx.state.delete_authorization(alice.token_id)
    async with (
        bridge(site.place) as one,
        Publisher(site.place.broker, alice.paired.login) as hers,
        Publisher(site.place.broker, bob.paired.login) as his,
    ):
        alice.ledger.throw(hers, 100)
        bob.ledger.throw(his, 100)
        await settled(one, 200)
        await until(lambda: site.points(bob) == bob.ledger.sent)
        refused = [seen for seen in site.influx.writes if seen.status == 401]
        before = site.points(alice)

        await site.new_token(alice)
        await site.arrived(alice, bob)

    assert before == {}
    assert len(refused) <= 2


async def test_one_bad_line_among_many_becomes_a_dead_letter(site: Site) -> None:
    """A field whose type the bucket knows otherwise: 422 for that line, the neighbours are stored."""
    alice = await site.tenant("2711111111")
    site.influx.state.buckets[alice.bucket_id].types["reading", "x_odd"] = str
    async with bridge(site.place) as one, Publisher(site.place.broker, alice.paired.login) as logger:
        alice.ledger.throw(logger, 20)
        logger.throw(alice.paired.topic(), {"odd": 1.0, "time": alice.ledger.start.isoformat()})
        alice.ledger.throw(logger, 20)
        await settled(one, 41)
        await until_async(site.place.letters)
        (letter,) = await site.place.letters()
        await site.arrived(alice)

    assert letter.reason == "store_refused"
    assert letter.inverter_id == alice.paired.inverter_id
    assert b"x_odd" in letter.payload
