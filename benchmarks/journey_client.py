"""Repeats a training journey with the MLflow client, and prints the seconds of each on a line.

`python -m benchmarks.journey_client TIMES`. The server and the credential come from the
environment, as for every MLflow client.
"""

import sys
import tempfile
import time
from pathlib import Path

import mlflow
from mlflow import MlflowClient

STEPS = 30
ARTIFACT_BYTES = 5_000_000


def journey(name: str) -> None:
    """Log a run and an artifact, register a model, search for the run, and download."""
    mlflow.set_experiment("journey")
    with mlflow.start_run(run_name=name) as run, tempfile.TemporaryDirectory() as directory:
        mlflow.log_params({"learning_rate": 0.001, "batch_size": 32, "epochs": STEPS})
        for step in range(STEPS):
            mlflow.log_metrics({"loss": 1 / (step + 1), "accuracy": step / STEPS}, step=step)
        mlflow.set_tag("stage", "trained")
        weights = Path(directory) / "weights.bin"
        weights.write_bytes(bytes(ARTIFACT_BYTES))
        mlflow.log_artifact(str(weights), "model")
    client = MlflowClient()
    client.create_registered_model(name)
    client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    found = mlflow.search_runs(experiment_names=["journey"], max_results=5)
    if run.info.run_id not in set(found["run_id"]):
        raise RuntimeError("the search did not find the run")
    with tempfile.TemporaryDirectory() as directory:
        path = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="model/weights.bin", dst_path=directory
        )
        if Path(path).stat().st_size != ARTIFACT_BYTES:
            raise RuntimeError("the downloaded artifact has another size")


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        started = time.perf_counter()
        journey(f"model-{time.time_ns()}-{number}")
        print(time.perf_counter() - started, flush=True)
