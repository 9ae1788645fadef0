"""Untimed messages that the broker had kept while we were away: their outage, and the cycle each belongs to. Pure.

Such a message is never stamped with its delivery (DESIGN 4.4): it is kept as it came, numbered by cycle, and when our
own marker says that no more of the backlog follows, the cycles of each source are spread evenly, in order, over the
outage: from the last sign of life of the connection before it until the reconnect. What names its own time goes the
normal way.

Numbers and bounds lie beside the messages on the disk, so the same message gets the same time whenever it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.kept import Known, Numbered, Outage, Sent, Untimed, sent
from bridge.ports import Delivery, Packet

# Below this the time of arrival is right enough: the broker says something at least every 10 s (its sys_interval), a
# reconnect takes up to 5, and the values of one cycle are up to 10 s apart anyway.
SHORT_OUTAGE = timedelta(seconds=15)
# A publisher that never repeats a topic; also what is read into memory at once.
LONGEST_CYCLE = 500

_TICK = timedelta(milliseconds=1)
# What came within this time came with one reconnect.
_SAME_DELIVERY = timedelta(seconds=10)


@dataclass(slots=True)
class _Count:
    number: int = 0
    seen: set[str] = field(default_factory=set)


def weight(untimed: Untimed) -> int:
    """The bytes a message takes on the disk, roughly."""
    return len(untimed.payload) + len(untimed.topic) + 160


def time_of(outage: Outage, cycle: int, total: int) -> datetime:
    """When cycle number ``cycle`` (from 1) of ``total`` was measured, as far as one can tell; no two are equal."""
    step = max((outage.until - outage.since) / total, _TICK)
    return outage.since + step * (cycle - 0.5)


class Backlog:
    """Which outage a message of the backlog belongs to, and its cycle there.

    ``connected_at`` tells when the present connection was made; a new value is a new connection. ``share`` is how many
    bytes one outage may take in the spool before what there is of it is spread without waiting for the rest.
    ``packet_of`` tells what a message came in, by its token, and ``most_unacknowledged`` is the Receive Maximum.
    """

    def __init__(
        self,
        connected_at: Callable[[], datetime | None],
        *,
        longest: timedelta,
        share: int,
        packet_of: Callable[[int], Packet],
        most_unacknowledged: int,
    ) -> None:
        self._connected_at = connected_at
        self._packet_of = packet_of
        self._most_unacknowledged = most_unacknowledged
        self._longest = longest
        self._share = share
        self._connection: datetime | None = None
        self._marked = False
        self._alive_at: datetime | None = None
        self._outage: Outage | None = None
        self._last: Outage | None = None
        self._late: Outage | None = None
        self._late_counts: dict[str, _Count] = {}
        self._newest_epoch = 0
        self._counts: dict[str, _Count] = {}
        self._size = 0
        # Kept last, the newest at the end: the broker may not have been told yet.
        self._last_kept: dict[Sent, Numbered] = {}

    def start(self, known: Known, alive_at: datetime | None) -> None:
        """Go on where the process before ended; ``alive_at`` was the last sign of life of its connection."""
        self._alive_at = alive_at
        self._newest_epoch = known.newest_epoch
        self._outage = known.outage
        self._counts = {source: _Count(number) for source, number in known.cycles.items()}
        self._size = known.size
        self._last_kept = dict(known.last)

    @property
    def alive_at(self) -> datetime | None:
        """The last sign of life of a connection without a backlog: where the next outage begins."""
        return self._alive_at

    def heard(self, at: datetime) -> None:
        """Something came from the broker. While a backlog is under way this says nothing about its beginning."""
        if self._marked and self._connection is self._connected_at():
            self._alive_at = at

    def reconnected(self) -> bool:
        """Whether the connection is another one than at the last call."""
        at = self._connected_at()
        if at is self._connection:
            return False
        self._connection = at
        self._marked = False
        if at is not None:
            self._opened(at)
        return True

    def _opened(self, at: datetime) -> None:
        for count in self._counts.values():
            count.seen.clear()
        if self._outage is not None:
            # Its marker never came: what comes now belongs to the same outage, which lasted until now.
            self._outage = replace(self._outage, until=max(self._outage.since, at))
        elif self._alive_at is not None and at - self._alive_at >= SHORT_OUTAGE:
            self._begin(max(self._alive_at, at - self._longest), at)

    def _begin(self, since: datetime, until: datetime) -> None:
        self._newest_epoch += 1
        self._outage = Outage(self._newest_epoch, since, until, open=True)
        self._counts = {}
        self._size = 0

    def keep(self, delivery: Delivery, source: tuple[str, ...], tail: str | None) -> Untimed | None:
        """How to keep an untimed message; None where its arrival is right enough. ``tail`` is None for a document."""
        if self._marked or delivery.token <= 0:
            outage, counts = self._held_back(delivery), self._late_counts
        else:
            outage, counts = self._outage, self._counts
        if outage is None:
            return None
        key = _key(source)
        number = _numbered(counts, key, tail)
        packet_id = self._packet_of(delivery.token).packet_id
        untimed = Untimed(outage, key, number, delivery.topic, delivery.payload, delivery.received_at, packet_id)
        self._size += weight(untimed)
        return untimed

    def kept(self, untimed: Untimed) -> None:
        """It is on the disk now. Until our PUBACK has reached the broker it may come again."""
        if untimed.packet_id:
            known = sent(untimed.packet_id, untimed.topic, untimed.payload)
            self._last_kept[known] = untimed.outage.epoch, untimed.cycle
            if len(self._last_kept) > self._most_unacknowledged:
                del self._last_kept[next(iter(self._last_kept))]

    def has(self, delivery: Delivery, source: tuple[str, ...], tail: str | None) -> bool:
        """Whether the broker sends again what is kept already: the connection, or the process, ended between the
        commit and the PUBACK. Mosquitto counts packet ids up and a resumed session keeps them (MQTT 5.0 section 4.4),
        so another message of the same packet id is 65,535 messages away.
        """
        packet = self._packet_of(delivery.token)
        if not packet.again:
            return False
        numbered = self._last_kept.get(sent(packet.packet_id, delivery.topic, delivery.payload))
        if numbered is None:
            return False
        count = self._counts.get(_key(source))
        epoch = self._outage.epoch if self._outage is not None else 0
        if tail is not None and count is not None and numbered == (epoch, count.number):
            count.seen.add(tail)
        return True

    def _held_back(self, delivery: Delivery) -> Outage | None:
        """The outage of what the registry or a person held back beyond the marker: the last one's time, closed."""
        last, late = self._last, self._late
        if last is not None and (delivery.token > 0 or delivery.received_at >= last.until):
            since, until = last.since, last.until
        elif delivery.token <= 0:
            # Of an earlier outage, or kept by a process before us: its delivery is all that is known.
            since = until = delivery.received_at
            if late is not None and late.since == late.until and abs(since - late.since) < _SAME_DELIVERY:
                return late
        else:
            return None
        if late is None or (late.since, late.until) != (since, until):
            self._newest_epoch += 1
            self._late_counts = {}
            late = self._late = Outage(self._newest_epoch, since, until, open=False)
        return late

    def ended(self, source: tuple[str, ...]) -> None:
        """The source's start marker came: its next value opens a cycle."""
        count = self._counts.get(_key(source))
        if count is not None:
            count.seen.clear()

    def full(self) -> Outage | None:
        """Where the outage has taken its share: its first part, to be spread now. The rest gets half of what is left
        of the time: how much more follows nobody knows, but it is later than all before.
        """
        outage = self._outage
        if outage is None or self._size <= self._share:
            return None
        middle = outage.since + (outage.until - outage.since) / 2
        self._begin(middle, outage.until)
        return replace(outage, until=middle, open=False)

    def marker(self, at: datetime) -> Outage | None:
        """No more of the backlog follows; the outage that ends with that, if there was one."""
        self.reconnected()
        self._marked = True
        self._alive_at = at
        closed = replace(self._outage, open=False) if self._outage is not None else None
        self._outage, self._last, self._late = None, closed, None
        self._counts = {}
        return closed


def _key(source: tuple[str, ...]) -> str:
    return "\t".join(source)


def _numbered(counts: dict[str, _Count], key: str, tail: str | None) -> int:
    """The number of the cycle a message belongs to: a new one where its topic comes again, and for each document."""
    count = counts.get(key)
    if count is None:
        count = counts[key] = _Count()
    if tail is None or not count.seen or tail in count.seen or len(count.seen) >= LONGEST_CYCLE:
        count.number += 1
        count.seen = set() if tail is None else {tail}
    else:
        count.seen.add(tail)
    return count.number
