"""What the pipeline decides, as values that others carry out; and how a message or part looks as a dead letter."""

import json
from dataclasses import dataclass, field

from bridge.batch import Parcel
from bridge.cycles import Part
from bridge.decoded import Refused
from bridge.kept import Letter, Outage, Untimed
from bridge.ports import Delivery
from bridge.routes import Route
from schema import topics
from schema.letters import PayloadForm

# What a reading may have by default is kept whole, so that it can be replayed; of anything longer enough to look at.
_LONGEST_WHOLE = 16_384
_LONGEST_CUT = 4_096
_LONGEST_TOPIC_KEPT = 512

Source = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A parcel that may leave once the registry knows its feed's first reading or device. ``origin`` is the message it
    was made of, or all that is left of several.
    """

    device: str
    serial: str
    parcel: Parcel
    origin: Delivery


@dataclass(slots=True)
class Decisions:
    """What is to be done now. ``settled`` are messages that are no readings, ``kept`` those that are on the disk
    already, ``parts`` are for ``take_part``, ``untimed`` is to be kept in this order.
    """

    parcels: list[Parcel] = field(default_factory=list)
    claims: list[Claimed] = field(default_factory=list)
    letters: list[tuple[Letter, list[int]]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    strangers: list[Delivery] = field(default_factory=list)
    parts: list[Part[Source]] = field(default_factory=list)
    untimed: list[tuple[Untimed | Outage, list[int]]] = field(default_factory=list)


def letter(delivery: Delivery, route: Route | None, refused: Refused) -> Letter:
    """The dead letter of a message; the login is the topic's, which the broker has proved."""
    level = delivery.topic.split("/", 2)[1:2]
    whole = len(delivery.payload) <= _LONGEST_WHOLE and len(delivery.topic) <= _LONGEST_TOPIC_KEPT
    return Letter(
        login=level[0] if level and topics.is_login(level[0]) else "",
        inverter_id=route.inverter_id if route else None,
        topic=delivery.topic[:_LONGEST_TOPIC_KEPT],
        payload=delivery.payload if whole else delivery.payload[:_LONGEST_CUT],
        reason=refused.reason,
        detail=refused.detail,
        at=delivery.received_at,
        form=PayloadForm.VALUES if delivery.assembled else PayloadForm.MESSAGE,
        size=0 if whole else len(delivery.payload),
        whole=whole,
        backlog=delivery.backlog,
    )


def delivery_of(part: Part[Source]) -> Delivery:
    """A part as one message, its new values as a document: that is what a dead letter can show of it."""
    payload = json.dumps({name: part.values[name] for name in part.fresh}).encode()
    token = part.tokens[0] if part.tokens else 0
    return Delivery(token, part.topic, payload, part.received_at, assembled=True)
