"""A coverage-guided fuzzer of decoder and encoder: inputs that reach new lines are kept and changed further. No I/O.

``python -m tests.hostile.fuzz SECONDS [SEED]``, so long for each target. atheris would be faster and has no wheel for
ARM.
"""

import math
import random
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from bridge.decoded import Decoded, Document, Scalar
from bridge.dialects import DIALECTS
from bridge.edges.mqtt5_reader import PacketReader
from bridge.edges.packets import BrokenPacket, Incoming, incoming
from schema.quantities import CATALOGUE
from schema.readings import Reading
from schema.timeseries.line_protocol import NotLineProtocol, encode, milliseconds, parse
from tests.fake_influx_state import parsed
from tests.hostile.attack import OWN, Attack
from tests.hostile.groups import MAKERS, MESSAGES
from tests.hostile.judge import Judge
from tests.hostile.packets import publish

_ROOT = Path(__file__).parents[2]
_OURS = tuple(str(_ROOT / name) + "/" for name in ("bridge", "schema"))
_TAILS = (
    "reading", "roof/reading", "ac/active_power", "1/ac/active_power", "ac/relay_status", "ac/ongrid",
    "inverter/status",
    "logger_status", "total_energy", "114180000001/0/yieldday", "114180000001/status/producing", "odd/one", "x/config",
)  # fmt: skip
_WORDS = (
    b"1e999", b"NaN", b"-0", b"9" * 400, b'"time"', b'"serial"', b'"status"', b'"grid_connected"', b"null", b"true",
    b"\\ud800",
    b"2026-06-01T11:59:00Z", b"\xff", b"\0", b"{", b"}", b"[", b'"', b",", b":", b"=", b" ", b"\n", b"\\", b"e5",
    b"unavailable",
)  # fmt: skip
_NAMES = (*sorted(CATALOGUE), "x_odd", "x_", "", "a,b", "a b", "time")
_AT = datetime(2026, 6, 1, tzinfo=UTC)

Target = Callable[[bytes], None]


def message(judge: Judge) -> Target:
    """The first byte chooses the topic, the rest is the payload: the whole pipeline, with the judge's checks."""

    def target(data: bytes) -> None:
        tail = _TAILS[data[0] % len(_TAILS)] if data else "reading"
        attack = Attack("fuzz", b"deye/" + OWN + b"/" + tail.encode(), data[1:])
        faults = judge.judge([attack]).faults
        assert not faults, faults

    return target


def dialects(data: bytes) -> None:
    """Topic and payload, whatever they are, in each dialect by its name: never an exception, only finite values."""
    rest, _, payload = data.partition(b"\0")
    text = rest.decode(errors="replace")
    for decode in DIALECTS.values():
        values = list(_values(decode(text, payload)))
        assert all(math.isfinite(value) for value in values), values


def _values(decoded: Decoded) -> Iterator[float]:
    if isinstance(decoded, Document):
        yield from decoded.values.values()
        yield from decoded.extra.values()
    elif isinstance(decoded, Scalar):
        yield decoded.value


def encoder(data: bytes) -> None:
    """Any names, numbers, serial and time: refused, or exactly one point that two readers read as what it was."""
    serial, _, rest = data.partition(b"\0")
    values = {
        _NAMES[rest[at] % len(_NAMES)]: struct.unpack("<d", rest[at + 1 : at + 9])[0]
        for at in range(0, len(rest) - 8, 9)
    }  # fmt: skip
    reading = Reading(_AT + timedelta(milliseconds=int.from_bytes(rest[-5:], "big", signed=True)), values, {})
    try:
        line = encode(reading, serial=serial.decode(errors="surrogateescape"))
    except (ValueError, OverflowError):
        return
    ours, (theirs,) = parse(line), parsed(line, 0)
    assert dict(ours.fields) == values == theirs.fields
    assert ours.at_ms == theirs.at_ms == milliseconds(reading.at)
    assert ours.serial == serial.decode()


def line(data: bytes) -> None:
    """Whatever our own reader takes for a line is one for the other reader, and the same."""
    try:
        ours = parse(data)
    except NotLineProtocol:
        return
    (theirs,) = parsed(data, 0)
    assert dict(ours.fields) == theirs.fields


def publish_packet(data: bytes) -> None:
    """A PUBLISH as the default edge takes it apart."""
    try:
        incoming(data[0] if data else 0x32, data[1:])
    except BrokenPacket:
        return


def packets(data: bytes) -> None:
    """Bytes of a connection as the edge ``mqtt5`` takes them, cut in two: it gets on with each turn, or waits."""
    reader, cut = PacketReader(), data[0] % 64 if data else 0
    for piece in (data[1 : 1 + cut], data[1 + cut :]):
        reader.feed(piece)
        for _ in range(len(data) + 2):
            messages: list[Incoming] = []
            try:
                control = reader.take(messages, 1)
            except BrokenPacket:
                return
            if control is None and not messages:
                break
        else:
            raise AssertionError("more packets than bytes")
        reader.forget_taken()


def targets() -> dict[str, Target]:
    """All of them by name."""
    return {
        "message": message(Judge()),
        "dialects": dialects,
        "encoder": encoder,
        "line": line,
        "publish_packet": publish_packet,
        "packets": packets,
    }


def first_corpus(dice: random.Random) -> list[bytes]:
    """Where the search begins: inputs of every group, one per topic, and a line of ours."""
    made = [MAKERS[group](dice) for group in MESSAGES for _ in range(12)]
    corpus = [bytes([number % len(_TAILS)]) + attack.payload[:2_000] for number, attack in enumerate(made)]
    corpus += [tail.encode() + b"\0" + b"1.5" for tail in _TAILS]
    corpus += [
        b"reading,serial=A1 ac_power=1.5,status=2i 1780315140000",
        b"A1\0" + bytes([3]) + struct.pack("<d", 1.5) * 2,
    ]
    corpus += [
        bytes([dice.randrange(64)]) + publish(b"deye/x/reading", b"1.5", number) * 3 for number in (0, 1, 65_535)
    ]
    # CONNACK, SUBACK, PUBACK, PINGRESP, DISCONNECT.
    corpus.append(bytes.fromhex("05 20 03 00 00 00 90 04 00 01 00 01 40 02 00 01 d0 00 e0 00"))
    return corpus


@dataclass
class Found:
    """What a search came to: ``reached`` are lines and their predecessors, ``harm`` inputs with what they did."""

    runs: int = 0
    corpus: list[bytes] = field(default_factory=list)
    reached: set[tuple[CodeType, int, int]] = field(default_factory=set)
    harm: list[tuple[bytes, str]] = field(default_factory=list)


@contextmanager
def _traced(reached: set[tuple[CodeType, int, int]], below: tuple[str, ...]) -> Iterator[None]:
    """Note each step from line to line in these files."""

    def calls(frame: FrameType, _: str, __: object) -> Any:
        if not frame.f_code.co_filename.startswith(below):
            return None
        before = 0

        def lines(inner: FrameType, event: str, _: object) -> Any:
            nonlocal before
            if event == "line":
                reached.add((inner.f_code, before, inner.f_lineno))
                before = inner.f_lineno
            return lines

        return lines

    outer = sys.gettrace()
    sys.settrace(calls)
    try:
        yield
    finally:
        sys.settrace(outer)


def changed(data: bytes, corpus: list[bytes], dice: random.Random) -> bytes:
    """One to four changes of bytes, words, lengths, or with a piece of another input."""
    out = bytearray(data)
    for _ in range(dice.randrange(1, 5)):
        at, way = dice.randrange(len(out) + 1), dice.randrange(6)
        if way == 0 and at < len(out):
            out[at] = dice.randrange(256)
        elif way == 1:
            out[at:at] = dice.choice(_WORDS)
        elif way == 2:
            del out[at : at + dice.randrange(1, 9)]
        elif way == 3:
            other = dice.choice(corpus)
            begin = dice.randrange(len(other) + 1)
            out[at:] = other[begin : begin + 200]
        elif way == 4:
            out[at:at] = out[at : at + dice.randrange(1, 40)]
        elif at < len(out):
            out[at] ^= 1 << dice.randrange(8)
    return bytes(out[:20_000])


def search(
    target: Target,
    *,
    seconds: float,
    seed: int,
    below: tuple[str, ...] = _OURS,
    most_harm: int = 100,
    least_runs: int = 0,
    most_runs: int = 10**9,
) -> Found:
    """Run the target on changed inputs, guided by what they reach in files ``below`` these paths.

    It goes on for so many seconds and, on a machine that is busy, until it has made the least number of runs.
    """
    dice, found = random.Random(seed), Found()
    waiting = first_corpus(dice)
    end = time.monotonic() + seconds
    while len(found.harm) < most_harm and found.runs < most_runs:
        if time.monotonic() > end and found.runs >= least_runs:
            break
        data = waiting.pop() if waiting else changed(dice.choice(found.corpus), found.corpus, dice)
        before = len(found.reached)
        try:
            with _traced(found.reached, below):
                target(data)
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is what we look for
            found.harm.append((data, repr(fault)))
        found.runs += 1
        if len(found.reached) > before or not found.corpus:
            found.corpus.append(data)
    return found


def _main(seconds: float, seed: int) -> int:
    harmful = 0
    for name, target in targets().items():
        found = search(target, seconds=seconds, seed=seed)
        sys.stdout.write(
            f"{name}: seed {seed}, {found.runs} runs, {len(found.reached)} steps, {len(found.corpus)} inputs kept, "
            f"{len(found.harm)} did harm\n"
        )
        for data, fault in found.harm[:10]:
            sys.stdout.write(f"  {fault}: {data!r}\n")
        harmful += len(found.harm)
    return 1 if harmful else 0


if __name__ == "__main__":
    sys.exit(_main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1_000_000)))
