"""What Prometheus is shown: everything that is counted, under names that keep its conventions, and nobody's name."""

import re
from collections import Counter
from dataclasses import fields

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.counters import Counters
from bridge.keeper import Outcome
from bridge.metrics import COUNTED, GAUGES, LABELLED, BridgeCollector, exposition, registry_of
from bridge.observed import LanesNow, Observed, Role, SpoolNow
from bridge.times import BOUNDS_S

pytestmark = pytest.mark.unit


def _text(counters: Counters | None = None, seen: Observed | None = None) -> str:
    collector = BridgeCollector(counters or Counters(), lambda: seen or Observed(), lambda: {"store_away": True})
    body, content_type = exposition(registry_of(collector))
    assert content_type.startswith("text/plain")
    return body.decode()


def _values(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_every_counter_has_a_metric_with_a_meaning() -> None:
    """Whoever adds a field to ``Counters`` says here what it counts."""
    described = {field.name for field in fields(Counters)} - {"times"}

    assert described == {*COUNTED, *LABELLED}


def test_every_family_has_a_type_a_meaning_and_a_name_by_the_conventions() -> None:
    """Counters end in _total, times in _seconds, sizes in _bytes; ours begin with one prefix."""
    text = _text()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    meanings = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))

    assert set(types) == set(meanings)
    assert all(re.fullmatch(r"(deye_bridge|process)_[a-z_]+", name) for name in types)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in types.items())
    assert all(name.endswith("_seconds") for name, kind in types.items() if kind == "histogram")
    assert not [name for name in types if re.search(r"_(s|ms|mb|kb|size)$", name)]
    assert len({name for name, _, _ in GAUGES}) == len(GAUGES)


def test_counts_come_out_as_they_are() -> None:
    """Whole numbers, and those with a label; outcomes that have not happened are 0, so that a rate begins there."""
    counters = Counters(lines_written=12, outcomes=Counter({Outcome.WRITTEN: 5}), not_readings=Counter(discovery=3))

    values = _values(_text(counters, Observed(received=9, dropped=4)))

    assert values["deye_bridge_lines_written_total",] == 12
    assert values["deye_bridge_messages_settled_total", "written"] == 5
    assert {values["deye_bridge_messages_settled_total", outcome] for outcome in Outcome if outcome != "written"} == {0}
    assert values["deye_bridge_not_readings_total", "discovery"] == 3
    assert values["deye_bridge_messages_received_total",] == 9
    assert values["deye_bridge_messages_dropped_with_connection_total",] == 4


def test_what_was_observed_comes_out_with_its_ages() -> None:
    """The oldest unwritten reading is the oldest of all places; what does not apply is 0."""
    seen = Observed(
        role=Role.ACTIVE,
        in_window=3,
        lanes=LanesNow(parked=2, spooled=40),
        spool=SpoolNow(lines=40, size_bytes=4096, limit_bytes=8192, oldest_s=70.0),
        oldest_in_window_s=1.5,
        subscribed=True,
    )

    values = _values(_text(seen=seen))

    assert values["deye_bridge_oldest_unwritten_seconds",] == 70.0
    assert values["deye_bridge_oldest_in_window_seconds",] == 1.5
    assert values["deye_bridge_store_away_seconds",] == 0.0
    assert values["deye_bridge_destinations_parked",] == 2
    assert values["deye_bridge_spool_bytes",] == 4096
    assert (values["deye_bridge_role", "active"], values["deye_bridge_role", "standing_by"]) == (1, 0)
    assert values["deye_bridge_ready",] == 1
    assert values["deye_bridge_alarm", "store_away"] == 1


def test_a_histogram_comes_out_cumulated_with_its_sum_and_count() -> None:
    """As Prometheus wants it: each bucket holds all below it, the last one everything."""
    counters = Counters()
    counters.times.store_request.add(0.002, 3)
    counters.times.store_request.add(1e9)

    values = _values(_text(counters))

    name = "deye_bridge_store_request_seconds"
    assert values[f"{name}_bucket", "0.0025"] == 3
    assert values[f"{name}_bucket", str(BOUNDS_S[-1])] == 3
    assert values[f"{name}_bucket", "+Inf"] == 4
    assert values[f"{name}_count",] == 4


def test_no_label_can_name_an_owner_or_a_device() -> None:
    """The labels are these, and their values are words of our own."""
    assert set(re.findall(r"[{,]([a-z_]+)=", _text(Counters(not_readings=Counter(discovery=1))))) == {
        "alarm", "le", "outcome", "part", "reason", "role", "why",
    }  # fmt: skip


def test_the_process_shows_its_memory_and_descriptors() -> None:
    """By the names every process has for them."""
    values = _values(_text())

    assert values["process_resident_memory_bytes",] > 1e6
    assert values["process_open_fds",] > 0
