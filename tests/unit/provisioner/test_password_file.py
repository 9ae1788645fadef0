"""What may stand in the broker's password file, and what may vanish from it."""

import base64

import pytest

from portal.provisioner.password_file import (
    Line,
    LoginsWouldVanish,
    check_vanishing,
    own_lines,
    parse,
    text,
    vanishing,
)
from schema.topics import canary_secret
from schema.verifiers import is_verifier, verifier

pytestmark = pytest.mark.unit
ALICE, BOB = "AAAAAAAA22", "BBBBBBBB33"
OWN = own_lines("bridge-password", {})


def test_the_file_names_the_bridge_first_and_then_every_login() -> None:
    """One line each, its canary behind it, and reading it back gives the same names."""
    lines = [Line(ALICE, verifier("a")), Line(BOB, verifier("b"))]

    content, left_out = text(lines, OWN)

    assert [line.split(":")[0] for line in content.splitlines()] == ["bridge", "canary", ALICE, BOB]
    assert parse(content) == {line.name: line.verifier for line in [*OWN, *lines]}
    assert left_out == []


@pytest.mark.parametrize(
    "bad",
    [
        Line("bridge", verifier("x")),
        Line("canary", verifier("x")),
        Line("ALICE:x\nmal", verifier("x")),
        Line("short", verifier("x")),
        Line(BOB, "plain text"),
        Line(BOB, verifier("x") + "\nBADBADBAD2:" + verifier("y")),
        Line(BOB, ""),
    ],
)
def test_a_broken_line_never_reaches_the_broker_and_does_not_hold_back_its_neighbours(bad: Line) -> None:
    """2.1 stops on a broken line and 2.0 drops it: it is left out, by name, and everybody else stays."""
    content, left_out = text([Line(ALICE, verifier("a")), bad], OWN)

    assert [line.split(":")[0] for line in content.splitlines()] == ["bridge", "canary", ALICE]
    assert left_out == [bad.name]


@pytest.mark.parametrize(
    "own",
    [[Line("bridge", "x"), OWN[1]], [Line(ALICE, verifier("x")), OWN[1]], [OWN[0], Line("canary", "")], OWN[:1], []],
)
def test_without_the_bridges_own_lines_there_is_no_file(own: list[Line]) -> None:
    """A broker that refuses the bridge would take messages nobody reads; without the canary nobody would check it."""
    with pytest.raises(ValueError, match="bridge"):
        text([], own)


def test_the_bridges_lines_stay_as_long_as_its_password_does() -> None:
    """An equal file needs no reload; a new password makes new lines."""
    present = {line.name: line.verifier for line in OWN}
    kept = own_lines("bridge-password", present)
    changed = own_lines("another", present)
    repaired = own_lines("bridge-password", {"bridge": "garbage"})

    assert kept == OWN
    assert all(new.verifier != old.verifier for new, old in zip(changed, OWN, strict=True))
    assert all(is_verifier(line.verifier) for line in repaired)


def test_the_canarys_secret_is_not_the_bridges() -> None:
    """Whoever learns it has learnt a login that may do nothing."""
    bridge, canary = OWN

    assert canary.verifier == verifier(
        canary_secret("bridge-password"), base64.b64decode(canary.verifier.split("$")[3])
    )
    assert canary.verifier != verifier("bridge-password", base64.b64decode(canary.verifier.split("$")[3]))
    assert bridge.verifier == verifier("bridge-password", base64.b64decode(bridge.verifier.split("$")[3]))


def test_a_login_may_vanish_only_when_it_was_revoked() -> None:
    """A wrong or empty database must not lock everybody out."""
    vanished = vanishing(["bridge", "canary", ALICE, BOB], [ALICE])

    check_vanishing(vanished, revoked=[BOB])
    with pytest.raises(LoginsWouldVanish, match="1 logins") as refusal:
        check_vanishing(vanished, revoked=[])

    assert refusal.value.names == {BOB}


def test_foreign_lines_in_the_file_count_for_nothing() -> None:
    """What this program could not have written is neither kept nor missed."""
    assert parse(f"# comment\nadmin:plain\n\n{ALICE}\n{ALICE}:{verifier('a')[:-1]}") == {}
