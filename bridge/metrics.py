"""Every figure the bridge shows to Prometheus, with its meaning: the one place that knows ``prometheus_client``.

Nothing is counted here: a scrape reads ``Counters`` and ``Observed``. No label names an owner, a login or an inverter.
Imported at the first scrape (1.2 MB).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bridge import health
from bridge.counters import Counters
from bridge.keeper import Outcome
from bridge.observed import Observed, Role
from bridge.refusals import Reason
from bridge.times import BOUNDS_S, Histogram

PREFIX = "deye_bridge_"

# Each whole number of ``Counters``; a test keeps the list complete.
COUNTED = {
    "lines_written": "Lines the store has taken; one line is one reading, or a part of one",
    "lines_replayed": "Lines that left the spool because a store has them now, or for good as dead letters",
    "requests": "Write requests to the store",
    "request_failures": "Write requests that parked their destination",
    "values_set_aside": "Values that could not be true",
    "values_unread": "Values of a message that its dialect does not know",
    "extras_over_limit": "Values of unknown names beyond the 64 that an inverter may have",
    "aliases_withheld": "Serials seen in payloads that were not noted, because they are another inverter's",
    "dropped_copies": "Copies given up because the broker sends the message again",
    "untimed_spread": "Messages of a backlog that were given an estimated time within the outage",
    "raws_spooled": "Messages kept as they came, because the registry could not be asked",
    "records_damaged": "Spool records whose check sum was wrong; they are put aside, never written",
    "spool_failures": "Commits of the spool that failed; their messages are not acknowledged",
    "live_rows_written": "Live rows written for the pages",
    "live_failures": "Attempts to write live rows that failed",
    "devices_noted": "Rows written about devices that speak through a login and have no feed there",
    "notices_written": "Rows written about odd logins and devices for their owners to be told of",
    "letters_copied": "Rows of dead letters copied for the pages",
    "letters_replayed": "Originals of dead letters taken up again on request",
    "letters_purged": "Messages set aside that were dropped on request",
    "letters_expired": "Originals of dead letters dropped because of their age",
    "faults": "Faults of the bridge itself, each in the log",
}

# Each counter with a label: the metric's name, the label, the values shown before anything happened, the meaning.
LABELLED: Mapping[str, tuple[str, str, Iterable[str], str]] = {
    "outcomes": ("messages_settled", "outcome", Outcome, "Messages acknowledged, by how they ended"),
    "not_readings": ("not_readings", "why", (), "Messages, or parts, that are no readings, by what they are"),
    "refusals": ("refusals", "reason", Reason, "Messages, parts or values refused or corrected, by reason"),
    "dead_letters": ("dead_letters", "reason", Reason, "Dead letters that are durable, by reason"),
}

_Gauge = tuple[str, str, Callable[[Observed], float | None]]

# What does not apply at the moment is shown as 0: an alert on an age then rests.
GAUGES: tuple[_Gauge, ...] = (
    ("in_window_messages", "Messages received and not ended", lambda seen: seen.in_window),
    ("window_limit_messages", "Messages the broker may leave unacknowledged with us", lambda seen: seen.window_limit),
    ("lanes_waiting", "Destinations with lines that wait for a request", lambda seen: seen.lanes.waiting),
    ("lanes_in_flight", "Destinations with a request under way", lambda seen: seen.lanes.in_flight),
    ("destinations_parked", "Destinations that failed and are left alone for a while", lambda seen: seen.lanes.parked),
    ("parked_longest_seconds", "How long the longest parked destination is parked", lambda seen: seen.parked_longest_s),
    ("spool_lines", "Lines in the spool that wait for a store", lambda seen: seen.spool.lines),
    ("spool_raw_messages", "Messages in the spool that wait for the registry", lambda seen: seen.spool.raws),
    ("spool_bytes", "Size of the spool", lambda seen: seen.spool.size_bytes),
    ("spool_limit_bytes", "Size the spool may have", lambda seen: seen.spool.limit_bytes),
    ("disk_free_bytes", "Room on the disk of the spool", lambda seen: seen.disk_free_bytes),
    ("disk_floor_bytes", "Room below which nothing is acknowledged any more", lambda seen: seen.disk_floor_bytes),
    ("oldest_unwritten_seconds", "Age of the oldest reading no store has", lambda seen: seen.oldest_unwritten_s),
    ("oldest_in_window_seconds", "Age of the oldest message not ended", lambda seen: seen.oldest_in_window_s),
    ("broker_subscribed", "1 while the session with the broker is subscribed", lambda seen: seen.subscribed),
    ("broker_away_seconds", "Time since the subscription was lost", lambda seen: seen.broker_away_s),
    ("broker_queue_messages", "Messages the broker keeps for us", lambda seen: seen.broker.queued),
    (
        "broker_queue_filled_ratio",
        "The share of the broker's queue that is used",
        lambda seen: seen.broker.queue_filled,
    ),
    ("broker_retained_messages", "Retained messages at the broker", lambda seen: seen.broker.retained),
    ("broker_connections", "Clients connected to the broker", lambda seen: seen.broker.connected),
    ("broker_rules_broken", "Rules of the broker that do not hold", lambda seen: len(seen.broker_rules.broken)),
    ("broker_rules_unchecked", "1 while nobody knows", lambda seen: float(bool(seen.broker_rules.unchecked))),
    (
        "store_servers_parked",
        "Stores that do not answer and are left alone for a while",
        lambda seen: seen.servers_parked,
    ),
    ("store_away_seconds", "Time since one of the stores no longer answered", lambda seen: seen.store_away_s),
    ("database_away_seconds", "Time since the database stopped to answer", lambda seen: seen.database_away_s),
    ("registry_version", "Version of the registry in use", lambda seen: seen.registry_version),
    ("registry_age_seconds", "Time since it was seen to be the newest one", lambda seen: seen.registry_age_s),
    ("loop_delay_seconds", "How late the event loop last came back", lambda seen: seen.loop_delay_s),
)


class BridgeCollector:
    """Reads everything at a scrape."""

    def __init__(
        self, counters: Counters, observed: Callable[[], Observed], alarms: Callable[[], Mapping[str, bool]]
    ) -> None:
        self._counters = counters
        self._observed = observed
        self._alarms = alarms

    def collect(self) -> Iterator[Metric]:
        """All families, for ``CollectorRegistry``."""
        seen = self._observed()
        yield _counter("messages_received", "Messages taken from the broker", seen.received)
        returned = "Messages that were with us when their connection was lost: the broker sends them again"
        yield _counter("messages_dropped_with_connection", returned, seen.dropped)
        yield _counter("broker_dropped", "Messages the broker has dropped, as far as heard", seen.broker_lost)
        for field, meaning in COUNTED.items():
            yield _counter(field, meaning, getattr(self._counters, field))
        for field, (name, label, known, meaning) in LABELLED.items():
            counts = dict.fromkeys(map(str, known), 0) | getattr(self._counters, field)
            yield _labelled(CounterMetricFamily(PREFIX + name, meaning, labels=[label]), counts)
        for name, meaning, value in GAUGES:
            yield GaugeMetricFamily(PREFIX + name, meaning, value=float(value(seen) or 0))
        yield from self._states(seen)
        yield from self._times()

    def _states(self, seen: Observed) -> Iterator[Metric]:
        roles = {role.value: float(role is seen.role) for role in Role}
        yield _labelled(GaugeMetricFamily(PREFIX + "role", "1 for the part it plays now", labels=["role"]), roles)
        parts = {name: float(part.state is health.State.OK) for name, part in health.ready(seen).items()}
        yield _labelled(GaugeMetricFamily(PREFIX + "part_ok", "1 while a part is well", labels=["part"]), parts)
        ready = float(health.worst(health.ready(seen)) is not health.State.FAILED)
        yield GaugeMetricFamily(PREFIX + "ready", "1 while /health/ready answers 200", value=ready)
        alarms = {name: float(active) for name, active in self._alarms().items()}
        yield _labelled(
            GaugeMetricFamily(PREFIX + "alarm", "1 while an alarm of the log is on", labels=["alarm"]), alarms
        )

    def _times(self) -> Iterator[Metric]:
        times = self._counters.times
        yield _histogram("decide_seconds", "From arrival to the decision what a message is", {"": times.decided})
        settled = {outcome.value: times.settled.get(outcome.value, Histogram()) for outcome in Outcome}
        yield _histogram("settle_seconds", "From arrival to the acknowledgement, by outcome", settled, "outcome")
        yield _histogram("store_request_seconds", "Write requests to the store", {"": times.store_request})
        yield _histogram("spool_commit_seconds", "Commits of the spool", {"": times.spool_commit})


def registry_of(collector: BridgeCollector) -> CollectorRegistry:
    """The bridge's figures and the process's own: memory, processor time, descriptors."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Everything as Prometheus reads it, and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _counter(name: str, meaning: str, value: int) -> Metric:
    return CounterMetricFamily(PREFIX + name, meaning, value=value)


def _labelled(
    family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, float]
) -> CounterMetricFamily | GaugeMetricFamily:
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _histogram(name: str, meaning: str, histograms: Mapping[str, Histogram], label: str = "") -> Metric:
    family = HistogramMetricFamily(PREFIX + name, meaning, labels=[label] if label else [])
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    for value, histogram in histograms.items():
        buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
        family.add_metric([value] if label else [], buckets=buckets, sum_value=histogram.sum_s)
    return family
