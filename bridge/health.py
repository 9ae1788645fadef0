"""Whether the bridge lives and whether it is ready, judged from what was observed. No I/O, no clock.

Ready means that it takes messages and can end them durably. What is away while readings are kept (store, database)
makes it degraded: nothing is lost and a restart would not help.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.broker_watch import QUEUE_NEARLY_FULL, queue_alarm
from bridge.observed import Observed, Role

REGISTRY_STALE_S = 120.0
SPOOL_FULL_SOON = 0.8
# The loop that looks ticks every few seconds: this long without a tick is no load but a fault.
LOOP_STUCK_S = 30.0


class State(StrEnum):
    """``FAILED`` parts keep the bridge from being ready, ``DEGRADED`` ones do not."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """One part with a short text that says what is wrong; empty where nothing is."""

    state: State = State.OK
    detail: str = ""


_OK = Part()


def worst(parts: Mapping[str, Part]) -> State:
    """The state of the whole."""
    states = {part.state for part in parts.values()}
    return next((state for state in (State.FAILED, State.DEGRADED) if state in states), State.OK)


def live(seen: Observed) -> dict[str, Part]:
    """The event loop turns (else nobody would answer at all), in time, and none of its tasks has ended."""
    loop, tasks = _OK, _OK
    if seen.loop_delay_s > LOOP_STUCK_S:
        loop = Part(State.FAILED, f"the event loop stood still for {seen.loop_delay_s:.0f} s")
    if seen.ended_tasks and seen.role is Role.ACTIVE:
        tasks = Part(State.FAILED, "ended: " + ", ".join(seen.ended_tasks))
    return {"loop": loop, "tasks": tasks}


def ready(seen: Observed) -> dict[str, Part]:
    """Every part that a message needs on its way."""
    if seen.role is not Role.ACTIVE:
        return {"role": Part(State.FAILED, seen.role.value.replace("_", " "))}
    return live(seen) | {
        "role": _OK,
        "broker": _OK if seen.subscribed else Part(State.FAILED, "not subscribed"),
        "broker_rules": _broker_rules(seen),
        "broker_queue": _broker_queue(seen),
        "spool": _spool(seen),
        "disk": _disk(seen),
        "store": _store(seen),
        "database": _database(seen),
        "live": Part(State.DEGRADED, seen.live_fault) if seen.live_fault else _OK,
    }


def _spool(seen: Observed) -> Part:
    if seen.spool_fault:
        return Part(State.FAILED, seen.spool_fault)
    if seen.spool.filled >= 1:
        return Part(State.FAILED, "full: nothing is acknowledged any more")
    if seen.spool.filled >= SPOOL_FULL_SOON:
        return Part(State.DEGRADED, f"{seen.spool.filled:.0%} full")
    return _OK


def _broker_rules(seen: Observed) -> Part:
    """Grave, but no reason to restart or to stop: neither would mend the broker."""
    return Part(State.DEGRADED, seen.broker_rules.detail) if seen.broker_rules.broken else _OK


def _broker_queue(seen: Observed) -> Part:
    detail = queue_alarm(seen.broker, QUEUE_NEARLY_FULL)
    return Part(State.DEGRADED, detail) if detail else _OK


def _disk(seen: Observed) -> Part:
    if seen.disk_free_bytes < seen.disk_floor_bytes:
        free, floor = seen.disk_free_bytes // 2**20, seen.disk_floor_bytes // 2**20
        return Part(State.FAILED, f"{free} MiB free, less than the floor of {floor} MiB")
    return _OK


def _store(seen: Observed) -> Part:
    if seen.store_away_s is not None:
        return Part(State.DEGRADED, f"away for {seen.store_away_s:.0f} s; readings are kept in the spool")
    if seen.lanes.parked:
        # One owner's trouble is not the store's: the whole stays well.
        return Part(State.OK, f"{seen.lanes.parked} destinations parked")
    return _OK


def _database(seen: Observed) -> Part:
    if seen.database_fault:
        return Part(State.DEGRADED, f"{seen.database_fault}; the last known registry goes on")
    if seen.registry_age_s is not None and seen.registry_age_s > REGISTRY_STALE_S:
        return Part(State.DEGRADED, f"the registry in use is {seen.registry_age_s:.0f} s old")
    return _OK
