"""Threats to whose readings are whose, each tried on a real Mosquitto with a whole bridge behind it (T2, T7, T13, T33).

Where every threat of the list is tried stands in ``tests/threats.py``.
"""

import json
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schema.models import ClaimState
from tests.bridge_set_up import Home, Publisher, bridge, home, settled
from tests.broker import TEMPLATES, broker

pytestmark = pytest.mark.integration

HERS = "2711111111"


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, database_url) as made:
            yield made


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Home]:
    """Where the kind of the database makes no difference."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def test_whoever_has_typed_a_serial_first_sees_nothing_of_its_device(place: Home) -> None:
    """T2: the squatter waits with his claim; the device speaks with its owner's login, and it is hers. When he speaks
    at last, he is the one who contests it, and all that he has is his own.
    """
    squatter, alice = await place.pair(serial=HERS), await place.pair(serial=HERS)
    async with bridge(place) as one, Publisher(place.broker, alice.login) as hers:
        await hers.send(alice.topic(), {"ac_power": 100.0, "serial": HERS})
        await settled(one, 1)
        waiting = [await place.claim(paired) for paired in (alice, squatter)]
        seen = await place.points(squatter)
        async with Publisher(place.broker, squatter.login) as his:
            await his.send(squatter.topic(), {"ac_power": 666.0, "serial": HERS})
            await settled(one, 2)
        contested = [await place.claim(paired) for paired in (alice, squatter)]
        stored = [list((await place.points(paired)).values()) for paired in (alice, squatter)]

    assert waiting == [ClaimState.ACTIVE, ClaimState.PENDING]
    assert seen == {}
    assert contested == [ClaimState.ACTIVE, ClaimState.DISPUTED]
    assert stored == [[100.0], [666.0]]


def _naming_her(dice: random.Random, number: int) -> dict[str, object]:
    """A reading that says in every way it can whose it would like to be."""
    names = ("serial", "sn", "logger_serial", "inverter", "login", "topic", "owner_id", "bucket", "tags", "device")
    chosen = dice.sample(names, dice.randint(1, 4))
    forms = (HERS, int(HERS), [HERS], {"serial": HERS}, f"deye/{HERS}/reading")
    return {"time": 1_780_315_200_000 + number * 1000, "ac_power": 666.0} | {
        name: dice.choice(forms) for name in chosen
    }


async def test_no_payload_is_written_to_whom_it_names(sqlite: Home) -> None:
    """T7: three hundred that name Alice's serial, from Bob's login; ``hostile`` decodes ten thousand."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    alice, bob = await sqlite.pair(serial=HERS), await sqlite.pair(serial="2722222222")
    async with (
        bridge(sqlite) as one,
        Publisher(sqlite.broker, alice.login) as hers,
        Publisher(sqlite.broker, bob.login) as his,
    ):
        await hers.send(alice.topic(), {"ac_power": 100.0})
        for number in range(300):
            his.throw(bob.topic(), json.dumps(_naming_her(dice, number)))
        await settled(one, 301)
        stored = list((await sqlite.points(alice)).values())

    assert stored == [100.0]


async def test_the_same_message_a_hundred_times_is_one_point(sqlite: Home) -> None:
    """T13: a recorded packet that is played again adds nothing, and what is newest stays so."""
    alice = await sqlite.pair(serial=HERS)
    recorded = {"time": "2026-06-01T12:00:00Z", "ac_power": 412.5}
    later = {"time": "2026-06-01T12:00:10Z", "ac_power": 5.0}
    async with bridge(sqlite) as one, Publisher(sqlite.broker, alice.login) as logger:
        await logger.send(alice.topic(), later)
        for _ in range(100):
            logger.throw(alice.topic(), recorded)
        await settled(one, 101)
        newest = (await sqlite.latest(alice))["ac_power"].value
    with sqlite3.connect(sqlite.settings.readings_path) as store:
        (points,) = store.execute("SELECT count(*) FROM point").fetchone()
    store.close()

    assert (points, newest) == (2, 5.0)


def test_no_rule_lets_a_login_read_or_anybody_write_what_a_device_may_read() -> None:
    """T33: the rules themselves; what a broker makes of them is tried in ``test_broker_rules``."""
    rules = [line.split(" ") for line in (TEMPLATES / "acl").read_text().splitlines() if line and line[0] != "#"]
    users = [rule[1] for rule in rules if rule[0] == "user"]
    of_all = [rule for rule in rules if rule[0] == "pattern"]

    assert users == ["bridge"]
    assert of_all == [["pattern", "write", "deye/%u/#"]]
    assert [rule[1] for rule in rules if rule[0] == "topic"] == ["read"] * 2
