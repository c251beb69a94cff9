"""Listing registered models: filters and pages."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.rest.pagination import encode_cursor
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


def test_a_name_in_place_of_a_models_id_is_explained(training: Training) -> None:
    for name, words in (
        ("iris", "ids of models begin with hkm_. /api/models?name= lists"),
        ("baseline", "/api/models/baseline registers a model, with a POST"),
    ):
        response = training.client.get(f"/api/models/{name}")
        assert response.status_code == 404
        assert words in response.json()["message"]


def test_an_unknown_model_is_not_found(training: Training) -> None:
    for path in ("hkm_absent", f"hkm_{secrets.token_urlsafe(16)}/lineage", "%C3%A4"):
        response = training.client.get(f"/api/models/{path}")
        assert (response.status_code, response.json()["reason"]) == (404, "not_found")


def test_models_with_a_metric_are_sorted_by_its_value_or_improvement(
    quiet: RunningGateway,
) -> None:
    with Training.of(quiet) as made:
        metric = f"auc_{secrets.token_hex(4)}"

        def value(number: float) -> str:
            run = made.run(**{metric: number, "other": -number})
            model: str = made.registered(
                "baseline", run_id=run, model_type="t", primary_metric=metric
            )["model_id"]
            return model

        def improved(on: str, number: float, address: str) -> str:
            model: str = made.registered(
                "improved",
                run_id=made.run(**{metric: number}),
                baseline_model_id=on,
                contributor_address=address,
            )["model_id"]
            return model

        low, same, high = value(0.5), value(0.9), value(0.9)
        small = improved(same, 0.92, ADDRESS)
        large = improved(low, 0.7, OTHER)
        worse = improved(high, 0.1, ADDRESS)
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({}, [worse, large, small, high, same, low]),
            ({"sort": "highest"}, [small, high, same, large, low, worse]),
            ({"sort": "lowest"}, [worse, low, large, same, high, small]),
            ({"sort": "improvement"}, [large, small, worse]),
            ({"sort": "highest", "kind": "baseline"}, [high, same, low]),
            ({"sort": "improvement", "contributor": ADDRESS}, [small, worse]),
        ]
        for conditions, expected in cases:
            query = {"metric": metric, **conditions}
            assert [one["model_id"] for one in made.models(**query)] == expected, conditions
            found: list[str] = []
            cursor: str | None = ""
            while cursor is not None:
                page = made.client.get(
                    "/api/models",
                    params=query | {"limit": 2} | ({"cursor": cursor} if cursor else {}),
                ).json()
                found += [model["model_id"] for model in page["items"]]
                cursor = page["next"]
            assert found == expected, conditions


@pytest.mark.parametrize("sort", ["highest", "lowest", "improvement"])
def test_an_order_by_value_needs_a_metric(training: Training, sort: str) -> None:
    response = training.client.get("/api/models", params={"sort": sort})
    assert (response.status_code, response.json()["reason"]) == (400, "invalid_parameter")
    assert "needs `metric`" in response.json()["message"]


@pytest.mark.parametrize("position", ["1", "nan 1", "inf 2", "0.5 -1", "0.5 x", "0.5 1 2", " "])
def test_a_cursor_of_another_list_is_refused(training: Training, position: str) -> None:
    query = {"metric": "accuracy", "sort": "highest", "cursor": encode_cursor(position)}
    response = training.client.get("/api/models", params=query)
    assert (response.status_code, response.json()["reason"]) == (400, "invalid_parameter")
