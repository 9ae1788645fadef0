"""Tries at the live broker what no login may do, as the canary: a login of ours that belongs to nobody.

MQTT 5 by hand, a few packets: no client library is needed for it, and none would send some of these. A task of its own,
so no reading ever waits for it. It never names the bridge's client id or a real login: where a rule is broken, trying
that would do the harm.
"""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Self

import structlog

from bridge.broker_rules import FOREIGN_TOPICS, PATTERNS, SYSTEM_PATTERN, BrokerRules, Tried, judge
from bridge.clock import Clock
from schema.topics import CANARY_TOPIC, CANARY_USER, canary_secret

_log = structlog.get_logger(__name__)

EVERY_S = 3_600.0
AGAIN_S = 60.0
PAUSE_S = 10.0
TIMEOUT_S = 10.0

_CONNECT, _CONNACK, _PUBLISH, _PUBACK = 0x10, 0x20, 0x30, 0x40
_SUBSCRIBE, _PINGREQ, _PINGRESP, _DISCONNECT = 0x82, 0xC0, 0xD0, 0xE0
_QOS_1 = 0x02
_REFUSED = 0x80
_NO_RETAINED = 0x20


class NoAnswer(Exception):
    """The check could not be made; that says nothing about the rules."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where loggers connect, where the bridge does, and its password, from which the canary's is made."""

    host: str
    port: int
    bridge_port: int
    bridge_password: str


class SelfCheck:
    """``rules`` is the last answer. ``asked`` makes ``run`` look again soon: after each new connection."""

    def __init__(self, entrance: Entrance, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        self._entrance = entrance
        self._timeout_s = timeout_s
        self._clock = clock
        self._asked = asyncio.Event()
        self.rules = BrokerRules()

    def asked(self) -> None:
        """The broker may be another one than before."""
        self._asked.set()

    async def run(self) -> None:
        """Check when asked and from time to time, for ever."""
        await self._asked.wait()
        while True:
            self._asked.clear()
            self._say(await self.look())
            await self._clock.sleep(PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if self.rules.unchecked else EVERY_S):
                    await self._asked.wait()

    async def look(self) -> BrokerRules:
        """Try everything once; an answer that could not be had keeps the broken rules known before."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return judge(await _try_everything(self._entrance))
        except (OSError, TimeoutError, NoAnswer) as fault:
            return BrokerRules(self.rules.broken, unchecked=str(fault) or type(fault).__name__)

    def _say(self, rules: BrokerRules) -> None:
        before, self.rules = self.rules, rules
        if rules.unchecked:
            if rules.unchecked != before.unchecked:
                _log.warning("broker.rules_unchecked", detail=rules.unchecked)
        elif rules.broken:
            _log.error("broker.rules_broken", rules=[rule.value for rule in rules.broken], detail=rules.detail)
        elif before.unchecked or before.broken:
            _log.info("broker.rules_hold")


class _Guest:
    """One connection to the broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received: list[str] = []
        self.answers: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say good-bye and hang up."""
        with contextlib.suppress(OSError):
            self.send(_DISCONNECT)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def enters(self, name: str, secret: str) -> bool:
        """Whether the broker lets somebody of this name in; an empty one is no name at all."""
        flags = 0x02 | (0xC0 if name else 0)
        # A client id nobody has: on 2.0.11 a stranger who names a connected one's id would harm that one.
        words = [f"self-check-{secrets.token_hex(8)}", *([name, secret] if name else [])]
        body = b"\x00\x04MQTT\x05" + bytes([flags]) + b"\x00\x1e\x00" + b"".join(map(_text, words))
        self.send(_CONNECT, body)
        kind, answer = await self.packet()
        return kind == _CONNACK and answer[1] < _REFUSED

    def send(self, kind: int, body: bytes = b"") -> None:
        """One packet."""
        self._writer.write(bytes([kind]) + _length(len(body)) + body)

    async def packet(self) -> tuple[int, bytes]:
        """The next packet's kind and body; kind 0 where the broker has hung up."""
        try:
            kind = (await self._reader.readexactly(1))[0]
            length, shift = 0, 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    return kind & 0xF0, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""

    async def answered(self) -> bool:
        """Take in everything up to the answer of a ping; false where the connection ended before it."""
        self.send(_PINGREQ)
        while True:
            kind, body = await self.packet()
            if kind == _PUBLISH:
                self.received.append(body[2 : 2 + int.from_bytes(body[:2], "big")].decode(errors="replace"))
            elif kind == _PUBACK:
                self.answers[int.from_bytes(body[:2], "big")] = body[2] if len(body) > 2 else 0
            elif kind == _PINGRESP:
                return True
            elif kind in (0, _DISCONNECT):
                return False


async def _guest(host: str, port: int) -> _Guest:
    return _Guest(*await asyncio.open_connection(host, port))


async def _try_everything(entrance: Entrance) -> Tried:
    """Raises ``NoAnswer`` where the canary is not let in, and what sockets raise."""
    host, port, secret = entrance.host, entrance.port, canary_secret(entrance.bridge_password)
    strangers = False
    for door in sorted({port, entrance.bridge_port}):
        for name, wrong in (("", ""), (CANARY_USER, secret[::-1])):
            async with await _guest(host, door) as stranger:
                strangers = await stranger.enters(name, wrong) or strangers
    async with await _guest(host, port) as first:
        if not await first.enters(CANARY_USER, secret):
            raise NoAnswer("the broker's password file has no line for the canary yet")
        accepted = await _read_and_spoof(first)
        async with await _guest(host, port) as second:
            if not await second.enters(CANARY_USER, secret):
                raise NoAnswer("the canary was let in once and not twice")
            replaced = not await first.answered()
    return Tried(strangers, tuple(first.received), accepted, replaced)


async def _read_and_spoof(guest: _Guest) -> tuple[str, ...]:
    """Subscribe to everything, then publish: what may be read of it comes back before the last answer does."""
    patterns = b"".join(_text(pattern) + bytes([_NO_RETAINED]) for pattern in PATTERNS if not pattern.startswith("$"))
    shared = b"".join(_text(pattern) + b"\x00" for pattern in (*PATTERNS, SYSTEM_PATTERN) if pattern.startswith("$"))
    guest.send(_SUBSCRIBE, b"\x00\x01\x00" + patterns + shared)
    topics = dict(enumerate((CANARY_TOPIC, *FOREIGN_TOPICS), start=1))
    for packet_id, topic in topics.items():
        guest.send(_PUBLISH | _QOS_1, _text(topic) + packet_id.to_bytes(2, "big") + b"\x00")
    if not await guest.answered():
        raise NoAnswer("the broker hung up on the canary")
    # A broker may answer a little later than it answers the ping.
    while len(guest.answers) < len(topics):
        if not await guest.answered():
            raise NoAnswer("the broker hung up on the canary")
    return tuple(topic for packet_id, topic in topics.items() if guest.answers[packet_id] < _REFUSED)


def _text(text: str) -> bytes:
    """As MQTT packets hold it (MQTT 5.0, 1.5.4)."""
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _length(number: int) -> bytes:
    """A variable byte integer (MQTT 5.0, 1.5.5)."""
    out = bytearray()
    while True:
        number, rest = number >> 7, number & 0x7F
        out.append(rest | 0x80 if number else rest)
        if not number:
            return bytes(out)
