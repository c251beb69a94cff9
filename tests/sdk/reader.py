"""What users of the SDK do, in processes of their own (tests/support/mlflow_user.py)."""

import json
import os
import warnings
from typing import Any

import mlflow
from hokusai.core import ModelRegistry
from hokusai.errors import RegistrationWarning
from hokusai.tracking import ExperimentManager, PerformanceTracker

CONTRIBUTOR = "0x742d35Cc6634C0532925a3b844Bc454e4438f44e"


def connect(**arguments: Any) -> ModelRegistry:
    """A registry at the gateway that HOKUSAI_URL names."""
    # The guide's own example address, for one, has a wrong checksum.
    warnings.simplefilter("ignore", RegistrationWarning)
    return ModelRegistry(**arguments)


def forest() -> Any:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    data, target = load_iris(return_X_y=True)
    return RandomForestClassifier(n_estimators=3, random_state=0).fit(data, target)


def doubler() -> Any:
    """MLflow's own kind of model. Made here: MLflow warns while it is imported."""
    import mlflow.pyfunc

    class Doubler(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return model_input * 2

    return Doubler()


class Tripler:
    """An object of nobody's library."""

    def predict(self, rows: Any) -> Any:
        return rows * 3


def active_run() -> str | None:
    """The id of MLflow's active run."""
    run = mlflow.active_run()
    return None if run is None else str(run.info.run_id)


def register_kinds() -> dict[str, dict[str, Any]]:
    """Models of several kinds in one run, each loaded again from the registry."""
    import pandas

    rows = pandas.DataFrame({"x": [1.0, 2.0]})
    registry = connect()
    found = {}
    with mlflow.start_run():
        for name, model in {
            "python_model": doubler(),
            "object": Tripler(),
            "function": _quadruple,
        }.items():
            result = registry.register_baseline(model, "numbers", {"accuracy": 0.5}, name=name)
            loaded = mlflow.pyfunc.load_model(f"models:/{name}/{result.mlflow_version}")
            found[name] = {**result, "predicts": loaded.predict(rows)["x"].tolist()}
    return found


def _quadruple(rows: Any) -> Any:
    return rows * 4


def register_forest() -> dict[str, Any]:
    """A random forest outside of any run, with an input example."""
    from sklearn.datasets import load_iris

    data, _ = load_iris(return_X_y=True)
    registry = connect()
    result = registry.register_baseline(
        model=forest(),
        model_type="classification",
        metadata={"metrics": {"accuracy": 0.9}, "dataset": "iris"},
        input_example=data[:3],
    )
    loaded = mlflow.pyfunc.load_model(f"models:/{result['mlflow_name']}/{result['mlflow_version']}")
    run = mlflow.get_run(str(result.run_id))
    return {
        **json.loads(json.dumps(dict(result))),
        "signed": loaded.metadata.signature is not None,
        "predicts": loaded.predict(data[:2]).tolist(),
        "run_metrics": run.data.metrics,
        "run_status": run.info.status,
        "active": mlflow.active_run() is not None,
    }


def improve() -> dict[str, Any]:
    """The whole way: baseline, improvement, attestations, lineage."""
    registry = connect()
    experiments = ExperimentManager(registry)
    with experiments.start_experiment("baseline") as run:
        assert run.info.run_id == active_run()
        baseline = registry.register_baseline(
            forest(), "classification", {"accuracy": 0.85}, higher_is_better={"accuracy": True}
        )
    with experiments.start_experiment("improved"):
        delta, claimed = PerformanceTracker().track_improvement(
            {"accuracy": 0.85}, {"accuracy": 0.92}, {"contributor": CONTRIBUTOR, "samples": 9}
        )
        improved = registry.register_improved_model(
            baseline["model_id"], forest(), CONTRIBUTOR, {"samples": 9}
        )
    _, witnessed = PerformanceTracker(registry).track_improvement(
        {"accuracy": 0.85},
        {"accuracy": 0.92},
        baseline_model_id=baseline.model_id,
        improved_model_id=improved.model_id,
    )
    again = registry.attest(model_id=improved.model_id)
    lineage = registry.lineage(improved.model_id)
    return {
        "delta": delta,
        "claimed": claimed.kind,
        "witnessed": witnessed.kind,
        "delta_one": witnessed.delta_one,
        "again": again.kind,
        "fetched": registry.attestation(witnessed.hash).hash == witnessed.hash,
        "minted": registry.mint_request(witnessed.hash).delta_one,
        "path": lineage.path == [baseline.model_id, improved.model_id],
        "recorded": improved.delta["accuracy"]["delta"],
        "model": registry.model(improved.model_id).attestations,
        "mine": [model.model_id for model in registry.models(tenant=improved.tenant, limit=1)],
        "ids": [improved.model_id, baseline.model_id],
    }


def witness_a_lie() -> dict[str, Any]:
    """A claim that MLflow does not bear out."""
    from hokusai.errors import ClaimDisagreesError

    registry = connect()
    runs = []
    for accuracy in (0.5, 0.6):
        with mlflow.start_run() as run:
            mlflow.log_metric("accuracy", accuracy)
        runs.append(run.info.run_id)
    tracker = PerformanceTracker(registry)
    try:
        tracker.track_improvement(
            {"accuracy": 0.5}, {"accuracy": 0.9}, baseline_run_id=runs[0], improved_run_id=runs[1]
        )
    except ClaimDisagreesError as error:
        return dict(error.problem)
    raise AssertionError("a lie was witnessed")


def experiments() -> dict[str, Any]:
    """What start_experiment leaves behind."""
    registry = connect()
    manager = ExperimentManager()
    mlflow.set_experiment("before")
    with manager.start_experiment("outer", tags={"team": "a"}) as outer:
        with manager.start_experiment("inner", run_name="child") as inner:
            pass
        still = active_run()
    try:
        with manager.start_experiment("outer") as failed:
            _fail()
    except RuntimeError:
        ended = mlflow.active_run() is None
    with mlflow.start_run() as after:
        pass
    client = mlflow.MlflowClient()

    def experiment(run: Any) -> str:
        return str(client.get_experiment(run.info.experiment_id).name)

    return {
        "experiments": [experiment(run) for run in (outer, inner, failed, after)],
        "parent": inner.data.tags["mlflow.parentRunId"] == outer.info.run_id == still,
        "tag": outer.data.tags["team"],
        "statuses": [client.get_run(run.info.run_id).info.status for run in (outer, inner, failed)],
        "ended": ended,
        "uri": mlflow.get_tracking_uri() == registry.tracking_uri,
    }


def _fail() -> None:
    raise RuntimeError("training failed")


def two_registries(first: str, second: str) -> list[str]:
    """Two keys of two tenants in one process; the older one is used last."""
    one = connect(api_key=first)
    two = connect(api_key=second)
    tenants = []
    for registry in (two, one):
        with ExperimentManager(registry).start_experiment("mine"):
            result = registry.register_baseline(doubler(), "numbers", {"accuracy": 0.5})
        tenants.append(result.tenant)
    return tenants


def changed_store() -> str:
    """A run in a local store must not take what is meant for the registry."""
    registry = connect()
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run():
        try:
            registry.register_baseline(doubler(), "numbers")
        except Exception as error:
            return type(error).__name__
    raise AssertionError("it was logged to another store")


def wallet_run(unknown: list[str]) -> dict[str, Any]:
    """A wallet alone; twice its token is not known any more, as after days."""
    registry = connect()
    with ExperimentManager(registry).start_experiment("wallet"):
        first = registry.register_baseline(doubler(), "numbers", {"accuracy": 0.5})
        authorizer: Any = registry.client.authorizer
        lost = authorizer.header()
        authorizer._header = f"Bearer {unknown.pop()}"
        # MLflow's request is the one that finds out, and then one of ours.
        mlflow.log_metric("accuracy", 0.6)
        renewed = authorizer.header()
        authorizer._header = f"Bearer {unknown.pop()}"
        second = registry.register_baseline(doubler(), "numbers", {"accuracy": 0.6})
    return {
        "tenants": {first.tenant, second.tenant},
        "renewed": lost != renewed,
        "whoami": registry.whoami().address,
        "plugin": os.environ["MLFLOW_TRACKING_AUTH"],
    }


def hurry(requests: int) -> dict[str, Any]:
    """More requests than the limit lets through, by MLflow and by the SDK."""
    registry = connect()
    with mlflow.start_run() as run:
        for step in range(requests):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    return {"logged": len(history), "limit": registry.limits().limit}


def hand_over_uri() -> dict[str, Any]:
    """A model that is in MLflow already, registered by its URI, twice with the same call."""
    registry = connect()
    with mlflow.start_run() as run:
        mlflow.pyfunc.log_model(name="model", python_model=doubler())
        mlflow.log_metric("accuracy", 0.7)
    uri = f"runs:/{run.info.run_id}/model"
    first = registry.register_baseline(model_type="numbers", model_uri=uri)
    second = registry.register_baseline(model_type="numbers", model_uri=uri)
    third = registry.register_tokenized_model(
        uri, "NUMBERS", f"n-{run.info.run_id[:8]}", "accuracy", 0.5, {"stage": "x", "build": 7}
    )
    return {
        "same": first == second,
        "metrics": first.metrics,
        "tags": third.tags,
        "token": third.token_id == f"n-{run.info.run_id[:8]}",
    }


def nobody() -> list[str]:
    """Without a credential: making things is fine, the first use says what is missing."""
    registry = connect()
    told = []
    for use in (
        registry.whoami,
        lambda: registry.register_baseline(doubler(), "numbers"),
        lambda: ExperimentManager(registry).start_experiment("x").__enter__(),
        mlflow.start_run,
    ):
        try:
            use()
        except Exception as error:
            told.append(str(error))
    return told


def improve_nothing() -> str:
    """An improvement on a baseline that is not there uploads nothing."""
    from hokusai.errors import NotFoundError

    registry = connect()
    try:
        registry.register_improved_model("hkm_none", doubler(), CONTRIBUTOR, {"samples": 1})
    except NotFoundError:
        return str(len(mlflow.search_runs(search_all_experiments=True, output_format="list")))
    raise AssertionError("it was registered")
