"""The names of the two stores, for settings and for the place that chooses."""

from enum import StrEnum


class StoreKind(StrEnum):
    """Which adapter keeps the readings."""

    EMBEDDED = "embedded"
    INFLUX2 = "influx2"
