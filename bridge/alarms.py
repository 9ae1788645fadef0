"""Alarms for those without Prometheus: one line in the log when a state begins and one when it ends. No I/O.

The rules of ``docs/monitoring/alerts.yaml`` say the same; a test holds names and limits together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.broker_watch import QUEUE_FILLING, QUEUE_NEARLY_FULL, queue_alarm, retained_alarm
from bridge.health import REGISTRY_STALE_S
from bridge.observed import Observed, Role

PARKED_LONG_S = 900.0
UNWRITTEN_LONG_S = 900.0
WINDOW_FULL = 0.9
SPOOL_FILLING = 0.5
SPOOL_NEARLY_FULL = 0.8
DISK_MARGIN = 2.0
# A message the broker has dropped is gone for good: the alarm stays on for a while, so that somebody sees it.
DROPPED_RECENTLY_S = 600.0
# A state that goes and comes again sooner has not ended.
ENDED_AFTER_S = 15.0

SERIOUS, NOTABLE = "error", "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """``holds`` answers what is wrong, or nothing; it has to do so for ``for_s`` seconds before anybody is told."""

    name: str
    for_s: float
    level: str
    holds: Callable[[Observed], str]


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that begins or ends. ``lasted_s`` is how long the state has lasted so far, or had lasted."""

    name: str
    begins: bool
    level: str
    detail: str
    lasted_s: float


def _longer(seconds: float | None, limit_s: float, what: str) -> str:
    return f"{what} for {seconds:.0f} s" if seconds is not None and seconds >= limit_s else ""


def _window(seen: Observed) -> str:
    full = seen.window_limit > 0 and seen.in_window >= seen.window_limit * WINDOW_FULL
    return f"{seen.in_window} of {seen.window_limit} messages wait for their end" if full else ""


def _spool(seen: Observed, share: float) -> str:
    return f"the spool is {seen.spool.filled:.0%} full" if seen.spool.filled >= share else ""


def _dropped(seen: Observed) -> str:
    recently = seen.broker_lost_s is not None and seen.broker_lost_s < DROPPED_RECENTLY_S
    return f"the broker has dropped {seen.broker_lost} messages that it had acknowledged" if recently else ""


def _disk(seen: Observed) -> str:
    low = seen.disk_free_bytes < seen.disk_floor_bytes * DISK_MARGIN
    return f"{seen.disk_free_bytes // 2**20} MiB free, the floor is {seen.disk_floor_bytes // 2**20} MiB" if low else ""


RULES = (
    Rule("broker_away", 0.0, SERIOUS, lambda seen: _longer(seen.broker_away_s, 10.0, "not subscribed")),
    Rule("broker_dropped", 0.0, SERIOUS, _dropped),
    Rule("broker_queue_filling", 0.0, NOTABLE, lambda seen: queue_alarm(seen.broker, QUEUE_FILLING)),
    Rule("broker_queue_nearly_full", 0.0, SERIOUS, lambda seen: queue_alarm(seen.broker, QUEUE_NEARLY_FULL)),
    Rule("broker_retained", 0.0, NOTABLE, lambda seen: retained_alarm(seen.broker)),
    Rule("broker_rules", 0.0, SERIOUS, lambda seen: seen.broker_rules.detail),
    Rule("window_full", 30.0, SERIOUS, _window),
    Rule("spool_filling", 0.0, NOTABLE, lambda seen: _spool(seen, SPOOL_FILLING)),
    Rule("spool_nearly_full", 0.0, SERIOUS, lambda seen: _spool(seen, SPOOL_NEARLY_FULL)),
    # Twice in a row: one slow commit of a busy disk is no reason to call somebody.
    Rule("spool_unwritable", 5.0, SERIOUS, lambda seen: seen.spool_fault),
    Rule("disk_low", 0.0, SERIOUS, _disk),
    Rule("store_away", 0.0, NOTABLE, lambda seen: _longer(seen.store_away_s, 30.0, "no answer")),
    Rule(
        "parked_long",
        0.0,
        NOTABLE,
        lambda seen: _longer(seen.parked_longest_s, PARKED_LONG_S, "a destination is parked"),
    ),
    Rule(
        "unwritten_long",
        0.0,
        SERIOUS,
        lambda seen: _longer(seen.oldest_unwritten_s, UNWRITTEN_LONG_S, "a reading waits"),
    ),
    Rule("database_away", 30.0, NOTABLE, lambda seen: seen.database_fault),
    Rule("registry_stale", 0.0, SERIOUS, lambda seen: _longer(seen.registry_age_s, REGISTRY_STALE_S, "not confirmed")),
    Rule("live_rows_away", 30.0, NOTABLE, lambda seen: seen.live_fault),
)


class Alarms:
    """Remembers which states last."""

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self._rules = rules
        self._began: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._told: set[str] = set()

    @property
    def active(self) -> Mapping[str, bool]:
        """Every rule's name and whether its alarm is on."""
        return {rule.name: rule.name in self._told for rule in self._rules}

    def look(self, seen: Observed, now: float) -> list[Change]:
        """What begins and ends at this moment (monotonic seconds). A bridge that is not active has no alarms."""
        changes = []
        for rule in self._rules:
            detail = rule.holds(seen) if seen.role is Role.ACTIVE else ""
            change = self._holds(rule, detail, now) if detail else self._holds_not(rule, now)
            if change is not None:
                changes.append(change)
        return changes

    def _holds(self, rule: Rule, detail: str, now: float) -> Change | None:
        lasted = now - self._began.setdefault(rule.name, now)
        self._seen[rule.name] = now
        if lasted < rule.for_s or rule.name in self._told:
            return None
        self._told.add(rule.name)
        return Change(rule.name, begins=True, level=rule.level, detail=detail, lasted_s=lasted)

    def _holds_not(self, rule: Rule, now: float) -> Change | None:
        if rule.name not in self._began or now - self._seen[rule.name] < ENDED_AFTER_S:
            return None
        began = self._began.pop(rule.name)
        if rule.name not in self._told:
            return None
        self._told.discard(rule.name)
        return Change(rule.name, begins=False, level="info", detail="", lasted_s=now - began)
