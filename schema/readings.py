"""One measurement of one inverter at one instant, in canonical quantities and units. No clock, no tenant, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TimeSource(StrEnum):
    """Where a reading's time comes from: the publisher's own clock, the moment the bridge received it, or its place
    among others that waited in the broker through an outage. An estimated time is good for counters, not for power.
    """

    PAYLOAD = "payload"
    ARRIVAL = "arrival"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class Reading:
    """Canonical values of one inverter at ``at``.

    ``at`` is aware and in UTC; the store keeps milliseconds. ``values`` maps catalogue names (``schema.quantities``) to
    floats in their canonical units, states as codes. ``extra`` holds numeric names the catalogue does not know, already
    sanitised. Readings of one inverter with equal ``at`` merge quantity by quantity, the last one wins.
    """

    at: datetime
    values: Mapping[str, float]
    extra: Mapping[str, float]
    time_source: TimeSource = TimeSource.ARRIVAL
