"""Tripwires on real parts: what Mosquitto's log and payloads tell becomes a notice, and in clear cases a quarantine."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from bridge.app import Bridge
from bridge.clock import Clock
from bridge.tripwires.flapping import FAST_TIMES, TURNS
from bridge.tripwires.log_ins import TIMES as LOG_INS
from bridge.tripwires.power import FOR, IN_A_ROW
from bridge.tripwires.power import TIMES as POWERS
from schema.models import LetterAction, Notice, NoticeKind, Rung
from tests.bridge_set_up import Home, Publisher, bridge, home, reached, settled
from tests.broker import broker, connect_as
from tests.letters_set_up import carried_out, points, shown
from tests.notice_set_up import let_speak, noticed_rows, quarantine_of, tripped
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


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


async def _noticed(place: Home, *kinds: NoticeKind) -> dict[str, Notice]:
    """Wait for just these notices."""

    async def rows() -> dict[str, Notice] | None:
        found = await noticed_rows(place)
        return found if set(found) == set(kinds) else None

    found = await until_async(rows)
    assert found is not None
    return found


def _quarantined(one: Bridge, login: str) -> bool:
    entry = one.registry.directory.login(login)
    return entry is not None and entry.quarantined


async def test_two_programs_on_one_login_are_told_and_one_that_comes_back_is_not(place: Home) -> None:
    """On a real Mosquitto: two clients throw each other out, paho is back within a second. A neighbour's logger leaves
    and returns as often.
    """
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with (
        bridge(place),
        Publisher(place.broker, alice.login),
        Publisher(place.broker, alice.login, protocol=MQTTProtocolVersion.MQTTv5),
    ):
        for _ in range(FAST_TIMES + 2):
            async with Publisher(place.broker, bob.login):
                pass
        found = await _noticed(place, NoticeKind.FLAPPING)
        state = await quarantine_of(place, alice.login)

    notice = found[NoticeKind.FLAPPING]
    assert (notice.login, notice.owner_id, notice.inverter_id) == (alice.login, alice.owner_id, None)
    assert notice.count >= TURNS
    assert notice.details["times"] >= TURNS
    assert state == (None, "")


async def test_refused_log_ins_are_told_where_the_broker_names_them(sqlite: Home) -> None:
    """Mosquitto 2.1 logs whom it refused and from where; 2.0 says "<unknown>", and nobody is told anything."""
    alice, bob = await sqlite.pair(), await sqlite.pair(serial="2722222222")
    async with bridge(sqlite) as one, Publisher(sqlite.broker, bob.login) as neighbour:
        for _ in range(LOG_INS):
            connect_as(sqlite.broker.port, alice.login, "wrong")
        await neighbour.send(bob.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        if "<unknown> disconnected, not authorised" in sqlite.broker.log:
            await one.remarks._notices.flush()
            assert await noticed_rows(sqlite) == {}
            pytest.skip("this Mosquitto does not name who was refused")
        found = await _noticed(sqlite, NoticeKind.FAILED_LOG_INS)
        state = await quarantine_of(sqlite, alice.login)

    notice = found[NoticeKind.FAILED_LOG_INS]
    assert (notice.login, notice.owner_id) == (alice.login, alice.owner_id)
    assert notice.details == {"times": LOG_INS, "address": "127.0.0.1"}
    assert state == (None, "")


async def test_impossible_powers_are_told_with_their_inverter(place: Home) -> None:
    """A dozen readings beyond what it can deliver; a neighbour's are as many and can be true."""
    alice, bob = await place.pair(rated_power_w=600), await place.pair(serial="2722222222")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        for watts in range(POWERS + 2):
            await hers.send(alice.topic(), {"ac_power": 5_000.0 + watts})
            await his.send(bob.topic(), {"ac_power": 400.0 + watts})
        await settled(one, 2 * (POWERS + 2))
        found = await _noticed(place, NoticeKind.IMPOSSIBLE_POWER)
        state = await quarantine_of(place, alice.login)

    notice = found[NoticeKind.IMPOSSIBLE_POWER]
    assert (notice.login, notice.owner_id, notice.inverter_id) == (alice.login, alice.owner_id, alice.inverter_id)
    assert notice.details["quantity"] == "ac_power"
    assert notice.details["value"] >= 5_000.0
    assert state == (None, "")


async def test_a_clear_case_sets_aside_what_comes_and_gives_it_back_when_the_owner_says_so(place: Home) -> None:
    """Quarantine by the bridge, dead letters with their reason, the ladder's trouble; then its end and a replay."""
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        await hers.send(alice.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        one.remarks._notices.note(tripped(alice, quarantine=True, times=POWERS))
        await until(lambda: _quarantined(one, alice.login))
        for watts in (2.0, 3.0):
            await hers.send(alice.topic(), {"ac_power": watts})
        await his.send(bob.topic(), {"ac_power": 7.0})
        await settled(one, 4)
        await shown(place, 2)
        letters = await place.letters()
        row = await reached(place, alice, Rung.VALUES_PLAUSIBLE)
        found = await _noticed(place, NoticeKind.IMPOSSIBLE_POWER, NoticeKind.QUARANTINED)
        since, why = await quarantine_of(place, alice.login)
        in_vain = await carried_out(place, LetterAction.REPLAY, login=alice.login, reason="quarantined")

        await let_speak(place, alice)
        await until(lambda: not _quarantined(one, alice.login))
        request = await carried_out(place, LetterAction.REPLAY, login=alice.login, reason="quarantined")
        await hers.send(alice.topic(), {"ac_power": 4.0})
        await settled(one, 5)
        await shown(place, 0)
        curves = [list(points(place, paired, "ac_power").values()) for paired in (alice, bob)]

    assert [(letter.reason, letter.count, letter.kept, letter.inverter_id) for letter in letters] == [
        ("quarantined", 2, 2, alice.inverter_id)
    ]
    assert row.refusal == "quarantined"
    assert found[NoticeKind.QUARANTINED].details == {"why": "impossible_power"}
    assert (since is not None, why) == (True, "impossible_power")
    assert (in_vain.done, in_vain.again) == (2, 2)
    assert (request.done, request.again) == (2, 0)
    assert curves == [[(1.0,), (2.0,), (3.0,), (4.0,)], [(7.0,)]]


async def test_a_bridge_that_starts_without_the_database_knows_of_the_quarantine(sqlite: Home) -> None:
    """The snapshot has it: a restart lets nobody speak."""
    alice = await sqlite.pair()
    async with bridge(sqlite) as one:
        one.remarks._notices.note(tripped(alice, quarantine=True))
        await until(lambda: _quarantined(one, alice.login))
        await until(lambda: one.registry._saved.version == one.registry.directory.version)
    (sqlite.folder / "deye.db").rename(sqlite.folder / "away.db")
    (sqlite.folder / "deye.db").mkdir()
    async with bridge(sqlite) as again, Publisher(sqlite.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(again, 1)

    assert again.counters.refusals == {"quarantined": 1}


async def test_half_an_hour_of_nonsense_ends_in_quarantine_by_itself(sqlite: Home) -> None:
    """From the payload to the registry: the clock of the messages is moved on, everything else is real."""
    passed = [timedelta(0)]
    clock = Clock(now=lambda: datetime.now(UTC) + passed[0])
    alice = await sqlite.pair()
    async with bridge(sqlite, clock=clock) as one, Publisher(sqlite.broker, alice.login) as logger:
        for number in range(IN_A_ROW + 1):
            passed[0] = (FOR + timedelta(minutes=1)) * number / IN_A_ROW
            await logger.send(alice.topic(), {"ac_power": 9e6 + number})
            await settled(one, number + 1)
        await until(lambda: _quarantined(one, alice.login))
        found = await _noticed(sqlite, NoticeKind.IMPOSSIBLE_POWER, NoticeKind.QUARANTINED)

    assert found[NoticeKind.QUARANTINED].details == {"why": "impossible_power"}
