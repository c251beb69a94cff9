"""Uploading a saved model to a run of its own."""

from __future__ import annotations

from pathlib import Path

import click
import mlflow
import pytest

from hokusai.cli.upload import DEFAULT_EXPERIMENT, upload
from hokusai.verify.model_files import hash_directory
from mlflow_stand_in import MLflowGateway
from scripted import ScriptedServer

pytestmark = pytest.mark.usefixtures("isolated_mlflow", "connected")


@pytest.fixture
def gateway(server: ScriptedServer, tmp_path: Path) -> MLflowGateway:
    running = MLflowGateway(tmp_path / "artifacts")
    server.respond_with(running)
    return running


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A directory as MLflow's save_model writes it."""
    directory = tmp_path / "saved"
    (directory / "data").mkdir(parents=True)
    (directory / "MLmodel").write_text("flavors: {}\n")
    (directory / "data" / "weights.bin").write_bytes(b"weights")
    return directory


def test_files_and_metrics_are_logged_to_a_new_run(
    gateway: MLflowGateway, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, files = upload(None, str(saved), None, {"f1": 0.5, "loss": 2.0})

    assert files == hash_directory(saved)
    assert list(gateway.runs) == [run_id]
    info = gateway.runs[run_id]["info"]
    assert (info["status"], info["run_name"]) == ("FINISHED", "saved")
    assert gateway.experiments[info["experiment_id"]] == DEFAULT_EXPERIMENT
    assert gateway.metrics(run_id) == {"f1": 0.5, "loss": 2.0}
    uploaded = tmp_path / "artifacts" / run_id / "model"
    assert (uploaded / "MLmodel").read_text() == "flavors: {}\n"
    assert (uploaded / "data" / "weights.bin").read_bytes() == b"weights"
    # What is not written to a terminal has no progress bar in it.
    assert capsys.readouterr() == ("", "")


def test_the_experiment_can_be_chosen(gateway: MLflowGateway, saved: Path) -> None:
    run_id, _ = upload(None, str(saved), "mine", {})

    assert gateway.experiments[gateway.runs[run_id]["info"]["experiment_id"]] == "mine"


def test_an_upload_that_fails_ends_the_run_as_failed(
    gateway: MLflowGateway, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(mlflow.MlflowClient, "log_artifact", fail)
    with pytest.raises(OSError, match="full"):
        upload(None, str(saved), None, {})

    (run_id,) = gateway.runs
    assert gateway.status(run_id) == "FAILED"


def test_a_directory_without_a_model_is_a_usage_error(
    gateway: MLflowGateway, tmp_path: Path
) -> None:
    with pytest.raises(click.UsageError, match="no file MLmodel"):
        upload(None, str(tmp_path), None, {})
    assert gateway.runs == {}
