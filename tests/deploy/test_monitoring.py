"""Alerts, the dashboard and docs/operations.md speak of the metrics that there are."""

import json
import re
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics
from tests.deploy.files import ROOT, SETTINGS, settings_in

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/hokusai-gateway.json"
OPERATIONS = (ROOT / "docs/operations.md").read_text()
LABELS = {"method", "route", "status"}


def exposed() -> dict[str, str]:
    """Each family that the gateway tells, as its sample is called, and its kind."""
    metrics = Metrics()
    metrics.observe("GET", "/livez", 200, 0.01)
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in families
        if not family.name.endswith("_created")
    }


def samples() -> set[str]:
    """Every name that a query may use."""
    return {
        name + suffix
        for name, kind in exposed().items()
        for suffix in (("_bucket", "_count", "_sum") if kind == "histogram" else ("",))
    }


def expressions() -> list[str]:
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for rule in rules] + [
        target["expr"] for panel in panels for target in panel["targets"]
    ]


def test_each_metric_that_is_asked_for_is_told() -> None:
    found = expressions()
    assert len(found) > 10
    for expression in found:
        names = set(re.findall(r"\bhokusai_\w+", expression))
        assert names
        assert names <= samples(), expression
        for selector in re.findall(r"\{(.*?)\}", expression):
            assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= LABELS
        for grouping in re.findall(r"by \((.*?)\)", expression):
            assert set(grouping.split(", ")) <= LABELS | {"le"}


def test_operations_lists_each_metric_and_no_other() -> None:
    table = dict(re.findall(r"^\| `(hokusai_\w+)` \| (\w+) \|", OPERATIONS, re.MULTILINE))
    assert table == exposed()


def test_operations_names_settings_that_there_are() -> None:
    # `HOKUSAI_DATABASE_URL, _REDIS_URL` and the like are not names.
    assert settings_in(OPERATIONS) <= SETTINGS


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
