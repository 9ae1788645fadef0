"""M4, M6 and M8: depth and size, topics, random bytes. No I/O."""

import gzip
import json
import random
import zlib

from tests.hostile.attack import OTHER, OTHER_SERIAL, OWN, READING, Attack

_ROOT = b"deye/" + OWN
# The broker's limit for a packet and the bridge's for a reading.
PACKET_BYTES, READING_BYTES = 65_536, 16_384
_BOMBS = tuple(
    packed(bytes(1_000_000))
    for packed in (gzip.compress, zlib.compress, lambda data: gzip.compress(gzip.compress(data)))
)


def _padded(size: int) -> bytes:
    head, foot = b'{"ac_power": 1.5, "note": "', b'"}'
    return head + b"x" * max(0, size - len(head) - len(foot)) + foot


def shape(dice: random.Random) -> Attack:
    """M4: nesting 1 to 100,000, 0 bytes to 1 MB, 10,000 fields, compressed zeros."""
    way = dice.randrange(8)
    if way == 0:
        depth = int(10 ** dice.uniform(0, 5))
        opening, closing = dice.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
        body = opening * depth + b"1" + (closing * depth if dice.random() < 0.5 else b"")
    elif way == 1:
        body = dice.choice((b"", b" ", b"\n", b"{}", b"[]", b'""', b"0", b"null", b"{", b"}", b'"', b"\0"))
    elif way == 2:
        body = _padded(READING_BYTES + dice.randrange(-2, 3))
    elif way == 3:
        body = _padded(
            dice.choice((PACKET_BYTES - 100, PACKET_BYTES - 45, PACKET_BYTES - 30, PACKET_BYTES, PACKET_BYTES + 1))
        )
    elif way == 4:
        fields = dice.choice((64, 65, 256, 257, 900, 10_000))
        body = json.dumps({f"f{number}_{dice.getrandbits(16)}": 1.0 for number in range(fields)}).encode()
    elif way == 5:
        body = dice.choice(_BOMBS)
    elif way == 6:
        body = b'{"ac_power": 1.5, "' + b"n" * dice.choice((48, 49, 300, 4_000, 16_000)) + b'": 2}'
    elif dice.random() < 0.05:
        body = _padded(1_000_000)
    else:
        body = json.dumps({"ac_power": 1.5, "list": list(range(dice.randrange(2_000)))}).encode()
    topic = READING if dice.random() < 0.8 else _ROOT + b"/ac/active_power"
    return Attack("M4", topic, body)


_LEVELS: tuple[bytes, ...] = (
    b"", b" ", b"+", b"#", b"a+", b"#a", b"..", b"%2F", b"$SYS", b"$share", b"$CONTROL", b"reading", b"READING",
    b"Reading", b"1", b"0",
    b"99", b"-1", "\u0661".encode(), "\uff11".encode(), "\u0131".encode(), b"ac", b"active_power", b"dc", b"pv1",
    b"power", b"battery",
    b"status", b"config", b"command", b"set", b"inverter", b"114180000001", b"11418000000G", b"homeassistant", b"LWT",
    b"x" * 200,
    "\U0001f4a9".encode(), b"a b", b"a\tb", b"a\x7fb", "a\u200bb".encode(), b"\xff", b"\xed\xa0\x80", b"a\0b", OTHER,
    OTHER_SERIAL,
    "\u0430c".encode(), b"'; --", b"<b>", b"{}", b"%s", b"\\",
)  # fmt: skip
_HEADS: tuple[bytes, ...] = (
    _ROOT, _ROOT, _ROOT, _ROOT, b"deye/" + OTHER, b"deye", b"", b"/", b"deye//" + OWN, b"/deye/" + OWN,
    b"DEYE/" + OWN, b"deye/+",
    b"deye/#", b"deye/bridge", b"deye/bridge/marker", b"$SYS/broker/log/N", b"$share/g/deye/" + OWN,
    b"$CONTROL/dynamic-security/v1",
    b"deye /" + OWN, b"deye/" + OWN + b" ", b"d\xd0\xb5ye/" + OWN, b"SS/availability", b"homeassistant", b"deye/AACE",
)  # fmt: skip


def topic(dice: random.Random) -> Attack:
    """M6: levels that are empty, foreign, wild, without end, of another alphabet; below the own login and elsewhere."""
    head = dice.choice(_HEADS)
    depth = dice.choice((0, 1, 1, 2, 2, 3, 4, 8, 150, 201, 300))
    levels = [dice.choice(_LEVELS) for _ in range(depth)]
    made = b"/".join([head, *levels])
    if dice.random() < 0.02:
        made = head + b"/" + b"t" * dice.choice((511, 512, 4_000, 60_000, 65_400))
    if dice.random() < 0.2:
        made += dice.choice((b"/reading", b"/ac/active_power", b"/1/ac/active_power"))
    payload = dice.choice(
        (b"412.5", b'{"ac_power": 412.5}', b'{"ac_power": 412.5, "serial": "' + OTHER_SERIAL + b'"}', b"online")
    )
    return Attack("M6", made[:65_535], payload)


def noise(dice: random.Random) -> Attack:
    """M8: random bytes on a sound topic."""
    size = dice.choice((0, 1, 2, 3, 8, 16, 64, 256, 1_024, READING_BYTES))
    return Attack(
        "M8", dice.choice((READING, _ROOT + b"/ac/active_power", _ROOT + b"/1/day_energy")), dice.randbytes(size)
    )
