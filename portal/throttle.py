"""How often one address may try one account's password. Counts in memory: a restart forgives. No I/O, no clock.

Five tries a minute per address and account. An account with twenty failures in an hour, from wherever, is being
guessed at: from then on each address gets one try in thirty seconds. Nobody is ever locked out by somebody else.
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

PER_MINUTE = 5
FAILURES_PER_HOUR = 20
SLOW_SPACING = timedelta(seconds=30)
MOST_KEYS = 50_000

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


class _Window:
    """Instants per key, the longest untouched key forgotten first, so that strangers cannot fill the memory."""

    def __init__(self, length: timedelta, most: int) -> None:
        self._length = length
        self._most = most
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()

    def add(self, key: str, now: datetime) -> None:
        instants = self._seen.setdefault(key, deque(maxlen=self._most))
        instants.append(now)
        self._seen.move_to_end(key)
        if len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)

    def within(self, key: str, now: datetime) -> list[datetime]:
        return [instant for instant in self._seen.get(key, ()) if now - instant < self._length]

    def forget(self, key: str) -> None:
        self._seen.pop(key, None)


class Throttle:
    """Asks for a pause between tries: ``wait = throttle.try_now(address, account, now)``; zero means go on."""

    def __init__(self) -> None:
        self._tries = _Window(_MINUTE, PER_MINUTE)
        self._failures = _Window(_HOUR, FAILURES_PER_HOUR)

    def try_now(self, address: str, account: str, now: datetime) -> timedelta:
        """Count a try and return zero, or return how long to wait without counting anything."""
        key = f"{address} {account}"
        tries = self._tries.within(key, now)
        guessed_at = len(self._failures.within(account, now)) >= FAILURES_PER_HOUR
        if guessed_at and tries and now - tries[-1] < SLOW_SPACING:
            return SLOW_SPACING - (now - tries[-1])
        if len(tries) >= PER_MINUTE:
            return _MINUTE - (now - tries[0])
        self._tries.add(key, now)
        return timedelta(0)

    def failed(self, account: str, now: datetime) -> None:
        """The password was wrong."""
        self._failures.add(account, now)

    def succeeded(self, address: str, account: str) -> None:
        """The password was right: this address starts afresh. Failures from elsewhere still count."""
        self._tries.forget(f"{address} {account}")
