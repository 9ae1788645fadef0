"""What Mosquitto publishes of itself, handed on: its log moves inverters up the ladder, its figures go to the watch.

A login that the log names may be anybody's invention; a fault in here ends neither the connection nor a message.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from bridge.broker_watch import BrokerWatch
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges import broker_log
from bridge.edges.broker_log import BrokerEvent
from bridge.edges.live import LiveRows
from bridge.edges.remarks import EdgeRemarks
from bridge.ports import Registry
from bridge.refusals import Reason, sentence
from schema.topics import BROKER_LOG

_log = structlog.get_logger(__name__)


def _nobody(_: str, __: datetime) -> None:
    """Nobody else wants to know."""


def _nothing(_: datetime) -> None:
    """Nobody else wants to know."""


@dataclass(slots=True)
class BrokerNews:
    """``told`` is the session's ``on_system``; ``accepted`` gets each login that was let in, ``heard`` each instant at
    which anything came.
    """

    registry: Registry
    live: LiveRows
    remarks: EdgeRemarks
    watch: BrokerWatch
    counters: Counters
    clock: Clock
    accepted: Callable[[str, datetime], None] = _nobody
    heard: Callable[[datetime], None] = _nothing

    def told(self, topic: str, payload: bytes, at: datetime) -> None:
        """One message below ``$SYS``."""
        self.heard(at)
        try:
            if topic.startswith(BROKER_LOG):
                self._line(payload.decode(errors="replace"), at)
            elif dropped := self.watch.told(topic, payload, self.clock.monotonic()):
                _log.error("broker.dropped", messages=dropped, in_all=self.watch.lost)
        except Exception:  # noqa: BLE001  # one turn of a loop: what the broker says of itself may not end the connection
            self.counters.faults += 1
            _log.exception("broker.news_fault", topic=topic)

    def _line(self, line: str, at: datetime) -> None:
        """What the broker's log tells about a login."""
        heard = broker_log.read(line)
        entry = self.registry.directory.login(heard.login) if heard else None
        if heard is None or entry is None:
            return
        inverter_ids = [route.inverter_id for route in entry.routes.values()]
        match heard.event:
            case BrokerEvent.ACCEPTED:
                self.accepted(entry.name, at)
                self.remarks.came(heard, at)
                self.live.login_accepted(inverter_ids)
            case BrokerEvent.TAKEN_OVER:
                self.remarks.thrown_out(heard, at)
            case BrokerEvent.ENDED:
                self.remarks.went(heard, at)
            case BrokerEvent.REFUSED:
                self.live.broker_reached(inverter_ids)
                self.remarks.turned_away(heard, at)
            case BrokerEvent.TOO_LARGE:
                self.live.broker_reached(inverter_ids)
                self.remarks.went(heard, at)
                self._too_large(inverter_ids, at)

    def _too_large(self, inverter_ids: Iterable[UUID], at: datetime) -> None:
        detail = sentence(Reason.TOO_LARGE, "more than 65536")
        for inverter_id in inverter_ids:
            self.live.refused(inverter_id, Reason.TOO_LARGE, detail, at)
