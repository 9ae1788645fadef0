"""kbialek's scalars: every topic of its table, its words, its traps."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.decoded import Decoded, NotAReading, Refused, Scalar
from bridge.dialects import decode, deye_mqtt
from bridge.refusals import Reason
from bridge.scalars import EMPTY, TEXT
from schema.quantities import CATALOGUE

pytestmark = pytest.mark.unit


def _scalar(rest: str, payload: bytes) -> Scalar:
    decoded = decode("auto", rest, payload)
    assert isinstance(decoded, Scalar), decoded
    return decoded


def test_every_name_of_the_table_is_in_the_catalogue() -> None:
    """A typing error in the table would silently become an extra value."""
    assert set(deye_mqtt.NAMES.values()) <= CATALOGUE.keys()


@pytest.mark.parametrize(
    ("rest", "payload", "name", "value"),
    [
        ("day_energy", b"1.7", "day_energy", 1.7),
        ("ac/l1/voltage", b"236.0", "ac_l1_voltage", 236.0),
        ("ac/active_power", b" -850.0", "ac_power", -850.0),
        ("ac/freq", b"50.0", "ac_frequency", 50.0),
        ("ac/frequency", b"50.0", "load_frequency", 50.0),
        ("ac/l2/ct/external", b"10", "grid_l2_ct_power", 10.0),
        ("ac/generator/b/power", b"5", "gen_l2_power", 5.0),
        ("battery/power", b"-400.0", "battery_power", -400.0),
        ("battery/1/soc", b"88", "battery_soc", 88.0),
        ("dc/pv4/total_energy", b"12.5", "dc_pv4_total_energy", 12.5),
        ("inverter/status", b"normal", "status", 2.0),
        ("ac/ongrid", b"True", "grid_connected", 1.0),
        ("ac/relay_status", b"0F", "x_ac_relay_status", 15.0),
        ("ac/relay_status", b"27", "x_ac_relay_status", 39.0),
        ("bms/1/soc", b"90", "x_bms_1_soc", 90.0),
        ("timeofuse/time/3", b"530.0", "x_timeofuse_time_3", 530.0),
    ],
)
def test_a_topic_becomes_its_quantity(rest: str, payload: bytes, name: str, value: float) -> None:
    """Names and units of the table, hexadecimal where it looks decimal, unknown numbers as extras."""
    scalar = _scalar(rest, payload)

    assert (scalar.name, scalar.value, scalar.device) == (name, value, "")


def test_a_numbered_logger_is_a_device() -> None:
    """``2/ac/freq`` is the second logger's; ``dc/pv1`` is not a logger called dc."""
    assert _scalar("2/ac/freq", b"50").device == "2"
    assert _scalar("2/ac/freq", b"50").name == "ac_frequency"
    assert _scalar("dc/pv1/power", b"50").device == ""


@pytest.mark.parametrize(
    ("rest", "device", "name"),
    [
        ("roof/ac/active_power", "roof", "ac_power"),
        ("roof/day_energy", "roof", "day_energy"),
        ("roof/bms/1/soc", "roof", "x_bms_1_soc"),
        ("roof/2/ac/freq", "roof/2", "ac_frequency"),
        ("home/cellar/dc/pv1/power", "home/cellar", "dc_pv1_power"),
        ("solar/roof/left/battery/soc", "solar/roof/left", "battery_soc"),
        ("DEYE-1/total/1/frequency", "DEYE-1", "x_total_1_frequency"),
        # Nobody's name: too deep, too long, or nothing that this client alone would say.
        ("a/b/c/d/ac/freq", "", "x_a_b_c_d_ac_freq"),
        ("r" * 62 + "/ac/freq", "", "x_rrrr"),
        ("esp/uptime", "", "x_esp_uptime"),
        ("roof/sensor/power/state", "", "x_roof_sensor_power_state"),
    ],
)
def test_a_word_of_a_home_bridge_in_front_is_the_devices_name(rest: str, device: str, name: str) -> None:
    """Several clients behind one login do not mix, whatever the home broker calls them."""
    scalar = _scalar(rest, b"50")

    assert scalar.device == device
    assert scalar.name.startswith(name)


def test_the_start_of_a_cycle_behind_a_home_bridge_is_that_devices() -> None:
    """Else its cycles would end at another one's."""
    assert decode("auto", "roof/logger_status", b"1") == NotAReading("logger_status", device="roof", starts_cycle=True)
    assert decode("auto", "roof/2/logger_status", b"1") == NotAReading(
        "logger_status", device="roof/2", starts_cycle=True
    )


def test_what_is_below_a_loggers_number_is_that_loggers() -> None:
    """A number is no word of a home bridge."""
    assert _scalar("2/roof/ac/freq", b"50").device == "2"


@pytest.mark.parametrize("rest", ["status", "1/status", "LWT", "settings/system_time", "day_energy/command"])
def test_what_a_publisher_says_of_itself_is_no_reading(rest: str) -> None:
    """Births, wills and commands are counted and acknowledged."""
    assert isinstance(decode("auto", rest, b"online"), NotAReading)


def test_discovery_is_no_reading() -> None:
    """Home Assistant's configuration documents are counted, however they look."""
    decoded = decode("auto", "homeassistant/sensor/deye_1/power/config", b'{"name": "x"}')

    assert decoded == NotAReading("discovery")


def test_the_logger_status_starts_a_cycle() -> None:
    """The client sends it first in each cycle, per logger."""
    assert decode("auto", "logger_status", b"online") == NotAReading("logger_status", starts_cycle=True)
    assert decode("auto", "3/logger_status", b"offline") == NotAReading("logger_status", device="3", starts_cycle=True)


@pytest.mark.parametrize("payload", [b"", b" ", b"null", b"unavailable", b"unknown", b"None"])
def test_absence_is_no_reading(payload: bytes) -> None:
    """Words for nothing are not faults."""
    assert decode("auto", "day_energy", payload) is EMPTY


@pytest.mark.parametrize(
    "payload", [b"nan", b"inf", b"1e999", b"1_0", b"0x10", b"12,5", b"12 W", b"\xff\xfe", b"9" * 70]
)
def test_no_number_on_a_topic_of_numbers_is_refused_readably(payload: bytes) -> None:
    """The owner reads which topic it was."""
    refused = decode("auto", "day_energy", payload)

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.NOT_A_NUMBER
    assert "day_energy" in refused.detail


def test_text_on_an_unknown_topic_is_no_reading() -> None:
    """A version text is nobody's fault."""
    assert decode("auto", "logger/firmware_version", b"1.2.3-beta") is TEXT
    assert decode("auto", "inverter/status", b"dancing") is TEXT


def test_a_document_on_an_unknown_topic_is_told_the_right_one() -> None:
    """A script that publishes JSON beside the mark learns it."""
    refused = decode("auto", "solar", b'{"ac_power": 1}')

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.WRONG_TOPIC
    assert "solar" in refused.detail


@pytest.mark.parametrize(
    ("seen", "kin"),
    [
        ({"inverter/status"}, "grid"),
        ({"ac/total_internal_power", "ac/l3/power"}, "grid"),
        ({"ac/total_grid_power"}, "inverter"),
        ({"micro_inverter_power"}, "inverter"),
        ({"day_energy", "ac/total_power"}, ""),
    ],
)
def test_the_family_is_told_by_topics_only_it_has(seen: set[str], kin: str) -> None:
    """Trap (a): ac/total_power is grid power for three-phase hybrids, inverter power for the others."""
    assert deye_mqtt.family(seen, "") == kin
    assert deye_mqtt.family({"day_energy"}, kin) == kin


def test_total_power_gets_the_name_its_family_gives_it() -> None:
    """Undecided it stays an extra value: a wrong name would be worse than none."""
    total = {"x_ac_total_power": -850.0}

    assert deye_mqtt.complete(dict(total), total, "grid") == {"grid_power": -850.0}
    assert deye_mqtt.complete(dict(total), total, "inverter") == {"ac_power": -850.0}
    assert deye_mqtt.complete(dict(total), total, "") == total


def test_sums_that_no_topic_carries_are_made_from_the_cycle() -> None:
    """Output power from three phases, DC power from the strings, battery power from two batteries."""
    cycle = {
        "ac_l1_power": 1.0, "ac_l2_power": 2.0, "ac_l3_power": 3.0, "dc_pv1_power": 10.0, "dc_pv2_power": 20.0,
        "x_battery_1_power": -5.0, "x_battery_2_power": -6.0,
    }  # fmt: skip

    more = deye_mqtt.complete({}, cycle, "grid")

    assert more == {"ac_power": 6.0, "dc_power": 30.0, "battery_power": -11.0}


@pytest.mark.parametrize("huge", [1e308, -1e308])
def test_a_sum_of_huge_numbers_is_a_number(huge: float) -> None:
    """Each of them is finite; what is told of their sum must be too, for no table takes infinity."""
    cycle = dict.fromkeys(
        ("ac_l1_power", "ac_l2_power", "ac_l3_power", "dc_pv1_power", "dc_pv2_power", "x_battery_1_power",
         "x_battery_2_power"), huge,
    )  # fmt: skip

    more = deye_mqtt.complete({}, cycle, "grid")

    assert more.keys() == {"ac_power", "dc_power", "battery_power"}
    assert all(math.isfinite(value) and value / huge > 1 for value in more.values())


def test_two_of_three_phases_make_no_sum() -> None:
    """A part of a cycle must not show two thirds of the power."""
    assert deye_mqtt.complete({}, {"ac_l1_power": 1.0, "ac_l2_power": 2.0}, "grid") == {}


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=40), st.binary(max_size=60), st.sampled_from(["auto", "native", "deye_mqtt", "opendtu", "new"]))
def test_no_topic_and_payload_at_all_raises(rest: str, payload: bytes, dialect: str) -> None:
    """Whatever is published, in whichever dialect, an answer comes back."""
    assert isinstance(decode(dialect, rest, payload), Decoded)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(sorted([*deye_mqtt.NAMES, "ac/relay_status", "inverter/status", "ac/ongrid"])),
    st.binary(max_size=300),
)
def test_no_payload_on_a_known_topic_raises(tail: str, payload: bytes) -> None:
    """The same for the topics that have a meaning."""
    assert isinstance(decode("auto", tail, payload), Decoded)
