"""The broker's own figures (``$SYS``) as numbers, and what in them is alarming. Pure: nothing is subscribed here.

A full queue answers publishers with success and drops (measured), so the only trace of a loss is the broker's own
counter. While the bridge is away nobody watches; what happened meanwhile stands in the first figures it is given.
Topics of 2.0.11 and 2.1.2, which name them alike.
"""

from dataclasses import dataclass, replace

_DROPPED = "$SYS/broker/publish/messages/dropped"
_QUEUED = ("$SYS/broker/store/messages/count", "$SYS/broker/messages/stored")
_BYTES = "$SYS/broker/store/messages/bytes"
_RETAINED = "$SYS/broker/retained messages/count"
_CONNECTED = "$SYS/broker/clients/connected"

QUEUE_FILLING = 0.5
QUEUE_NEARLY_FULL = 0.8
# The publishers we know keep 40 to 60 topics for each inverter; the broker's own figures are retained messages too.
RETAINED_PER_LOGIN = 200
RETAINED_OWN = 200


@dataclass(frozen=True, slots=True)
class BrokerNow:
    """What the broker last said of itself. Zero where it has not said anything yet.

    ``dropped`` are messages it has thrown away since its start; ``queued`` counts no retained ones, ``queued_bytes``
    does, for it does not tell them apart. Limits are those of its configuration.
    """

    dropped: int = 0
    queued: int = 0
    queued_bytes: int = 0
    retained: int = 0
    connected: int = 0
    queue_limit: int = 0
    queue_limit_bytes: int = 0
    retained_expected: int = 0

    @property
    def queue_filled(self) -> float:
        """The larger share of the queue's two limits that is used, 0 to 1."""
        shares = ((self.queued, self.queue_limit), (self.queued_bytes, self.queue_limit_bytes))
        return max(used / limit if limit else 0.0 for used, limit in shares)


class BrokerWatch:
    """Remembers what the broker said. ``lost`` are messages it dropped, ``lost_at`` when that was last heard of."""

    def __init__(self, *, queue_limit: int, queue_limit_bytes: int) -> None:
        self._limits = BrokerNow(queue_limit=queue_limit, queue_limit_bytes=queue_limit_bytes)
        self._numbers: dict[str, int] = {}
        self._dropped_seen = 0
        self.lost = 0
        self.lost_at: float | None = None

    def told(self, topic: str, payload: bytes, now: float) -> int:
        """One of its topics, heard at ``now`` (monotonic seconds); how many more messages it has dropped than known.

        The counter begins anew with the broker: a smaller number than the last one is a new beginning. The first number
        counts whole, so a bridge that starts again repeats what an earlier one said already: better twice than never.
        """
        number = _whole_number(payload)
        if number is None:
            return 0
        self._numbers[topic] = number
        if topic != _DROPPED:
            return 0
        fresh = number - self._dropped_seen if number >= self._dropped_seen else number
        self._dropped_seen = number
        if fresh:
            self.lost, self.lost_at = self.lost + fresh, now
        return fresh

    def now(self, logins: int) -> BrokerNow:
        """Its numbers; ``logins`` is how many logins may keep retained messages there."""
        numbers = self._numbers
        retained = numbers.get(_RETAINED, 0)
        stored = next((numbers[topic] for topic in _QUEUED if topic in numbers), 0)
        return replace(
            self._limits,
            dropped=self._dropped_seen,
            queued=max(0, stored - retained),
            queued_bytes=numbers.get(_BYTES, 0),
            retained=retained,
            connected=numbers.get(_CONNECTED, 0),
            retained_expected=RETAINED_OWN + RETAINED_PER_LOGIN * logins,
        )


def queue_alarm(now: BrokerNow, share: float) -> str:
    """What is wrong with the queue beyond ``share``, or nothing."""
    if now.queue_filled < share:
        return ""
    return f"the broker's queue is {now.queue_filled:.0%} full; a full one drops and answers success"


def retained_alarm(now: BrokerNow) -> str:
    """Whether far more is retained than the logins' publishers need, or nothing."""
    if now.retained <= now.retained_expected:
        return ""
    return f"{now.retained} retained messages, {now.retained_expected} are plenty for the logins there are"


def _whole_number(payload: bytes) -> int | None:
    text = payload.decode("ascii", errors="replace").strip()
    return int(text) if text.isdecimal() and len(text) < 19 else None
