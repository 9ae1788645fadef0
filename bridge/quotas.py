"""How much one login may send (DESIGN 4.2, e): a rate with a burst, and quarantine for whoever stays beyond it. Pure.

A client that publishes 60 values per cycle, or a gateway with ten inverters that does so for each, never reaches the
default limits. What is beyond costs one look into a dictionary: nothing is decoded.
"""

from dataclasses import dataclass
from enum import StrEnum

_MOST_REMEMBERED = 10_000
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Quota:
    """``per_s`` messages a second in the long run, ``burst`` of them at once.

    A login that is beyond it for ``patience_s`` without having been quiet in between is quarantined for
    ``quarantine_s``.
    """

    per_s: float
    burst: int
    patience_s: float
    quarantine_s: float


class Verdict(StrEnum):
    """What becomes of a message."""

    WITHIN = "within"
    TOO_FAST = "too_fast"
    QUARANTINED = "quarantined"


@dataclass(slots=True)
class _Offender:
    """A login that is beyond its quota: since when, when last, and until when it is quarantined (monotonic seconds)."""

    since: float
    last: float
    until: float = 0.0


class Quotas:
    """What each login has sent of late. Times are monotonic seconds."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._each_s = 1.0 / quota.per_s
        self._burst_s = quota.burst / quota.per_s
        # When a login would have sent what it has sent, had it kept to its rate. One number for each.
        self._paid_until: dict[str, float] = {}
        self._offenders: dict[str, _Offender] = {}

    def judge(self, login: str, now: float, *, queued: bool = False) -> Verdict:
        """Count one message. ``queued`` says that the broker had kept it: such come at once whatever their rate was."""
        offender = self._offenders.get(login)
        if offender is not None and now < offender.until:
            return Verdict.QUARANTINED
        if queued:
            return Verdict.WITHIN
        paid = self._paid_until.get(login, 0.0)
        paid = max(paid, now) + self._each_s
        if paid - now > self._burst_s + _ROUNDING_S:
            return self._beyond(login, offender, now)
        if len(self._paid_until) > _MOST_REMEMBERED:
            self._tidy(now)
        self._paid_until[login] = paid
        return Verdict.WITHIN

    def quarantined_for(self, login: str, now: float) -> float:
        """Seconds until the login is heard again; 0 where it is not quarantined."""
        offender = self._offenders.get(login)
        return max(0.0, offender.until - now) if offender else 0.0

    def _beyond(self, login: str, offender: _Offender | None, now: float) -> Verdict:
        if offender is None or offender.until or now - offender.last > self.quota.patience_s:
            # The first time, or the first time since it was quiet or quarantined.
            self._forget_quiet(now)
            self._offenders[login] = _Offender(now, now)
            return Verdict.TOO_FAST
        offender.last = now
        if now - offender.since < self.quota.patience_s:
            return Verdict.TOO_FAST
        offender.until = now + self.quota.quarantine_s
        return Verdict.QUARANTINED

    def _tidy(self, now: float) -> None:
        """Forget logins that have kept to their rate: nothing is held against them."""
        self._paid_until = {login: paid for login, paid in self._paid_until.items() if paid > now}

    def _forget_quiet(self, now: float) -> None:
        quiet = [
            login
            for login, offender in self._offenders.items()
            if now >= offender.until and now - offender.last > self.quota.patience_s
        ]
        for login in quiet:
            del self._offenders[login]
