"""The way to one destination: what waits, what is under way, and whether the destination is parked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bridge.batch import MAX_LINES, Parcel
from schema.timeseries.port import Destination

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a message may be held and a failed destination left alone (seconds), how many requests run at each
    server, and how many bytes of the spool one destination may have.
    """

    hold_s: float
    probe_s: float
    workers: int
    share_bytes: int = 64 * 1024**2


class Lane:
    """One inverter's lane. While a worker is ``busy`` with it no other one is, so at most one request is under way:
    since ``began`` (monotonic seconds), with the fresh lines of ``flight`` or with kept ones.

    A parked lane spools without waiting until a probe succeeds. A slow one has a request that lasts longer than the
    bridge may hold messages; it spools until that request has ended. ``spooled`` lines are on the disk, ``landing``
    ones on their way there, and together they have ``weight`` bytes; of ``leaving`` ones the dead letters are on their
    way. ``most_lines`` is what the store was seen to take. ``server`` is where it is queued or busy.
    """

    __slots__ = (
        "absent_since", "began", "busy", "failed_destination", "failures", "flight", "inverter_id", "landing",
        "leaving", "most_lines", "parked", "queued", "refused_destination", "replay_at", "replaying", "resting",
        "retry_at", "server", "slow", "spooled", "waiting", "weight",
    )  # fmt: skip

    def __init__(self, inverter_id: UUID) -> None:
        self.inverter_id = inverter_id
        self.waiting: list[Parcel] = []
        self.flight: Sequence[Parcel] = ()
        self.began = 0.0
        self.busy = False
        self.queued = False
        self.replaying = False
        self.resting = False
        self.server = ""
        self.parked = False
        self.slow = False
        self.failures = 0
        self.retry_at = 0.0
        self.replay_at = 0.0
        self.spooled = 0
        self.landing = 0
        self.leaving = 0
        self.weight = 0
        self.most_lines = MAX_LINES
        self.absent_since: float | None = None
        self.failed_destination: Destination | None = None
        self.refused_destination: Destination | None = None

    @property
    def idle(self) -> bool:
        """Nothing waits, nothing is under way, nothing is kept."""
        return not (self.waiting or self.busy or self.queued or self.spooled or self.landing or self.parked)

    def overdue(self, now: float, hold_s: float) -> bool:
        """Whether a message of this lane has waited longer than the bridge may hold it."""
        first = self.flight or self.waiting
        return bool(first) and now - first[0].since >= hold_s

    def park(self, now: float, pause_s: float, destination: Destination | None) -> None:
        """Stop sending until ``pause_s`` has passed."""
        self.parked = True
        self.failures += 1
        self.retry_at = now + pause_s
        self.failed_destination = destination

    def succeeded(self) -> None:
        """The destination took something: fresh data goes there directly again."""
        self.parked = False
        self.failures = 0
        self.failed_destination = None
        self.refused_destination = None

    def may_probe(self, now: float, destination: Destination | None) -> bool:
        """Whether a parked lane may be tried: its pause is over, or the registry names another destination or token."""
        return destination is not None and (now >= self.retry_at or destination != self.failed_destination)


def pause(failures: int, *, longest_s: float, wish_s: float | None, dice: float) -> float:
    """Seconds until the next try after so many failures: doubling, with full jitter above one half (``dice`` in
    [0, 1)), never shorter than the store's own wish, never longer than a minute more than that.
    """
    steady = min(longest_s, FIRST_PAUSE_S * 2.0 ** min(failures, 20))
    jittered = steady * (0.5 + dice / 2)
    return max(jittered, min(wish_s, LONGEST_PAUSE_S * 10)) if wish_s is not None else jittered
