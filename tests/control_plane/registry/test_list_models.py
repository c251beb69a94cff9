"""Listing registered models: filters and pages."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.training import Training

ADDRESS = "0x742D35cc6634C0532925A3B844BC9E7595f62341"
OTHER = "0x" + "ab" * 20


@pytest.fixture(scope="module")
def quiet(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway whose registry has the models of this module only."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running


@pytest.fixture(scope="module")
def catalogue(quiet: RunningGateway) -> Iterator[tuple[Training, dict[str, dict[str, Any]]]]:
    """A tenant that reads, and four models of two tenants, by name."""
    with Training.of(quiet) as one, Training.of(quiet) as two:
        base = one.registered(
            "baseline",
            run_id=one.run(a=1),
            model_type="churn",
            name="a model: none".replace(":", ""),
        )
        better = one.registered(
            "improved",
            run_id=one.run(a=2),
            baseline_model_id=base["model_id"],
            data_contribution=[{"contributor": ADDRESS}, {"contributor": OTHER}],
        )
        token = two.registered(
            "tokenized",
            run_id=two.run(a=3),
            model_name="TOKEN",
            token_id="some-token",
            metric_name="a",
            baseline_value=1,
        )
        other = two.registered("baseline", run_id=two.run(a=1), model_type="fraud")
        yield two, {"base": base, "better": better, "token": token, "other": other}


def test_filters_select_models(catalogue: tuple[Training, dict[str, dict[str, Any]]]) -> None:
    reader, models = catalogue
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["other", "token", "better", "base"]),
        ({"kind": "baseline"}, ["other", "base"]),
        ({"type": "churn"}, ["better", "base"]),
        ({"tenant": models["base"]["tenant"]}, ["better", "base"]),
        ({"contributor": ADDRESS.lower()}, ["better"]),
        ({"contributor": OTHER}, ["better"]),
        ({"contributor": "0x" + "0" * 40}, []),
        ({"token": "Some-Token"}, ["token"]),
        ({"name": "a model none"}, ["better", "base"]),
        ({"name": "A MODEL NONE"}, []),
        ({"kind": "baseline", "type": "fraud"}, ["other"]),
        ({"type": "' or 1=1 --"}, []),
    ]
    for conditions, expected in cases:
        found = [model["model_id"] for model in reader.models(**conditions)]
        assert found == [models[name]["model_id"] for name in expected], conditions


def test_pages_contain_every_model_once(
    catalogue: tuple[Training, dict[str, dict[str, Any]]],
) -> None:
    reader, models = catalogue
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = reader.client.get("/api/models", params=query).json()
        found += [model["model_id"] for model in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [models[name]["model_id"] for name in ("other", "token", "better", "base")]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"kind": "absent"}, 422),
        ({"contributor": "0x123..."}, 422),
        ({"limit": "0"}, 422),
        ({"unknown": "x"}, 422),
        ({"cursor": "!"}, 400),
        ({"cursor": "eHh4"}, 400),
        ({"name": "\x01"}, 422),
    ],
)
def test_an_invalid_filter_is_refused(
    training: Training, query: dict[str, str], status: int
) -> None:
    response = training.client.get("/api/models", params=query)
    assert response.status_code == status, response.text


def test_an_unknown_model_is_not_found(training: Training) -> None:
    for path in ("hkm_absent", f"hkm_{secrets.token_urlsafe(16)}/lineage", "%C3%A4"):
        response = training.client.get(f"/api/models/{path}")
        assert (response.status_code, response.json()["reason"]) == (404, "not_found")
