"""A day of a user with the stock MLflow client: training, artifacts, models, traces, prompts.

The functions called by the test below them run in the user's own process; see `MLflowUser`.
"""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import RunningGateway
from tests.support.mlflow_user import MLflowUser


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key()


@pytest.fixture(scope="module")
def user(
    gateway: RunningGateway, key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MLflowUser]:
    with MLflowUser(
        tmp_path_factory.mktemp("user"),
        MLFLOW_TRACKING_URI=gateway.mlflow,
        MLFLOW_TRACKING_TOKEN=key,
        MLFLOW_DISABLE_TELEMETRY="true",
    ) as user:
        yield user


def search_a_grid() -> dict[str, Any]:
    import mlflow
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.set_experiment("grid")
    mlflow.sklearn.autolog(log_datasets=False)
    features, labels = load_iris(return_X_y=True)
    with mlflow.start_run() as run:
        GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(
            features, labels
        )
    mlflow.sklearn.autolog(disable=True)
    found = mlflow.search_runs(filter_string="params.C != ''", order_by=["params.C"])
    return {
        "parent": mlflow.get_run(run.info.run_id).to_dictionary()["data"],
        "run_id": run.info.run_id,
        "children": found[["params.C", "tags.mlflow.parentRunId"]].to_numpy().tolist(),
    }


def test_autolog_logs_a_grid_search(user: MLflowUser) -> None:
    found = user.call(search_a_grid)

    assert found["parent"]["params"]["best_C"] in {"0.1", "1.0", "10.0"}
    assert found["parent"]["metrics"]["best_cv_score"] > 0.9
    assert found["children"] == [[c, found["run_id"]] for c in ("0.1", "1.0", "10.0")]


def log_and_fetch_a_folder(folder: Path, copy: Path) -> None:
    import mlflow

    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "data")
    mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="data", dst_path=str(copy)
    )


def test_fifty_files_come_back_as_they_were(user: MLflowUser, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for number in range(50):
        path = folder / f"part {number % 5}" / f"ü {number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        # The first is empty.
        path.write_bytes(random.Random(number).randbytes(number * 1000))

    user.call(log_and_fetch_a_folder, folder, tmp_path / "copy")

    assert contents(tmp_path / "copy" / "data") == contents(folder)


def register_and_load() -> dict[str, Any]:
    import mlflow
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, labels = load_iris(return_X_y=True)
    client = mlflow.MlflowClient()
    mlflow.set_experiment("registry")
    for c in (0.01, 1.0):
        model = LogisticRegression(C=c, max_iter=500).fit(features, labels)
        with mlflow.start_run():
            logged = mlflow.sklearn.log_model(
                model, name="model", pip_requirements=["scikit-learn"]
            )
            version = mlflow.register_model(logged.model_uri, "iris")
    client.set_registered_model_alias("iris", "champion", version.version)
    client.set_model_version_tag("iris", version.version, "reviewed", "yes")
    client.update_registered_model("iris", description="Irises by their petals")
    by_alias = mlflow.sklearn.load_model("models:/iris@champion")
    by_version = mlflow.pyfunc.load_model("models:/iris/1")
    champion = client.get_model_version_by_alias("iris", "champion")
    return {
        "C": by_alias.C,
        "same": bool((by_alias.predict(features) == model.predict(features)).all()),
        "first": len(by_version.predict(features)),
        "champion": (champion.version, champion.tags),
        "versions": sorted(v.version for v in client.search_model_versions("name='iris'")),
        "description": client.get_registered_model("iris").description,
    }


def test_registered_model_is_loaded_by_alias_and_version(user: MLflowUser) -> None:
    assert user.call(register_and_load) == {
        "C": 1.0,
        "same": True,
        "first": 150,
        "champion": ("2", {"reviewed": "yes"}),
        "versions": ["1", "2"],
        "description": "Irises by their petals",
    }


def search_for_runs() -> list[list[float]]:
    import mlflow

    mlflow.set_experiment("search")
    for depth in range(4):
        with mlflow.start_run(run_name=f"depth-{depth}", tags={"kind": "odd" if depth % 2 else ""}):
            mlflow.log_params({"depth": depth})
            mlflow.log_metrics({"loss": 1 / (depth + 1)}, step=0)
            mlflow.log_metrics({"loss": 2 / (depth + 1)}, step=1)
    found = mlflow.search_runs(
        filter_string="tags.kind = 'odd' and metrics.loss < 10", order_by=["metrics.loss ASC"]
    )
    return [
        [point.value for point in mlflow.MlflowClient().get_metric_history(run_id, "loss")]
        for run_id in found["run_id"]
    ]


def test_runs_are_found_in_order_with_their_histories(user: MLflowUser) -> None:
    assert user.call(search_for_runs) == [[1 / 4, 2 / 4], [1 / 2, 2 / 2]]


def trace_and_search() -> dict[str, Any]:
    import mlflow

    mlflow.set_experiment("traces")

    @mlflow.trace
    def double(value: int) -> int:
        return 2 * value

    @mlflow.trace(name="answer", attributes={"model": "none"})
    def answer(value: int) -> int:
        return double(value) + 1

    answer(20)
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(return_type="list")
    mlflow.set_trace_tag(trace.info.trace_id, "seen", "yes")
    mlflow.log_feedback(trace_id=trace.info.trace_id, name="right", value=True)
    again = mlflow.get_trace(trace.info.trace_id)
    return {
        "spans": [(span.name, span.inputs, span.outputs) for span in trace.data.spans],
        "seen": again.info.tags["seen"],
        "feedback": [(found.name, found.value) for found in again.info.assessments],
    }


def test_traces_are_found_with_their_spans(user: MLflowUser) -> None:
    assert user.call(trace_and_search) == {
        "spans": [("answer", {"value": 20}, 41), ("double", {"value": 20}, 40)],
        "seen": "yes",
        "feedback": [("right", True)],
    }


def log_a_dataset() -> list[tuple[str, str, int]]:
    import mlflow
    import pandas as pd
    from mlflow.data.pandas_dataset import from_pandas

    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "target": [0.0, 1.0, 0.0]})
    dataset = from_pandas(frame, name="contributed", targets="target")
    mlflow.set_experiment("datasets")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training")
    inputs = mlflow.get_run(run.info.run_id).inputs
    assert inputs is not None
    return [
        (found.dataset.name, found.tags[0].value, len(found.dataset.digest))
        for found in inputs.dataset_inputs
    ]


def test_dataset_is_a_runs_input(user: MLflowUser) -> None:
    assert user.call(log_a_dataset) == [("contributed", "training", 8)]


def keep_prompts() -> dict[str, Any]:
    import mlflow

    mlflow.genai.register_prompt("greeting", "Hello {{name}}", commit_message="first")
    mlflow.genai.register_prompt("greeting", "Good day {{name}}", tags={"tone": "formal"})
    mlflow.genai.set_prompt_alias("greeting", "live", 1)
    newest = mlflow.genai.load_prompt("prompts:/greeting/2")
    return {
        "newest": (newest.version, newest.format(name="Ada"), newest.tags["tone"]),
        "live": mlflow.genai.load_prompt("prompts:/greeting@live").format(name="Ada"),
        "found": [prompt.name for prompt in mlflow.genai.search_prompts()],
    }


def test_prompts_have_versions_and_aliases(user: MLflowUser) -> None:
    assert user.call(keep_prompts) == {
        "newest": (2, "Good day Ada", "formal"),
        "live": "Hello Ada",
        "found": ["greeting"],
    }


def upload_in_parts(path: Path) -> str:
    import os

    import mlflow

    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(5 * 1024**2)
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * 1024**2)
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(path))
    return str(run.info.artifact_uri).removeprefix("mlflow-artifacts:/")


def test_large_file_goes_up_with_multipart_on_and_a_broken_download_goes_on(
    user: MLflowUser, gateway: RunningGateway, key: str, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(12 * 1024**2)
    (tmp_path / "large.bin").write_bytes(content)

    # MLflow's store on disk takes no parts and says so; the client has to hear it, and then sends
    # the file whole.
    folder = user.call(upload_in_parts, tmp_path / "large.bin")

    artifacts = "/api/mlflow/api/2.0/mlflow-artifacts"
    target = f"{artifacts}/artifacts/{folder}/large.bin"
    received = bytearray()
    with gateway.client(key) as client:
        parts = client.post(f"{artifacts}/mpu/create/{folder}", json={"path": "x", "num_parts": 2})
        assert (parts.status_code, parts.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
        with client.stream("GET", target) as answer:
            assert answer.status_code == 200
            for piece in answer.iter_raw():
                received += piece
                if len(received) > 1024**2:
                    break
        rest = client.get(target, headers={"Range": f"bytes={len(received)}-"})
    assert rest.status_code == 206
    assert rest.headers["content-range"] == (
        f"bytes {len(received)}-{len(content) - 1}/{len(content)}"
    )
    assert digest(bytes(received) + rest.content) == digest(content)


def digest(content: bytes) -> str:
    """A failed comparison of megabytes would print them."""
    return hashlib.sha256(content).hexdigest()


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): digest(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }
