"""Every counter of the bridge in one place: what was taken in, how it ended, and what the parts did. No I/O."""

from collections import Counter
from dataclasses import dataclass, field

from bridge.times import Times


@dataclass(slots=True)
class Counters:
    """Counts since the start of the process; messages unless a name says otherwise.

    ``outcomes`` are (a) to (e) of DESIGN 4.2; their sum equals what was settled. ``not_readings`` and ``refusals`` say
    why, and count parts of messages too; ``dead_letters`` are those refusals that are durable. ``times`` says how long
    the stages took. ``bridge/metrics.py`` exposes every field and has a sentence for each.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    not_readings: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    lines_written: int = 0
    lines_replayed: int = 0
    requests: int = 0
    request_failures: int = 0
    values_set_aside: int = 0
    values_unread: int = 0
    extras_over_limit: int = 0
    aliases_withheld: int = 0
    dropped_copies: int = 0
    raws_spooled: int = 0
    untimed_spread: int = 0
    records_damaged: int = 0
    spool_failures: int = 0
    live_rows_written: int = 0
    live_failures: int = 0
    devices_noted: int = 0
    notices_written: int = 0
    letters_copied: int = 0
    letters_replayed: int = 0
    letters_purged: int = 0
    letters_expired: int = 0
    faults: int = 0
    times: Times = field(default_factory=Times)

    def as_fields(self) -> dict[str, int]:
        """Flat names and numbers for one log line; zeros are left out."""
        fields: dict[str, int] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Counter):
                fields |= {f"{name}.{key}": count for key, count in sorted(value.items())}
            elif isinstance(value, int) and value:
                fields[name] = value
        return fields
