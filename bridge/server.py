"""One store server: whose turn it is there, how many requests it is given, and whether it is left alone. Pure.

A server that does not answer must cost the others nothing: each has requests of its own, and while nobody answers
there all its lanes keep without waiting and one probe at a time is sent.
"""

import math
from asyncio import Future
from collections import deque
from dataclasses import dataclass
from uuid import UUID

from bridge.lanes import Lane, pause

# After so many requests in a row that were put off (429, 5xx), all lanes' probes together would be a storm.
MOST_PUT_OFF = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was put off (``answered``) or not answered at all, with what decides on the pause (seconds)."""

    answered: bool
    longest_s: float
    dice: float
    wish_s: float | None = None


class Server:
    """Lanes that are ready, by owner, and what is known of the server. Times are monotonic seconds."""

    __slots__ = (
        "_owners", "_ready", "answered_at", "failures", "idle", "name", "parked", "probe", "put_off", "replays",
        "retry_at", "workers",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self._owners: deque[UUID] = deque()
        self._ready: dict[UUID, deque[Lane]] = {}
        self.workers = 0
        self.idle: list[Future[None]] = []
        self.replays = 0
        self.parked = False
        self.probe: Lane | None = None
        self.failures = 0
        self.put_off = 0
        self.retry_at = 0.0
        self.answered_at = -math.inf

    def push(self, lane: Lane, owner_id: UUID) -> None:
        """A lane is ready."""
        lanes = self._ready.get(owner_id)
        if lanes is None:
            lanes = self._ready[owner_id] = deque()
            self._owners.append(owner_id)
        lanes.append(lane)

    def pop(self) -> Lane | None:
        """The next lane: the owners take turns, whatever the number of their lanes."""
        if not self._owners:
            return None
        owner_id = self._owners.popleft()
        lanes = self._ready[owner_id]
        lane = lanes.popleft()
        if lanes:
            self._owners.append(owner_id)
        else:
            del self._ready[owner_id]
        return lane

    def wake(self) -> bool:
        """Wake a worker that has nothing to do, but none that a stop has cancelled. False where there is none."""
        while self.idle:
            woken = self.idle.pop()
            if not woken.done():
                woken.set_result(None)
                return True
        return False

    def failed(self, now: float, began: float, fault: Failure, *, probe: bool) -> bool:
        """A request that began then did not end well. True where the server has to be left alone as a whole.

        That is so where it answers nobody, and where it has put off one request after the other.
        """
        if self.parked and not probe:
            return True
        if fault.answered:
            self.put_off += 1
            if self.put_off < MOST_PUT_OFF and not self.parked:
                return False
        elif self.answered_at >= began:
            return False
        self.parked = True
        pause_s = pause(self.failures, longest_s=fault.longest_s, wish_s=fault.wish_s, dice=fault.dice)
        self.retry_at = now + pause_s
        self.failures += 1
        return True

    def answered(self, now: float) -> bool:
        """The server dealt with a request, whatever it said. True where it had been parked."""
        was = self.parked
        self.put_off = 0
        self.answered_at = now
        self.parked = False
        self.failures = 0
        return was

    def may_probe(self, now: float) -> bool:
        """Whether a parked server may be tried by one lane."""
        return self.probe is None and now >= self.retry_at
