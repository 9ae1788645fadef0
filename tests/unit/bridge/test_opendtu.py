"""OpenDTU's topics: a device per serial, channel 0 is AC, day yields in Wh."""

import pytest

from bridge.decoded import NotAReading, Refused, Scalar
from bridge.dialects import decode, told_by

pytestmark = pytest.mark.unit

SERIAL = "114180000001"


@pytest.mark.parametrize(
    ("tail", "payload", "name", "value"),
    [
        ("0/power", b"312.4", "ac_power", 312.4),
        ("0/yieldday", b"1234", "day_energy", 1.234),
        ("0/yieldtotal", b"567.8", "total_energy", 567.8),
        ("0/powerdc", b"330", "dc_power", 330.0),
        ("2/voltage", b"33.1", "dc_pv2_voltage", 33.1),
        ("2/yieldday", b"500", "dc_pv2_day_energy", 0.5),
        ("status/limit_relative", b"100", "limit_percent", 100.0),
        ("status/producing", b"1", "x_producing", 1.0),
        ("1/irradiation", b"44.4", "x_1_irradiation", 44.4),
    ],
)
def test_a_field_becomes_its_quantity(tail: str, payload: bytes, name: str, value: float) -> None:
    """Wh become kWh, the serial in the topic is the device."""
    scalar = decode("auto", f"{SERIAL}/{tail}", payload)

    assert isinstance(scalar, Scalar)
    assert (scalar.device, scalar.name) == (SERIAL, name)
    assert scalar.value == pytest.approx(value)


def test_a_serial_is_the_device_behind_a_home_bridge_too() -> None:
    """Its word in front says nothing more."""
    scalar = decode("auto", f"solar/{SERIAL}/0/power", b"312.4")

    assert scalar == Scalar(SERIAL, "0/power", "ac_power", 312.4)
    assert decode("auto", "solar/ac/power", b"1") == NotAReading("dtu")


@pytest.mark.parametrize(
    "rest", ["dtu/status", "dtu/rssi", "ac/power", "ac/yieldday", f"{SERIAL}/status/reachable", f"{SERIAL}/name"]
)
def test_what_the_gateway_says_of_itself_or_of_all_is_no_reading(rest: str) -> None:
    """Sums over several inverters would double the production."""
    assert isinstance(decode("auto", rest, b"1"), NotAReading)


def test_no_number_is_refused() -> None:
    """As in every dialect."""
    assert isinstance(decode("auto", f"{SERIAL}/0/power", b"nan"), Refused)


@pytest.mark.parametrize(
    ("rest", "dialect"),
    [("reading", "native"), ("roof/reading", "native"), (f"{SERIAL}/0/power", "opendtu"), ("ac/freq", "deye_mqtt")],
)
def test_the_topic_tells_the_dialect(rest: str, dialect: str) -> None:
    """Dialect "auto" needs no choice by the owner."""
    assert told_by(rest) == dialect
