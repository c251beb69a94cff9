"""A stranger downloads a model with MLflow's client, and checks it with OpenSSF's program."""

from collections.abc import Callable
from pathlib import Path

from app.standalone.mlflow import ChildMLflow
from tests.support import envelopes
from tests.support.gateway import RunningGateway
from tests.support.mlflow_user import MLflowUser
from tests.support.model_files import run_with, wait_for
from tests.support.responses import good
from tests.support.training import Training

FILES = {"MLmodel": b"flavors: {}\n", "data/model.pkl": b"weights"}


def download(uri: str, directory: Path) -> str:
    import mlflow

    found: str = mlflow.artifacts.download_artifacts(uri, dst_path=str(directory))
    return found


def test_a_model_that_mlflow_downloads_is_the_one_that_was_registered(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> None:
    copy, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    copy.mkdir()
    elsewhere.mkdir()
    with (
        RunningGateway(new_database(), mlflow_server.url, model_files_readers=1) as gateway,
        Training.of(gateway, "acme") as training,
    ):
        run_id = run_with(training, FILES)
        model = training.registered("baseline", run_id=run_id, model_type="c")
        wait_for(training.client, model, "witnessed")
        uri = f"models:/{model['mlflow_name']}/{model['mlflow_version']}"
        key = gateway.key("acme")
        variables = {"MLFLOW_TRACKING_URI": gateway.mlflow, "MLFLOW_TRACKING_TOKEN": key}
        with MLflowUser(elsewhere, **variables) as user:
            directory = Path(user.call(download, uri, copy))
        signature = good(training.client.get(f"/api/models/{model['model_id']}/model.sig"))
        pem = training.client.get("/.well-known/hokusai.pub").text
    assert (directory / "registered_model_meta").exists()
    done = envelopes.model_signing(directory, signature, pem, elsewhere)
    assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr
