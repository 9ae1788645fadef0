"""M3 and M5: text in every encoding and for every interpreter; times of every kind. No I/O."""

import json
import random
from datetime import UTC, datetime

from tests.hostile.attack import OTHER_SERIAL, OWN, READING, Attack
from tests.hostile.models import SCALARS

# Secrets must never be logged; this stands for one in the bodies of messages, which must not be logged either.
CANARY = "canary-7f3a-must-not-be-logged"

_PIECES: tuple[bytes, ...] = (
    b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\xf5\x80\x80\x80", b"\xc0\xaf", b"\x80", b"\0",
    b"\x1b[2J",
    b"\xef\xbb\xbf", "\u202e\u2066".encode(), "\u2028\u2029".encode(), "\u00e9e\u0301".encode(),
    "\U0001f468\u200d\U0001f469".encode(),
    b"\n", b"\r\n", b"\t", b",", b" ", b"=", b'"', b"'", b"\\", b"\\\\", b"\\u0000", b"\\ud800", b"\\udfff\\ud800",
    b"\\x00", b"\\n",
    b"__proto__", b"constructor", b"{{7*7}}", b"${jndi:ldap://x}", b"%s%n", b"%(x)s", b"{0.__class__}",
    b"../../etc/passwd",
    b"<script>alert(1)</script>", b"\"><img src=x onerror=alert(1)>", b"' OR 1=1 --", b"'; DROP TABLE login; --",
    b"=cmd|'/c calc'!A0",
    b'@SUM(1)', b'") |> yield() //', b'from(bucket:"x")', b"reading,serial=evil ac_power=1 1\n",
    b" ac_power=1 1780315140000",
    b"\nreading,serial=x ac_power=9 1780315140000\n", CANARY.encode(),
)  # fmt: skip


def text(dice: random.Random) -> Attack:
    """M3: pieces as a scalar, a name, a value, a serial, a time, or between the lines of a document."""
    piece = b"".join(dice.choices(_PIECES, k=dice.randrange(1, 4)))
    way = dice.randrange(7)
    if way == 0:
        tail, value = dice.choice(SCALARS)
        body = dice.choice((piece, value.encode() + piece, piece + value.encode()))
        return Attack("M3", b"deye/" + OWN + b"/" + tail.encode(), body)
    if way == 1:
        body = b'{"ac_power": 1' + piece + b"}"
    elif way == 2:
        body = b'{"' + piece + b'": 1.5, "ac_power": 2.5}'
    elif way == 3:
        body = b'{"ac_power": "' + piece + b'"}'
    elif way == 4:
        body = (
            b'{"ac_power": 1.5, "serial": "' + dice.choice((piece, OTHER_SERIAL + piece, piece + OTHER_SERIAL)) + b'"}'
        )
    elif way == 5:
        body = b'{"ac_power": 1.5, "' + dice.choice((b"time", b"status", b"odd")) + b'": "' + piece + b'"}'
    else:
        # The same as JSON itself would spell it: escaped, so that the text really reaches the decoder.
        word = piece.decode(errors="surrogateescape")
        body = json.dumps({word: 1.5, "ac_power": 2.5, "serial": word, "status": word}).encode()
    return Attack("M3", READING, body)


_TIMES: tuple[object, ...] = (
    0, -1, 1, 1e9, 1e11 - 1, 1e11, 1e12, 1e15, 1e18, 1e21, 1e300, -1e300, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63,
    -(2**63),
    9_223_372_036, 9_223_372_037, 253_402_300_799, 253_402_300_800, -62_135_596_800, -62_135_596_801, 1780315140.123456,
    True, None, [], {}, "", " ", "now", "0", "1780315140",
    "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2038-01-19T03:14:08Z", "2262-04-11T23:47:16Z",
    "2262-04-11T23:47:17Z",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
    "10000-01-01T00:00:00Z", "2026-06-01T11:59:00", "2026-06-01", "2026-W22-1", "20260601T115900Z", "2026-152",
    "2026-03-29T02:30:00+01:00", "2026-10-25T02:30:00+02:00", "2016-12-31T23:59:60Z", "2026-06-01T24:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-06-01T11:59:00+99:99", "2026-06-01T11:59:00.1234567890123Z", "2026-06-01T11:59:00,5Z", "2026-06-01t11:59:00z",
    "01.06.2026 11:59:00", "Mon, 01 Jun 2026 11:59:00 GMT", "2026-06-01T11:59:00+00:00:00.000001",
    "2026-06-01T11:59:00Z\n",
    "\u0662\u0660\u0662\u0666-06-01T11:59:00Z", "2026-06-01T11:59:00+24:00", "2026-06-01T11:59:00Z" + "0" * 5000,
)  # fmt: skip
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)


def time(dice: random.Random) -> Attack:
    """M5: a time nobody can have meant, or one in another unit, beside a sound value."""
    if dice.random() < 0.5:
        chosen = dice.choice(_TIMES)
        spelled = json.dumps(chosen)
    else:
        seconds = dice.choice((0, 2**31, 1_780_315_140, dice.uniform(-1e10, 1e11)))
        value = seconds * dice.choice(_UNITS)
        spelled = dice.choice((repr(value), repr(float(value)), f'"{value}"', json.dumps(_iso(value, dice))))
    name = dice.choice(("time", "time", "time", "Time", "ts", "timestamp"))
    return Attack("M5", READING, f'{{"ac_power": {dice.uniform(0, 5000):.1f}, "{name}": {spelled}}}'.encode())


def _iso(value: float, dice: random.Random) -> str:
    at = datetime.fromtimestamp(value % 4_000_000_000, UTC)
    return dice.choice((at.isoformat(), at.replace(tzinfo=None).isoformat(), at.ctime(), at.strftime("%d.%m.%Y %H:%M")))
