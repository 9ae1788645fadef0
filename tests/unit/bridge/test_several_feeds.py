"""A login that carries several inverters: each message goes to the right one, or aside, and into no other curve."""

from dataclasses import dataclass, field

import pytest

from bridge.pipeline import Decisions, Pipeline
from bridge.ports import Delivery, NoRemarks
from bridge.refusals import Reason
from bridge.routes import Claim, Route
from schema.timeseries.line_protocol import parse
from tests.fakes import ALICE_LOGIN, NOON, route
from tests.pipeline_bench import READING, Bench

pytestmark = pytest.mark.unit

ROOF, BARN = "114180000001", "114180000002"


@dataclass
class Heard(NoRemarks):
    """A ``Remarks`` that remembers."""

    devices: list[tuple[str, str, str]] = field(default_factory=list)

    def another_device(self, delivery: Delivery, route: Route | None, *, device: str, serial: str) -> None:
        """Selector above, name and serial."""
        assert delivery.topic.startswith("deye/")
        self.devices.append((route.selector if route else "", device, serial))


class Several(Bench):
    """The bench, with remarks."""

    def __init__(self, *routes: Route) -> None:
        super().__init__(*routes)
        self.heard = Heard()
        self.pipeline = Pipeline(
            directory=lambda: self.registry.directory,
            live=self.live,
            counters=self.counters,
            reading_max_bytes=1000,
            monotonic=lambda: self.time.seconds,
            remarks=self.heard,
        )

    def stored(self, *messages: tuple[str, str]) -> dict[str, dict[str, float]]:
        """What these messages below the login come to, by the inverter's serial."""
        lines = []
        for rest, payload in messages:
            out = self.send(f"deye/{ALICE_LOGIN}/{rest}", payload)
            lines += [parcel.line for parcel in (*out.parcels, *(claimed.parcel for claimed in out.claims))]
        out = self.wait(1.0)
        lines += [parcel.line for parcel in (*out.parcels, *(claimed.parcel for claimed in out.claims))]
        found: dict[str, dict[str, float]] = {}
        for line in map(parse, lines):
            found.setdefault(line.serial, {}).update(line.fields)
        return found


def test_loggers_of_one_client_are_their_own_inverters() -> None:
    """kbialek with three loggers, of which the third has no feed; their sums are nobody's."""
    bench = Several(route(serial="FIRST", device_key="1"), route(serial="SECOND", selector="2"))

    found = bench.stored(
        ("1/ac/active_power", "100"), ("2/ac/active_power", "200"), ("3/ac/active_power", "300"),
        ("ac/active_power", "600"), ("day_energy", "6"), ("2/day_energy", "2"),
    )  # fmt: skip

    assert found == {"FIRST": {"ac_power": 100.0}, "SECOND": {"ac_power": 200.0, "day_energy": 2.0}}
    assert bench.heard.devices == [("", "3", "")]
    assert bench.counters.not_readings == {"sum_of_loggers": 2}
    assert bench.counters.refusals == {Reason.ANOTHER_DEVICE: 1}


def test_devices_of_an_opendtu_are_their_own_inverters() -> None:
    """Also where the first one has the feed without a selector."""
    bench = Several(route(serial="ROOF", device_key=ROOF), route(serial="BARN", selector=BARN))

    found = bench.stored((f"{ROOF}/0/power", "1"), (f"{BARN}/0/power", "2"), ("114180000003/0/power", "3"))

    assert found == {"ROOF": {"ac_power": 1.0}, "BARN": {"ac_power": 2.0}}
    assert bench.heard.devices == [("", "114180000003", "")]


def test_words_of_a_home_bridge_are_devices() -> None:
    """What only one client says goes by its first word, its unknown values too."""
    bench = Several(route(serial="ROOF", device_key="roof"), route(serial="BARN", selector="barn"))

    found = bench.stored(
        ("roof/ac/active_power", "1"), ("barn/ac/active_power", "2"), ("barn/bms/1/soc", "90"),
        ("shed/ac/active_power", "3"), ("shed/bms/1/soc", "80"), ("barn/2/ac/active_power", "4"),
    )  # fmt: skip

    assert found == {"ROOF": {"ac_power": 1.0}, "BARN": {"ac_power": 2.0, "x_bms_1_soc": 90.0}} | {
        "BARN": {"ac_power": 4.0, "x_bms_1_soc": 90.0}
    }
    assert bench.heard.devices == [("", "shed", ""), ("", "shed", "")]


def test_a_payloads_serial_finds_its_feed() -> None:
    """One topic for all; a serial without a feed is another device."""
    bench = Several(
        route(serial="FIRST", device_key="2711111111", aliases=frozenset({"2711111111"})),
        route(serial="SECOND", selector="2722222222"),
    )

    found = bench.stored(
        ("reading", '{"ac_power": 1, "serial": "2711111111"}'),
        ("reading", '{"ac_power": 2, "serial": "27 2222 2222"}'),
        ("reading", '{"ac_power": 3, "serial": "2733333333"}'),
    )

    assert found == {"FIRST": {"ac_power": 1.0}, "SECOND": {"ac_power": 2.0}}
    assert bench.heard.devices == [("", "", "2733333333")]


def test_without_a_feed_for_all_a_login_still_tells_its_devices_apart() -> None:
    """The inverter that the login was made for is gone; what names no device is on the wrong topic."""
    bench = Several(route(serial="SECOND", selector="2"))

    found = bench.stored(
        ("2/ac/active_power", "2"), ("3/ac/active_power", "3"), ("what/ever", "1"),
        ("reading", '{"ac_power": 4, "serial": "2733333333"}'), ("status", "online"),
    )  # fmt: skip

    assert found == {"SECOND": {"ac_power": 2.0}}
    assert bench.heard.devices == [("", "3", ""), ("", "", "2733333333")]
    assert bench.counters.refusals == {Reason.ANOTHER_DEVICE: 2, Reason.WRONG_TOPIC: 1}
    assert bench.counters.not_readings == {"state": 1}


def test_a_device_that_is_adopted_in_the_middle_of_its_cycle_leaves_to_its_own_inverter() -> None:
    """The feed is looked up again when the part leaves."""
    first = route(serial="FIRST")
    bench = Several(first)
    bench.send(f"deye/{ALICE_LOGIN}/2/ac/active_power", "200")
    bench.registry.set(first, route(serial="SECOND", selector="2"))

    out = bench.wait(1.0)

    assert [parse(parcel.line).serial for parcel in out.parcels] == ["SECOND"]


def test_a_sum_that_came_before_its_loggers_were_known_is_nobodys() -> None:
    """The first logger is bound between the sum's arrival and its leaving."""
    bench = Several(route(serial="FIRST"))
    bench.send(f"deye/{ALICE_LOGIN}/ac/active_power", "600")
    bench.registry.set(route(serial="FIRST", device_key="1"))

    out = bench.wait(1.0)

    assert (out.parcels, out.letters, out.settled) == ([], [], [1])


def test_a_found_device_is_remarked_below_the_word_that_leads_to_it() -> None:
    """Two OpenDTU devices behind the word that one feed has."""
    bench = Several(route(serial="ROOF", selector="roof", device_key=ROOF), route(serial="REST"))

    found = bench.stored((f"roof/{ROOF}/0/power", "1"), (f"roof/{BARN}/0/power", "2"))

    assert found == {"ROOF": {"ac_power": 1.0}}
    assert bench.heard.devices == [("roof", BARN, "")]


def test_what_had_waited_in_the_broker_finds_its_feed_too() -> None:
    """A backlog's cycles are decided by the same rules."""
    bench = Several(
        route(serial="FIRST", device_key="1", claim=Claim.ACTIVE), route(serial="SECOND", selector="2722222222")
    )
    kept = [
        Delivery(0, f"deye/{ALICE_LOGIN}/1/ac/active_power", b"100", NOON, backlog=True),
        Delivery(0, READING, b'{"ac_power": 2, "serial": "2722222222"}', NOON, backlog=True),
        Delivery(0, f"deye/{ALICE_LOGIN}/3/ac/active_power", b"300", NOON, backlog=True),
        Delivery(0, READING, b'{"ac_power": 3, "serial": "2733333333"}', NOON, backlog=True),
    ]
    out = Decisions()
    bench.pipeline.spread(kept, NOON, out)

    lines = [parse(claimed.parcel.line) for claimed in out.claims] + [parse(parcel.line) for parcel in out.parcels]
    assert {line.serial: line.fields["ac_power"] for line in lines} == {"FIRST": 100.0, "SECOND": 2.0}
    assert [letter.reason for letter, _ in out.letters] == [Reason.ANOTHER_DEVICE] * 2
