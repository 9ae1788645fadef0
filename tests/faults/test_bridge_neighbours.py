"""One who sends too much, one store that hangs, one inverter that is deleted: on real parts, with others beside."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.refusals import Reason
from bridge.replay import ABSENT_FOR_S
from schema.models import PlacementState, Rung
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, outcomes, reached, settled
from tests.broker import broker
from tests.fake_influx import FakeInflux, Fault
from tests.influx_site import OPERATOR, Site
from tests.ledger import Ledger
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Home]:
    """A home where a login may send fifty messages at once and five a second."""
    with broker(tmp_path / "broker") as server:
        quota: dict[str, object] = {"quota_burst_messages": 50, "quota_messages_per_s": 5.0, "quota_patience_s": 0.5}
        async with home(tmp_path, server, **quota) as place:  # type: ignore[arg-type]  # only settings are in it
            yield place


async def test_who_sends_too_much_is_counted_and_told_and_his_neighbour_loses_nothing(narrow: Home) -> None:
    """Two thousand messages at once beside forty of a neighbour: each of them has an end and the owner a sentence."""
    flood, well = await narrow.pair(serial="2711111111"), await narrow.pair(serial="2722222222")
    his = Ledger(well)
    async with (
        bridge(narrow) as one,
        Publisher(narrow.broker, flood.login) as flooding,
        Publisher(narrow.broker, well.login) as quiet,
    ):
        await flooding.send(flood.topic(), {"ac_power": 1.0})
        await quiet.send(well.topic(), {"ac_power": 1.0})
        await settled(one, 2)
        for number in range(2_000):
            flooding.throw(flood.topic(), {"ac_power": float(number)})
        his.throw(quiet, 40)
        await settled(one, 2_042)
        ends = outcomes(one)
        row = await reached(narrow, flood, Rung.VALUES_PLAUSIBLE)
        # The pages get their copy of the counts a moment later.
        await until_async(lambda: _counted(narrow, flood, sum_of=ends["over_quota"]))
        counted = await _counted(narrow, flood)
        stored = len(await narrow.points(well))

    assert ends["written"] + ends["over_quota"] == 2_042
    assert 1_800 <= ends["over_quota"] <= 1_951
    assert sum(counted.values()) == ends["over_quota"]
    assert set(counted) <= {Reason.TOO_FAST, Reason.TOO_MUCH}
    assert row.refusal in counted
    assert stored == 41


async def _counted(place: Home, paired: Paired, *, sum_of: int | None = None) -> dict[str, int]:
    """What the pages say of a login's dead letters, by reason; nothing until they are ``sum_of`` together."""
    counts = {letter.reason: letter.count for letter in await place.letters() if letter.login == paired.login}
    return counts if sum_of in (None, sum(counts.values())) else {}


async def test_a_server_that_hangs_costs_the_owners_of_another_one_nothing(tmp_path: Path) -> None:
    """Every request to the first one hangs; the second one's readings are stored meanwhile; then everything is."""
    async with FakeInflux(operator_token=OPERATOR) as first, FakeInflux(operator_token=OPERATOR) as second:
        with broker(tmp_path / "broker") as server:
            async with home(
                tmp_path, server, influx_url=first.url, hold_s=0.5, probe_s=0.5, store_timeout_s=2.0, writes_in_flight=4
            ) as place:
                here, there = Site(place, first), Site(place, second)
                stuck = [await here.tenant(f"27111111{number:02d}") for number in range(8)]
                well = await there.tenant("2722222222")
                async with bridge(place) as one:
                    first.faults.append(Fault(hang=True, times=12))
                    publishers = [Publisher(place.broker, tenant.paired.login) for tenant in stuck]
                    async with publishers[0], publishers[1], publishers[2], publishers[3], publishers[4], publishers[5]:
                        for tenant, publisher in zip(stuck[:6], publishers, strict=False):
                            tenant.ledger.throw(publisher, 5)
                        await until(first.hanging.is_set)
                        async with Publisher(place.broker, well.paired.login) as logger:
                            well.ledger.throw(logger, 50)
                            await there.arrived(well)
                        still_hanging = bool(first.faults)
                        await settled(one, 80)
                        first.faults.clear()
                        await here.arrived(*stuck[:6])

    assert still_hanging


async def test_lines_of_an_inverter_that_was_deleted_are_dropped_on_the_databases_word(narrow: Home) -> None:
    """Kept while it had no place yet, and while its owner may bring it back: then nothing of it stays but the count."""
    gone = await narrow.pair(serial="2711111111", state=PlacementState.PENDING)
    kept = await narrow.pair(serial="2722222222", state=PlacementState.PENDING)
    async with (
        bridge(narrow) as one,
        Publisher(narrow.broker, gone.login) as hers,
        Publisher(narrow.broker, kept.login) as his,
    ):
        await hers.send(gone.topic(), {"ac_power": 1.0})
        await his.send(kept.topic(), {"ac_power": 2.0})
        await settled(one, 2)
        await narrow.delete(gone)
        both = {gone.inverter_id, kept.inverter_id}
        in_the_grace = await one.registry.gone(both)
        await narrow.doom(gone)
        deleted = await one.registry.gone(both)
        await until(lambda: len(one.writer.lanes) == 2)
        for lane in one.writer.lanes:
            lane.absent_since = one.clock.monotonic() - ABSENT_FOR_S
        await one.writer._replay.drop_deleted()
        holdings = await one.spool.holdings()
        await until_async(narrow.letters)
        reasons = [(letter.reason, letter.count, letter.payload) for letter in await narrow.letters()]

    assert in_the_grace == set()
    assert deleted == {gone.inverter_id}
    assert set(holdings) == {kept.inverter_id}
    assert reasons == [(Reason.INVERTER_DELETED, 1, b"")]
