"""Runs, logged models and model versions, read from MLflow's JSON."""

import math
from typing import Any

from app.mlflow.resources import LoggedModel, ModelVersion, Run

INFO = {"run_id": "r1", "experiment_id": 7, "artifact_uri": "mlflow-artifacts:/7/r1/artifacts"}


def run(**members: Any) -> Run:
    return Run.parse({"info": INFO, "data": {}, **members})


def test_a_run_without_metrics_and_models() -> None:
    found = run()
    assert (found.run_id, found.experiment_id) == ("r1", "7")
    assert (found.metrics, found.outputs) == ({}, {})
    assert run(outputs=None).outputs == {}


def test_metrics_may_be_numbers_written_as_text() -> None:
    metrics = [{"key": "a", "value": 0.5}, {"key": "b", "value": "NaN"}, {"key": "c", "value": 1}]
    found = run(data={"metrics": metrics}).metrics
    assert (found["a"], found["c"]) == (0.5, 1.0)
    assert math.isnan(found["b"])


def test_system_metrics_are_not_the_models() -> None:
    metrics = [{"key": "system/cpu", "value": 9}, {"key": "accuracy", "value": 1}]
    found = run(data={"metrics": metrics})
    assert set(found.metrics) == {"system/cpu", "accuracy"}
    assert found.model_metrics == {"accuracy": 1.0}


def test_outputs_are_the_steps_of_logged_models() -> None:
    outputs = {"model_outputs": [{"model_id": "m-1", "step": "3"}, {"model_id": "m-2"}]}
    assert run(outputs=outputs).outputs == {"m-1": 3, "m-2": 0}


def test_a_logged_model() -> None:
    info = {"model_id": "m-1", "source_run_id": "r1", "creation_timestamp_ms": "1700000000000"}
    assert LoggedModel.parse({"info": info}) == LoggedModel("m-1", "r1", 1_700_000_000_000)
    assert LoggedModel.parse({"info": {"model_id": "m-1"}}) == LoggedModel("m-1", None, 0)


def test_a_model_version() -> None:
    version = {"name": "n", "version": 2, "run_id": "r1"}
    assert ModelVersion.parse(version) == ModelVersion("n", "2", "r1")
    assert ModelVersion.parse({**version, "run_id": ""}).run_id is None
    more = {"creation_timestamp": 17, "model_id": "m-1", "tags": [{"key": "k", "value": "v"}]}
    found = ModelVersion.parse({**version, **more})
    assert found == ModelVersion("n", "2", "r1", 17, "m-1", {"k": "v"})
    assert ModelVersion.parse({**version, "source": "models:/m-2"}).logged_model == "m-2"
    assert ModelVersion.parse({**version, "source": "models:/n/1"}).logged_model is None
