"""What may stand in the broker's password file, and what may vanish from it."""

import pytest

from portal.provisioner.password_file import (
    Line,
    LoginsWouldVanish,
    bridge_line,
    check_vanishing,
    parse,
    text,
    vanishing,
)
from schema.verifiers import is_verifier, verifier

pytestmark = pytest.mark.unit
ALICE, BOB = "AAAAAAAA22", "BBBBBBBB33"
BRIDGE = bridge_line("bridge-password", None)


def test_the_file_names_the_bridge_first_and_then_every_login() -> None:
    """One line each, and reading it back gives the same names."""
    lines = [Line(ALICE, verifier("a")), Line(BOB, verifier("b"))]

    content, left_out = text(lines, BRIDGE)

    assert [line.split(":")[0] for line in content.splitlines()] == ["bridge", ALICE, BOB]
    assert parse(content) == {"bridge": BRIDGE.verifier, ALICE: lines[0].verifier, BOB: lines[1].verifier}
    assert left_out == []


@pytest.mark.parametrize(
    "bad",
    [
        Line("bridge", verifier("x")),
        Line("ALICE:x\nmal", verifier("x")),
        Line("short", verifier("x")),
        Line(BOB, "plain text"),
        Line(BOB, verifier("x") + "\nBADBADBAD2:" + verifier("y")),
        Line(BOB, ""),
    ],
)
def test_a_broken_line_never_reaches_the_broker_and_does_not_hold_back_its_neighbours(bad: Line) -> None:
    """2.1 stops on a broken line and 2.0 drops it: it is left out, by name, and everybody else stays."""
    content, left_out = text([Line(ALICE, verifier("a")), bad], BRIDGE)

    assert [line.split(":")[0] for line in content.splitlines()] == ["bridge", ALICE]
    assert left_out == [bad.name]


@pytest.mark.parametrize("bridge", [Line("bridge", "x"), Line(ALICE, verifier("x"))])
def test_without_the_bridges_own_line_there_is_no_file(bridge: Line) -> None:
    """A broker that refuses the bridge would take messages nobody reads."""
    with pytest.raises(ValueError, match="bridge"):
        text([], bridge)


def test_the_bridges_line_stays_as_long_as_its_password_does() -> None:
    """An equal file needs no reload; a new password makes a new line."""
    kept = bridge_line("bridge-password", BRIDGE.verifier)
    changed = bridge_line("another", BRIDGE.verifier)
    repaired = bridge_line("bridge-password", "garbage")

    assert kept == BRIDGE
    assert changed.verifier != BRIDGE.verifier
    assert is_verifier(repaired.verifier)


def test_a_login_may_vanish_only_when_it_was_revoked() -> None:
    """A wrong or empty database must not lock everybody out."""
    vanished = vanishing(["bridge", ALICE, BOB], [ALICE])

    check_vanishing(vanished, revoked=[BOB])
    with pytest.raises(LoginsWouldVanish, match="1 logins") as refusal:
        check_vanishing(vanished, revoked=[])

    assert refusal.value.names == {BOB}


def test_foreign_lines_in_the_file_count_for_nothing() -> None:
    """What this program could not have written is neither kept nor missed."""
    assert parse(f"# comment\nadmin:plain\n\n{ALICE}\n{ALICE}:{verifier('a')[:-1]}") == {}
