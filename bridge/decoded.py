"""What a dialect makes of one message: a document, a scalar, nothing worth keeping, or a refusal. No I/O, no tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bridge.refusals import Reason

# Characters of a device's name, as the table ``feed`` keeps it.
LONGEST_DEVICE = 64


class Document(NamedTuple):
    """A whole reading in one message.

    ``at`` is the publisher's own time in UTC, None where it names none; ``bad_time`` says that it named one nobody can
    read. ``device`` is the device's name in the topic, ``serial`` the one in the payload, both may be empty.
    ``unread`` counts members that are no numbers of ours.
    """

    values: Mapping[str, float]
    extra: Mapping[str, float]
    at: datetime | None = None
    bad_time: bool = False
    device: str = ""
    serial: str = ""
    unread: int = 0


class Scalar(NamedTuple):
    """One value of a cycle; a tuple, because an inverter sends 40 to 60 of them each time.

    ``name`` is a catalogue name, or a sanitised one with ``x_`` before it; ``tail`` the topic below the device.
    """

    device: str
    tail: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class NotAReading:
    """Nothing to keep, on purpose (online state, discovery, an empty status): counted under ``why``, acknowledged.

    ``starts_cycle`` is the dialect's start marker: the cycle of ``device`` that came before it is complete.
    """

    why: str
    device: str = ""
    starts_cycle: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Set aside as a dead letter, with one plain sentence for its owner."""

    reason: Reason
    detail: str


Decoded = Document | Scalar | NotAReading | Refused
