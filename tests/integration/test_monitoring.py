"""The dashboard and the alert rules ask for what a running bridge shows, and the rules agree with the log's alarms."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric

from bridge import alarms, broker_watch, health
from tests.bridge_set_up import Publisher, home
from tests.broker import broker
from tests.promql import NotUnderstood, asked
from tests.watched_bridge import WatchedBridge

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
# What Prometheus itself adds to each scrape.
PROMETHEUS_OWN = {"up"}
TARGET_LABELS = {"job", "instance", "cell"}


def _rules() -> list[dict[str, Any]]:
    content = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def _panels() -> list[dict[str, Any]]:
    content = json.loads((FOLDER / "dashboard.json").read_text())
    return [panel for panel in content["panels"] if panel["type"] != "row"]


def _expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in _rules())
    for panel in _panels():
        yield from (target["expr"] for target in panel["targets"])


@pytest.fixture
async def scraped(tmp_path: Path) -> dict[str, Metric]:
    """The figures of a bridge process on a real broker after one reading and one dead letter."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as place:
            alice = await place.pair()
            one = WatchedBridge(place)
            await one.served()
            await one.process.ready()
            async with Publisher(server, alice.login) as logger:
                await logger.send(alice.topic(), {"ac_power": 412.5})
                await logger.send(alice.topic(), "no document")
            families = await one.scraped()
            one.process.terminate()
            assert await one.process.ended() == 0
    return families


async def test_every_name_and_label_of_dashboard_and_rules_is_in_a_real_scrape(scraped: dict[str, Metric]) -> None:
    """A metric that was renamed would leave a silent rule behind; so would a label or one of its values."""
    samples = {sample.name for family in scraped.values() for sample in family.samples}
    # A family nobody has counted in yet has no sample, but its name.
    names = samples | set(scraped) | {f"{name}_total" for name, family in scraped.items() if family.type == "counter"}
    values: dict[str, set[str]] = {}
    for family in scraped.values():
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)

    questions = [asked(expression) for expression in _expressions()]

    unknown = {metric for question in questions for metric in question.metrics} - names - PROMETHEUS_OWN
    labels = {label for question in questions for label in question.labels} - set(values) - TARGET_LABELS - {"why"}
    compared = {
        (label, value)
        for question in questions
        for label, wanted in question.labels.items()
        for value in wanted
        if label in values and value not in values[label]
    }
    assert (unknown, labels, compared) == (set(), set(), set())


async def test_every_figure_that_is_shown_has_a_meaning(scraped: dict[str, Metric]) -> None:
    """HELP and TYPE for each family, as a person reads them in Prometheus."""
    assert [name for name, family in scraped.items() if not family.documentation or family.type == "unknown"] == []


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_every_rule_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    """Whom it wants, for how long, and one action."""
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "action"}
    assert all(text.endswith((".", "?")) for text in rule["annotations"].values())
    assert asked(rule["expr"]).metrics


def test_names_of_rules_are_unique() -> None:
    """Alertmanager tells them apart by it."""
    names = [rule["alert"] for rule in _rules()]

    assert len(set(names)) == len(names)


def test_each_alarm_of_the_log_has_its_rule_of_the_same_urgency() -> None:
    """What the log tells those without Prometheus, Prometheus tells the others."""
    by_alarm = {rule["labels"]["alarm"]: rule for rule in _rules() if "alarm" in rule["labels"]}

    assert set(by_alarm) == {rule.name for rule in alarms.RULES}
    assert {name: rule["labels"]["severity"] for name, rule in by_alarm.items()} == {
        rule.name: "page" if rule.level == alarms.SERIOUS else "ticket" for rule in alarms.RULES
    }


@pytest.mark.parametrize(
    ("alarm", "limit"),
    [
        ("window_full", f">= {alarms.WINDOW_FULL} *"),
        ("spool_filling", f">= {alarms.SPOOL_FILLING} *"),
        ("spool_nearly_full", f">= {alarms.SPOOL_NEARLY_FULL} *"),
        ("disk_low", f"< {alarms.DISK_MARGIN:.0f} *"),
        ("parked_long", f">= {alarms.PARKED_LONG_S:.0f}"),
        ("unwritten_long", f">= {alarms.UNWRITTEN_LONG_S:.0f}"),
        ("registry_stale", f">= {health.REGISTRY_STALE_S:.0f}"),
        ("broker_dropped", f"[{alarms.DROPPED_RECENTLY_S / 60:.0f}m]"),
        ("broker_queue_filling", f">= {broker_watch.QUEUE_FILLING}"),
        ("broker_queue_nearly_full", f">= {broker_watch.QUEUE_NEARLY_FULL}"),
    ],
)
def test_limits_of_rules_and_alarms_are_equal(alarm: str, limit: str) -> None:
    """One number, whoever is told."""
    (rule,) = [rule for rule in _rules() if rule["labels"].get("alarm") == alarm]

    assert limit in rule["expr"]


def test_the_document_names_every_alarm_and_only_those() -> None:
    """Whoever reads one in a log finds it there."""
    text = (FOLDER.parent / "monitoring.md").read_text()
    table = text[text.index("| alarm | begins |") :].split("\n\n")[0]

    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == {rule.name for rule in alarms.RULES}


def test_panels_have_a_place_of_their_own_and_their_data_source() -> None:
    """None covers another, and none is bound to somebody's own Grafana."""
    places = [panel["gridPos"] for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in _panels()} == {"${datasource}"}
    assert len({panel["title"] for panel in _panels()}) == len(_panels())


@pytest.mark.parametrize(
    "expression",
    [
        "rate(deye_bridge_x_total[5m]",
        "rat(deye_bridge_x_total[5m])",
        "deye_bridge_x{reason=not_json}",
        "deye_bridge_x)(",
        'sum(rate(deye_bridge_x{reason="a"[5m]}))',
    ],
)
def test_what_is_no_promql_is_noticed(expression: str) -> None:
    """The reader of these tests can fail."""
    with pytest.raises(NotUnderstood):
        asked(expression)


def test_promtool_accepts_the_rules() -> None:
    """Prometheus' own parser, where it is installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH")

    checked = subprocess.run(["promtool", "check", "rules", str(FOLDER / "alerts.yaml")], check=False)

    assert checked.returncode == 0
