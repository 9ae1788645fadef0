"""Hostile inputs against the real broker and bridge: a share of the 100,000; all of them by ``make hostile``.

``HOSTILE_SHARE`` is the share, ``HOSTILE_SEED`` makes a run again.
"""

import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.refusals import Reason
from schema.settings import BrokerEdge
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import SECRET, Publisher, home
from tests.broker import BRIDGE_PASSWORD, broker
from tests.fake_influx import FakeInflux
from tests.hostile import seeds
from tests.hostile.attack import COUNTS
from tests.hostile.groups import MESSAGES, attacks
from tests.hostile.raid import Raid, Sum
from tests.hostile.texts import CANARY
from tests.influx_site import OPERATOR, Site
from tests.ledger import Ledger

pytestmark = pytest.mark.faults

SHARE = float(os.environ.get("HOSTILE_SHARE", "0.03"))
SEED = int(os.environ.get("HOSTILE_SEED", "0")) or random.randrange(1, 1_000_000)
_RAIDERS = 4


@pytest.fixture
async def raid(tmp_path: Path) -> AsyncIterator[Raid]:
    """Four who attack, an honest owner beside them, and one whose name they use."""
    async with FakeInflux(operator_token=OPERATOR) as influx:
        with broker(tmp_path / "broker") as server:
            async with home(tmp_path, server, influx_url=influx.url) as place:
                site = Site(place, influx)
                honest = await site.tenant("2711111111")
                honest.ledger = Ledger(honest.paired, seconds_ago=80_000)
                victim = await site.tenant("2799999999")
                hostile = [await site.tenant(f"27222222{number:02}") for number in range(_RAIDERS)]
                yield Raid(site, honest, victim, hostile)


def _started(raid: Raid, edge: BrokerEdge = BrokerEdge.AIOMQTT) -> BridgeProcess:
    # Beyond its quota a login is not decoded any more; here every input is to reach the decoders.
    return BridgeProcess(
        raid.site.place, INFLUX_URL=raid.site.influx.url, QUOTA_MESSAGES_PER_S="1000000", BROKER_EDGE=edge
    )


async def _checked(raid: Raid, process: BridgeProcess, came: Sum) -> None:
    """What holds after every raid."""
    raid.site.check_requests(raid.honest, raid.victim, *raid.hostile)
    assert raid.site.points(raid.victim) == {}
    assert came.counts.get("faults", 0) == 0
    assert came.counts["in_window"] == 0
    assert came.counts["received"] == came.counts["settled"] + came.counts["dropped"]
    outcomes = sum(count for name, count in came.counts.items() if name.startswith("outcomes."))
    assert outcomes == came.counts["settled"]
    assert came.counts.get(f"refusals.{Reason.NOT_UNDERSTOOD}", 0) == 0
    assert not [record for record in process.records() if "exception" in record]
    tokens = raid.site.place.settings.token_key.get_secret_value(), OPERATOR
    for secret in (SECRET, BRIDGE_PASSWORD, CANARY, *tokens):
        assert secret not in process.said
    assert raid.site.place.broker.running


@pytest.mark.parametrize("edge", BrokerEdge)
async def test_every_hostile_message_is_stored_refused_or_no_reading_and_nothing_else_happens(
    raid: Raid, edge: BrokerEdge
) -> None:
    """The bridge settles exactly what the broker handed on, the honest owner has all of hers, the victim nothing."""
    sys.stdout.write(f"HOSTILE_SEED={SEED}\n")
    process = _started(raid, edge)
    await process.ready()
    total = round((sum(COUNTS.values()) - COUNTS["M7"]) * SHARE)

    came = await raid.messages(attacks(SEED, SHARE, MESSAGES), total, process)

    sys.stdout.write(f"{came}\ngrowth {came.growth:.1%}\n")
    await _checked(raid, process, came)
    assert came.counts["settled"] == came.answers.handed_on + came.controls
    assert came.answers.handed_on > total // 2
    assert came.growth < 0.10


async def test_raw_packets_harm_neither_the_broker_nor_whoever_is_connected(raid: Raid) -> None:
    """M7: the honest owner's readings arrive meanwhile; what the bridge got of them it settled."""
    sys.stdout.write(f"HOSTILE_SEED={SEED}\n")
    process = _started(raid)
    await process.ready()

    came = await raid.packets(attacks(SEED, SHARE, ("M7",)), process)

    sys.stdout.write(f"{came}\ngrowth {came.growth:.1%}\n")
    await _checked(raid, process, came)
    assert came.controls <= came.counts["settled"] <= came.controls + COUNTS["M7"] * SHARE + 1
    assert [record["event"] for record in process.records()].count("broker.connected") == 1


async def test_what_once_did_harm_on_the_wire_does_none_any_more(raid: Raid) -> None:
    """The seeds go the whole way too."""
    kept = seeds.load()
    process = _started(raid)
    await process.ready()

    came = await raid.messages([seed for seed in kept if not seed.packets], len(kept), process)

    await _checked(raid, process, came)
    assert came.counts["settled"] == came.answers.handed_on + came.controls


async def test_the_sum_of_a_raid_notices_a_message_that_nobody_counted(raid: Raid) -> None:
    """The control of the equation: one more message than the raid knows of breaks it."""
    process = _started(raid)
    await process.ready()
    async with Publisher(raid.site.place.broker, raid.victim.paired.login) as unknown:
        await unknown.send(raid.victim.paired.topic(), "not json")

    came = await raid.messages(attacks(SEED, 0.0005, MESSAGES), 40, process)

    assert came.counts["settled"] == came.answers.handed_on + came.controls + 1
