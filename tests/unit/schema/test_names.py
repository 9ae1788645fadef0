"""Topics, serials and quantities: the words everything else is written in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import serials, topics
from schema.quantities import CATALOGUE, EXTRA_PREFIX, Kind, sanitised

pytestmark = pytest.mark.unit
LOGINS = st.text(topics.LOGIN_ALPHABET, min_size=topics.LOGIN_LENGTH, max_size=topics.LOGIN_LENGTH)


@given(LOGINS, st.sampled_from(["", "2", "114180000001"]))
def test_a_native_topic_leads_back_to_its_login(login: str, selector: str) -> None:
    """What the pairing page prints is what the bridge understands."""
    address = topics.parse(topics.native(login, selector))

    assert address is not None
    assert address.login == login
    assert address.rest == "/".join(part for part in (selector, topics.NATIVE_TAIL) if part)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "deye",
        "deye/",
        "deye/23456789AB",
        "deye/23456789AB/",
        "deye/bridge/marker",
        "deye/23456789A0/reading",  # 0 is not in the alphabet
        "deye/23456789ab/reading",
        "other/23456789AB/reading",
        "/deye/23456789AB/reading",
        "deye/23456789ABC/reading",
    ],
)
def test_what_is_not_below_a_login_has_no_address(topic: str) -> None:
    """Anything that a login could not have been given is nobody's."""
    assert topics.parse(topic) is None


def test_the_bridge_can_never_be_mistaken_for_a_login() -> None:
    """Its user name and its marker lie outside the alphabet of logins."""
    assert not topics.is_login(topics.BRIDGE_USER)
    assert topics.parse(topics.MARKER_TOPIC) is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("2711111111", "2711111111"), (" sn 27-11.11:1111 ", "SN2711111111"), ("ab12_cd34", "AB12CD34")],
)
def test_a_serial_is_the_same_however_it_was_typed(typed: str, kept: str) -> None:
    """Blanks, dashes and case on stickers do not make another device."""
    assert serials.normalised(typed) == kept


FULL_WIDTH_DIGITS = "\uff11\uff12\uff13\uff14\uff15\uff16"


@pytest.mark.parametrize("typed", ["", "12345", "x" * 33, "2711111111\n; DROP", FULL_WIDTH_DIGITS, "27<b>11111"])
def test_what_cannot_be_a_serial_is_refused_with_a_hint(typed: str) -> None:
    """The refusal says where to find the right one."""
    with pytest.raises(serials.InvalidSerial, match="sticker"):
        serials.normalised(typed)


def test_every_quantity_has_a_sane_range_and_a_unit() -> None:
    """Ranges are finite and ordered, states have one code for each value, everything else has a unit."""
    for name, quantity in CATALOGUE.items():
        assert name == quantity.name
        assert math.isfinite(quantity.low)
        assert quantity.low < quantity.high
        assert quantity.scale >= 1
        assert bool(quantity.unit) is (quantity.kind is not Kind.STATE)
        assert len(quantity.codes) == (int(quantity.high) + 1 if quantity.kind is Kind.STATE else 0)


@given(st.text(max_size=200))
def test_an_unknown_name_becomes_a_harmless_one_or_nothing(name: str) -> None:
    """Whatever a publisher calls it, the field name has only letters, digits and underscores."""
    safe = sanitised(name)

    assert safe == "" or (safe.startswith(EXTRA_PREFIX) and len(safe) <= 50 and safe.isascii())
    assert not set(safe) - set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert safe not in CATALOGUE
