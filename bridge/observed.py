"""What is true of a running bridge at one moment, as plain values: metrics, health and alarms are all made of this.

No I/O, no clock. Ages are seconds; nothing here names an owner, a login or an inverter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from bridge.broker_rules import BrokerRules
from bridge.broker_watch import BrokerNow


class Role(StrEnum):
    """Which part the process plays at present."""

    STANDING_BY = "standing_by"
    STARTING = "starting"
    ACTIVE = "active"
    STOPPING = "stopping"


class _Since(Protocol):
    @property
    def since(self) -> float: ...


class LaneLike(Protocol):
    """What is asked of a lane of the writer."""

    @property
    def inverter_id(self) -> UUID: ...
    @property
    def waiting(self) -> "Iterable[_Since]": ...
    @property
    def flight(self) -> "Iterable[_Since]": ...
    @property
    def parked(self) -> bool: ...
    @property
    def spooled(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LanesNow:
    """The lanes together: how many wait for the store, are parked, and how many lines the spool keeps for them.

    ``oldest_since`` is when the oldest line that is not spooled was decided on, monotonic seconds.
    """

    waiting: int = 0
    in_flight: int = 0
    parked: int = 0
    spooled: int = 0
    oldest_since: float | None = None


def lanes_now(lanes: Iterable[LaneLike]) -> LanesNow:
    """Count the lanes that have anything to do."""
    waiting = in_flight = parked = spooled = 0
    oldest: float | None = None
    for lane in lanes:
        first = next(iter(lane.flight), None) or next(iter(lane.waiting), None)
        waiting += bool(lane.waiting)
        in_flight += bool(lane.flight)
        parked += lane.parked
        spooled += lane.spooled
        if first is not None and first.since and (oldest is None or first.since < oldest):
            oldest = first.since
    return LanesNow(waiting, in_flight, parked, spooled, oldest)


def combined(parts: Iterable[LanesNow]) -> LanesNow:
    """Several counts as one."""
    every = list(parts)
    return LanesNow(
        waiting=sum(part.waiting for part in every),
        in_flight=sum(part.in_flight for part in every),
        parked=sum(part.parked for part in every),
        spooled=sum(part.spooled for part in every),
        oldest_since=min((part.oldest_since for part in every if part.oldest_since is not None), default=None),
    )


@dataclass(frozen=True, slots=True)
class SpoolNow:
    """The spool's file. ``oldest_s`` is the age of the oldest line or message in it, None where
    there is none."""

    lines: int = 0
    raws: int = 0
    size_bytes: int = 0
    limit_bytes: int = 0
    oldest_s: float | None = None

    @property
    def filled(self) -> float:
        """The share of its limit that is used, 0 to 1."""
        return self.size_bytes / self.limit_bytes if self.limit_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything at one moment. A fault is a short text for a person, empty where there is none; ages that do not
    apply are None. ``broker_away_s`` counts from the loss of the subscription, ``registry_age_s`` from the last moment
    when the bridge was seen to use the newest registry the database has, ``store_away_s`` from the moment when
    one of the stores no longer answered. ``broker_lost`` are messages the broker has
    dropped as far as this process knows, ``broker_lost_s`` is the time since it last heard of one.
    """

    role: Role = Role.STARTING
    received: int = 0
    settled: int = 0
    dropped: int = 0
    in_window: int = 0
    window_limit: int = 0
    oldest_in_window_s: float | None = None
    subscribed: bool = False
    broker_away_s: float | None = None
    lanes: LanesNow = field(default_factory=LanesNow)
    oldest_in_lanes_s: float | None = None
    parked_longest_s: float | None = None
    spool: SpoolNow = field(default_factory=SpoolNow)
    spool_fault: str = ""
    disk_free_bytes: int = 0
    disk_floor_bytes: int = 0
    servers_parked: int = 0
    store_away_s: float | None = None
    database_fault: str = ""
    database_away_s: float | None = None
    live_fault: str = ""
    registry_version: int = -1
    registry_logins: int = 0
    registry_age_s: float | None = None
    broker: BrokerNow = field(default_factory=BrokerNow)
    broker_rules: BrokerRules = field(default_factory=BrokerRules)
    broker_lost: int = 0
    broker_lost_s: float | None = None
    loop_delay_s: float = 0.0
    ended_tasks: tuple[str, ...] = ()

    @property
    def oldest_unwritten_s(self) -> float | None:
        """The age of the oldest reading that no store has yet, wherever it waits."""
        ages = (self.spool.oldest_s, self.oldest_in_lanes_s, self.oldest_in_window_s)
        return max((age for age in ages if age is not None), default=None)
