"""Alerts, the dashboard and docs/operations.md speak of the metrics that there are."""

import json
import re
from typing import Any

import promql_parser
import pytest
import yaml

from app.telemetry.metrics import Metrics
from tests.deploy.files import ROOT, SETTINGS, settings_in
from tests.support.metrics import Scrape

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/hokusai-gateway.json"
OPERATIONS = (ROOT / "docs/operations.md").read_text()
# What Prometheus adds to each sample by itself.
ADDED = {"instance", "job"}


def exposed() -> Scrape:
    """What a gateway tells, with a sample of each kind."""
    metrics = Metrics()
    metrics.observe("GET", "/livez", 200, 0.01)
    metrics.count_authentication_failure("key_invalid")
    metrics.count_upstream_error("upstream_failed")
    metrics.count_registration("baseline", "registered")
    metrics.set_readiness({"upstream": True})
    metrics.limited.labels("principal")
    metrics.body_bytes.labels("in")
    metrics.client_memory.labels("documents")
    metrics.client_memory_ended.labels("documents")
    for gauge in (metrics.upstream_connections, metrics.database_connections):
        gauge.labels("in_use")
    for gauge in (metrics.build, metrics.upstream_build):
        gauge.labels("1.0")
    return Scrape(metrics.exposition().decode())


EXPOSED = exposed()


def expressions() -> list[str]:
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for rule in rules] + [
        target["expr"] for panel in panels for target in panel["targets"]
    ]


@pytest.mark.parametrize("expression", expressions())
def test_each_query_asks_for_what_is_told(expression: str) -> None:
    labels = EXPOSED.labels()
    used: dict[str, set[str]] = {}
    grouped: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name is not None
            matched = {matcher.name for matcher in node.matchers.matchers}
            used.setdefault(node.name, set()).update(matched)
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
            grouped.update(modifier.labels)
        elif modifier is not None and modifier.matching is not None:
            grouped.update(modifier.matching.labels)

    # Grafana puts the duration in.
    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), visit)
    assert used
    for name, matched in used.items():
        assert name in labels
        assert matched <= labels[name]
    assert grouped <= set().union(*(labels[name] for name in used)) | ADDED


def test_operations_lists_each_metric_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", OPERATIONS, re.MULTILINE)
    assert len(dict.fromkeys(name for name, _, _ in rows)) == len(rows)
    assert {name: kind for name, kind, _ in rows} == EXPOSED.kinds
    told = EXPOSED.labels()
    for name, kind, labels in rows:
        sample = f"{name}_count" if kind == "histogram" else name
        assert set(re.findall(r"`(\w+)`", labels)) == told[sample], name


def test_each_metric_is_shown_or_alerts() -> None:
    asked = set(re.findall(r"\b(?:hokusai|process)_\w+", " ".join(expressions())))
    # What is only there to be looked at when something else is wrong.
    rarely = {"process_start_time_seconds", "process_virtual_memory_bytes"}
    for name, kind in EXPOSED.kinds.items():
        sample = f"{name}_count" if kind == "histogram" else name
        assert sample in asked or name in rarely, name


def test_operations_names_settings_that_there_are() -> None:
    # `HOKUSAI_DATABASE_URL, _REDIS_URL` and the like are not names.
    assert settings_in(OPERATIONS) <= SETTINGS
    assert settings_in(ALERTS.read_text()) <= SETTINGS
    assert settings_in(DASHBOARD.read_text()) <= SETTINGS


def test_operations_names_log_events_that_there_are() -> None:
    program = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    events = re.findall(r"`([a-z]+\.[a-z_]+)`", OPERATIONS.partition("## Read the log")[2])
    assert len(events) > 10
    assert [event for event in events if f'"{event}"' not in program] == []


def test_each_alert_says_what_to_do() -> None:
    rules: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_dashboards_panels_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
