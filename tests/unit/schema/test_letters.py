"""Dead letters as people see them: whatever was sent, what is shown is plain text."""

import pytest

from bridge.refusals import Reason
from schema.letters import TITLES, shown, title

pytestmark = pytest.mark.unit


def test_every_reason_has_a_title() -> None:
    """A list never shows a code; a reason that is gone leaves no title behind."""
    assert set(TITLES) == {reason.value for reason in Reason}


def test_a_reason_of_a_newer_bridge_is_called_by_its_code() -> None:
    """Rather than failing on the page."""
    assert title("moon_phase") == "moon phase"


def test_text_is_shown_as_it_came() -> None:
    """Accents and lines included."""
    found = shown('{\n\t"name": "Küche"}'.encode())

    assert found.text == '{\n\t"name": "Küche"}'
    assert (found.is_hex, found.missing) == (False, 0)


@pytest.mark.parametrize("control", ["\x1b", "\x07", "\u202e", "\u2028", "\x9b", "\r", "\x00"])
def test_what_would_control_a_terminal_or_turn_the_writing_is_spelt_out(control: str) -> None:
    """Escape sequences, bells, right-to-left overrides."""
    found = shown(f"a long enough text around {control}[31m".encode())

    assert control not in found.text
    assert f"\\u{ord(control):04x}" in found.text


@pytest.mark.parametrize("payload", [b"\xff\xfe\x00\x01", b"\x00" * 40, bytes(range(256))])
def test_what_is_no_text_is_shown_as_bytes(payload: bytes) -> None:
    """Sixteen in a row, with what could be read beside them."""
    found = shown(payload)

    assert found.is_hex
    assert found.text.startswith(f"0000  {payload[:16].hex(' ')}")
    assert all(character.isprintable() or character == "\n" for character in found.text)


def test_a_long_payload_is_cut_and_says_so() -> None:
    """What is shown and what is missing make the whole, also where it was cut before."""
    text, octets = shown(b"a" * 5_000), shown(b"\xff" * 4_096, size=60_000)

    assert (len(text.text), text.missing, text.size) == (2_000, 3_000, 5_000)
    assert (octets.missing, octets.size) == (60_000 - 512, 60_000)


def test_a_character_that_the_cut_went_through_makes_no_bytes_of_a_text() -> None:
    """4,096 bytes may end within one."""
    found = shown("ü".encode() * 100 + "ü".encode()[:1], size=300)

    assert not found.is_hex
    assert found.text == "ü" * 100


def test_an_empty_payload_is_empty_text() -> None:
    """A logger's will may be empty."""
    assert shown(b"").text == ""
