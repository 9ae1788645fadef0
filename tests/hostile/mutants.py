"""M1 and M2: real payloads with members missing, extra, twice or of another type; numbers no float holds. No I/O."""

import json
import random
from collections.abc import Callable

from schema.quantities import CATALOGUE
from tests.hostile.attack import OTHER_SERIAL, OWN, READING, Attack
from tests.hostile.models import DOCUMENTS, MODELS, SCALARS

_NAMES = sorted(CATALOGUE)
_SCALES = (0.001, 0.1, 10, 100, 1000, 3_600_000, -1, 1e30)
_ODD_VALUES: tuple[object, ...] = (
    None, True, False, "", " ", "412.5", "412,5", "412.5 W", "unavailable", "unknown", "NaN", [], [1], {},
    {"value": 1.0},
    -0.0, 65535, 65534, -65535, 32768177.4, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 1e308, -1e308, 5e-324, "ON",
    "alarm",
    1.5, -1, 4.000000001,
)  # fmt: skip
_ODD_NAMES = (
    "", "time", "serial", "Time", "AC_POWER", "ac_power ", "ac power", "ac-power", "x_", "x_ac_power", "__proto__",
    "a" * 300, "\u00e4\u00f6", "ac_power,serial=evil", "ac_power=1", "reading", "owner_id", "bucket", "token", "org",
)  # fmt: skip
NUMBERS = (
    "NaN", "nan", "Infinity", "-Infinity", "inf", "1e999", "-1e999", "-0", "-0.0", "+1", "01", "1.", ".5", "1e", "1e+",
    "9007199254740991", "9007199254740993", "-9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "18446744073709551616", "1" * 400, "1" * 4299, "1" * 4301, "-" + "9" * 5000,
    "0." + "3" * 5000,
    "1e-400", "4.9e-324", "2.2250738585072011e-308", "1.7976931348623159e308", "12,5", "1_000", "0x1F", "0b1", "0o7",
    "1f",
    "1i", "1u", "65535", "65534", "-65509", "32768177.4", "\u0661\u0662", "\uff11\uff12", "1 2", "1\n2", "--1", "1e1e1",
    "1.2.3", "\u00bd", "1\u00a0000", "\u22121", "1E400", "true", "null", '"1"', "[1]", "",
)  # fmt: skip


def _any_name(dice: random.Random) -> str:
    return dice.choice(_NAMES) if dice.random() < 0.6 else dice.choice(_ODD_NAMES)


def _pairs_of(text: str) -> list[tuple[str, object]]:
    document = json.loads(text, object_pairs_hook=list)
    if document and isinstance(document[0], list):
        document = document[0]
    return [(str(name), value) for name, value in document]


def _text(pairs: list[tuple[str, object]]) -> str:
    """By hand, because a dict has no room for the same name twice."""
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(_plain(value))}" for name, value in pairs) + "}"


def _plain(value: object) -> object:
    """Inner objects were read as lists of pairs."""
    if isinstance(value, list) and value and all(isinstance(pair, tuple) for pair in value):
        return {str(name): _plain(inner) for name, inner in value}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _place(pairs: list[tuple[str, object]], dice: random.Random) -> int:
    return dice.randrange(len(pairs)) if pairs else 0


def _without(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    if pairs:
        del pairs[_place(pairs, dice)]


def _with_another(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    value: object = dice.choice(_ODD_VALUES) if dice.random() < 0.5 else dice.uniform(-1e5, 1e5)
    pairs.insert(_place(pairs, dice), (_any_name(dice), value))


def _of_another_type(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    if pairs:
        at = _place(pairs, dice)
        pairs[at] = (pairs[at][0], dice.choice(_ODD_VALUES))


def _twice(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    if pairs:
        pairs.append(pairs[_place(pairs, dice)])


def _in_another_unit(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    numbers = [
        (at, value) for at, (_, value) in enumerate(pairs) if isinstance(value, (int, float)) and abs(value) < 1e18
    ]
    if numbers:
        at, value = dice.choice(numbers)
        pairs[at] = (pairs[at][0], value * dice.choice(_SCALES))


def _renamed(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    if pairs:
        at = _place(pairs, dice)
        pairs[at] = (_any_name(dice), pairs[at][1])


def _swapped(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    if pairs:
        one, other = _place(pairs, dice), _place(pairs, dice)
        pairs[one], pairs[other] = (pairs[one][0], pairs[other][1]), (pairs[other][0], pairs[one][1])


def _with_a_foreign_serial(pairs: list[tuple[str, object]], dice: random.Random) -> None:
    name = dice.choice(
        ("serial", "serial", "Serial", "sn", "deviceSn", "inverter_id", "owner_id", "bucket_id", "login")
    )
    pairs[:] = [pair for pair in pairs if pair[0] != name or dice.random() < 0.1]
    pairs.append((name, OTHER_SERIAL.decode()))


_CHANGES: tuple[Callable[[list[tuple[str, object]], random.Random], None], ...] = (
    _without, _with_another, _of_another_type, _twice, _in_another_unit, _renamed, _swapped, _with_a_foreign_serial,
)  # fmt: skip


def _rewrapped(text: str, dice: random.Random) -> bytes:
    """The document's text as a whole, now and then cut, doubled, wrapped or in another encoding."""
    body = text.encode(errors="surrogatepass")
    at = dice.randrange(len(body) + 1)
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: body[:at],
        lambda: body + dice.choice((b"x", b"\0", b"\n", body, b",", b"}")),
        lambda: b"[" + body + b"]",
        lambda: text.encode(dice.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")), errors="replace"),
        lambda: body.replace(b'"', b"'"),
        lambda: body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :],
    )
    return dice.choice(ways)() if dice.random() < 0.15 else body


def mutant(dice: random.Random) -> Attack:
    """M1: a real payload, changed one to four times."""
    tail, text = dice.choice(MODELS)
    topic = READING if dice.random() < 0.5 else b"deye/" + OWN + b"/" + tail.encode()
    if (tail, text) in SCALARS:
        value = json.loads(json.dumps(text))
        odd = dice.choice(_ODD_VALUES)
        body = dice.choice(
            (str(value), str(odd), f"{value} W", f" {value}", f"{value}\n", f'"{value}"', json.dumps(odd))
        )
        return Attack("M1", b"deye/" + OWN + b"/" + tail.encode(), _rewrapped(body, dice))
    pairs = _pairs_of(text)
    for _ in range(dice.randrange(1, 5)):
        dice.choice(_CHANGES)(pairs, dice)
    return Attack("M1", topic, _rewrapped(_text(pairs), dice))


def number(dice: random.Random) -> Attack:
    """M2: a number's text where a number belongs, in a document or as a scalar."""
    text = dice.choice(NUMBERS)
    if dice.random() < 0.3:
        text = str(
            dice.choice(
                (dice.getrandbits(dice.randrange(1, 300)), dice.uniform(-1e9, 1e9), 10.0 ** dice.uniform(-320, 308))
            )
        )
    if dice.random() < 0.5:
        tail, _ = dice.choice(SCALARS)
        return Attack("M2", b"deye/" + OWN + b"/" + tail.encode(), text.encode())
    name = dice.choice((*_NAMES, "odd", "time", "serial", "status", "grid_connected"))
    base = _text(_pairs_of(dice.choice(DOCUMENTS)[1])[:2])[1:-1]
    return Attack("M2", READING, f'{{{base}{"," if base else ""} "{name}": {text}}}'.encode())
