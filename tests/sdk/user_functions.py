"""Programs of the SDK's users, as functions that run in a process of their own.

See tests/support/mlflow_user.py. Each returns what its test in test_registry.py compares.
"""

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
    # The gateway warns about the wrong checksum of the guide's example address.
    warnings.simplefilter("ignore", RegistrationWarning)
    return ModelRegistry(**arguments)


def forest() -> Any:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    data, target = load_iris(return_X_y=True)
    return RandomForestClassifier(n_estimators=3, random_state=0).fit(data, target)


def doubler() -> Any:
    """A model of MLflow's own class."""
    # Imported here, since this module is imported by tests too, where MLflow's warnings are errors.
    import mlflow.pyfunc

    class Doubler(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return model_input * 2

    return Doubler()


class Tripler:
    """A model that belongs to no library."""

    def predict(self, rows: Any) -> Any:
        return rows * 3


def quadruple(rows: Any) -> Any:
    return rows * 4


def active_run() -> str | None:
    """The id of MLflow's active run."""
    run = mlflow.active_run()
    return None if run is None else str(run.info.run_id)


def register_kinds() -> dict[str, dict[str, Any]]:
    """Register models of several kinds in one run, and load each from the registry."""
    import pandas

    rows = pandas.DataFrame({"x": [1.0, 2.0]})
    registry = connect()
    found = {}
    with mlflow.start_run():
        for name, model in {
            "python_model": doubler(),
            "object": Tripler(),
            "function": quadruple,
        }.items():
            result = registry.register_baseline(model, "numbers", {"accuracy": 0.5}, name=name)
            loaded = mlflow.pyfunc.load_model(f"models:/{name}/{result.mlflow_version}")
            found[name] = {**result, "predicts": loaded.predict(rows)["x"].tolist()}
    return found


def register_forest() -> dict[str, Any]:
    """Register a random forest with an input example, while no run is active."""
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
    """Register a baseline and an improvement, have it attested, and read all of it again."""
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
    of_model = registry.attest(model_id=improved.model_id)
    lineage = registry.lineage(improved.model_id)
    return {
        "delta": delta,
        "claimed": claimed.kind,
        "witnessed": witnessed.kind,
        "delta_one": witnessed.delta_one,
        "model_kind": of_model.kind,
        "hash": witnessed.hash,
        "fetched_hash": registry.attestation(witnessed.hash).hash,
        "path": lineage.path,
        "registered_delta": improved.delta["accuracy"]["delta"],
        "attestations": registry.model(improved.model_id).attestations,
        "listed": [model.model_id for model in registry.models(tenant=improved.tenant, limit=5)],
        "ids": [baseline.model_id, improved.model_id],
    }


def claim_other_metrics() -> dict[str, Any]:
    """Request a witnessed attestation of metrics that differ from MLflow's."""
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
    raise AssertionError("wrong metrics were witnessed")


def fail() -> None:
    raise RuntimeError("training failed")


def nest_experiments() -> dict[str, Any]:
    """Start nested and failing experiments."""
    registry = connect()
    manager = ExperimentManager()
    mlflow.set_experiment("before")
    with manager.start_experiment("outer", tags={"team": "a"}) as outer:
        with manager.start_experiment("inner", run_name="child") as inner:
            pass
        active_after_inner = active_run()
    try:
        with manager.start_experiment("outer") as failed:
            fail()
    except RuntimeError:
        is_ended = mlflow.active_run() is None
    with mlflow.start_run() as after:
        pass
    client = mlflow.MlflowClient()

    def experiment(run: Any) -> str:
        return str(client.get_experiment(run.info.experiment_id).name)

    return {
        "experiments": [experiment(run) for run in (outer, inner, failed, after)],
        "outer": outer.info.run_id,
        "parent": inner.data.tags["mlflow.parentRunId"],
        "active_after_inner": active_after_inner,
        "tag": outer.data.tags["team"],
        "statuses": [client.get_run(run.info.run_id).info.status for run in (outer, inner, failed)],
        "is_ended": is_ended,
        "is_at_the_gateway": mlflow.get_tracking_uri() == registry.tracking_uri,
    }


def use_two_registries(first: str, second: str) -> list[str]:
    """Use the keys of two tenants in one process, the older registry last."""
    one = connect(api_key=first)
    two = connect(api_key=second)
    tenants = []
    for registry in (two, one):
        with ExperimentManager(registry).start_experiment("mine"):
            result = registry.register_baseline(doubler(), "numbers", {"accuracy": 0.5})
        tenants.append(result.tenant)
    return tenants


def change_tracking_uri() -> str:
    """Register a model while a run at another tracking server is active."""
    registry = connect()
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run():
        try:
            registry.register_baseline(doubler(), "numbers")
        except Exception as error:
            return type(error).__name__
    raise AssertionError("the model was logged to another tracking server")


def use_wallet(unknown: list[str]) -> dict[str, Any]:
    """Train with a wallet whose token is rejected twice, as expired tokens are.

    unknown: Tokens that the gateway never issued.
    """
    registry = connect()
    with ExperimentManager(registry).start_experiment("wallet"):
        first = registry.register_baseline(doubler(), "numbers", {"accuracy": 0.5})
        authorizer: Any = registry.client.authorizer
        first_header = authorizer.header()
        authorizer._header = f"Bearer {unknown.pop()}"
        # The token is rejected first in a request of MLflow, and then in one of the SDK.
        mlflow.log_metric("accuracy", 0.6)
        second_header = authorizer.header()
        authorizer._header = f"Bearer {unknown.pop()}"
        second = registry.register_baseline(doubler(), "numbers", {"accuracy": 0.6})
    return {
        "tenants": {first.tenant, second.tenant},
        "is_renewed": first_header != second_header,
        "whoami": registry.whoami().address,
        "plugin": os.environ["MLFLOW_TRACKING_AUTH"],
    }


def exceed_rate_limit(requests: int) -> dict[str, Any]:
    """Send more requests with MLflow than the rate limit allows per window."""
    registry = connect()
    with mlflow.start_run() as run:
        for step in range(requests):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    return {"logged": len(history), "limit": registry.limits().limit}


def register_by_uri() -> dict[str, Any]:
    """Register a model that is in MLflow already, twice with the same call, and behind a token."""
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
        "first": dict(first),
        "second": dict(second),
        "metrics": first.metrics,
        "tags": third.tags,
        "token_id": third.token_id,
        "run_id": run.info.run_id,
    }


def work_without_credential() -> list[str]:
    """Collect the error of each first use without a credential."""
    registry = connect()
    errors = []
    for use in (
        registry.whoami,
        lambda: registry.register_baseline(doubler(), "numbers"),
        lambda: ExperimentManager(registry).start_experiment("x").__enter__(),
        mlflow.start_run,
    ):
        try:
            use()
        except Exception as error:
            errors.append(str(error))
    return errors


def improve_unknown_baseline() -> int:
    """Register an improvement on a baseline that does not exist; returns the number of runs."""
    from hokusai.errors import NotFoundError

    registry = connect()
    try:
        registry.register_improved_model("hkm_none", doubler(), CONTRIBUTOR, {"samples": 1})
    except NotFoundError:
        return len(mlflow.search_runs(search_all_experiments=True, output_format="list"))
    raise AssertionError("it was registered")


def log_much(number: int) -> dict[str, Any]:
    """Log metrics one by one, and read them back inside the block and after it."""
    registry = connect()
    before = registry.limits().remaining
    with ExperimentManager(registry).start_experiment("batches") as run:
        for step in range(number):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        inside = mlflow.get_run(run.info.run_id).data.metrics["loss"]
        mlflow.log_metric("last", 1.0)
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    metrics = mlflow.get_run(run.info.run_id).data.metrics
    return {
        "steps": [metric.step for metric in history],
        "inside": inside,
        "last": metrics["last"],
        "requests": before - registry.limits().remaining,
    }


def register_with_files() -> dict[str, Any]:
    """Register a model whose files are shared and one whose are not, and attest the first."""
    registry = connect()
    model = registry.register_baseline(
        doubler(),
        "doubling",
        metrics={"accuracy": 0.5},
        share_files=True,
        log_options={"pip_requirements": ["mlflow"]},
    )
    own = registry.register_baseline(
        model_uri=model.model_uri, model_type="doubling", name="not.shared"
    )
    state = registry.wait_for_files(model.model_id)
    attestation = registry.attest(model_id=model.model_id)
    return {
        "model_id": model.model_id,
        "own_model_id": own.model_id,
        "registered": model.files,
        "state": state,
        "attested": attestation["data"]["files"],
        "document": dict(attestation),
    }
