"""An unmodified MLflow client with each kind of credential, in a separate process."""

import os
import sys
from pathlib import Path

from tests.support import programs
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.wallet import Wallet

# As in MLflow's quick start: no experiment is selected.
TRAINING = """
import os, sys
import mlflow
from mlflow.exceptions import MlflowException

def train():
    with mlflow.start_run() as run:
        mlflow.log_param("rate", 0.1)
        mlflow.log_metric("accuracy", 0.9)
        mlflow.log_text("weights", "model.txt")
    client = mlflow.MlflowClient()
    assert client.get_run(run.info.run_id).data.metrics == {"accuracy": 0.9}
    assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["model.txt"]
    return run.info.run_id

token, key = sys.argv[1:]
os.environ["MLFLOW_TRACKING_TOKEN"] = token
runs = [train()]
os.environ["MLFLOW_TRACKING_TOKEN"] = key
runs.append(train())
try:
    mlflow.get_run(runs[0])
except MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error
del os.environ["MLFLOW_TRACKING_TOKEN"]
os.environ["MLFLOW_TRACKING_USERNAME"] = "anybody"
os.environ["MLFLOW_TRACKING_PASSWORD"] = key
mlflow.get_run(runs[1])
os.environ["MLFLOW_TRACKING_PASSWORD"] = "hk_live_mistyped"
try:
    mlflow.search_experiments()
except MlflowException as error:
    assert "This is not a valid API key" in str(error), error
else:
    raise AssertionError("a mistyped key was accepted")
print("all", len(set(runs)))
"""


def test_the_mlflow_client_logs_a_run_with_each_kind_of_credential(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with gateway.client(**wallet.headers()) as client:
        token = good(client.post("/api/auth/token"), 201)["access_token"]
    command = [sys.executable, "-c", TRAINING, token, gateway.key()]
    variables = {**os.environ, "MLFLOW_TRACKING_URI": gateway.mlflow}
    done = programs.finish(command, Path.cwd(), variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all 2"
    # The wallet's run is in the experiment `Default` of a workspace that its request has created.
    ((experiment,),) = sql(
        gateway, "select default_experiment from tenants where name = %s", wallet.tenant
    )
    assert experiment not in (None, "0")
