"""Every file of examples/, run as its head says."""

import re
import sys
from pathlib import Path

from tests.support import programs
from tests.support.gateway import RunningGateway

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_example_is_tried() -> None:
    tried = {"quickstart_mlflow.py", "quickstart_curl.sh", "wallet_sign_in.py"}

    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == tried


def test_mlflow_client_registers_a_model_and_loads_it(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    printed = programs.run(
        [sys.executable, EXAMPLES / "quickstart_mlflow.py"],
        tmp_path,
        MLFLOW_TRACKING_URI=gateway.mlflow,
        MLFLOW_TRACKING_TOKEN=gateway.key(),
    )

    assert "Registered iris version 1 with run ID " in printed
    assert re.search(r"it predicts \[\d, \d, \d\]$", printed, re.M)


def test_curl_logs_a_run(gateway: RunningGateway, tmp_path: Path) -> None:
    key = gateway.key(rate_limit=100)

    printed = programs.run(
        [EXAMPLES / "quickstart_curl.sh"], tmp_path, HOKUSAI_URL=gateway.url, HOKUSAI_API_KEY=key
    )

    assert re.search(r"^Run [0-9a-f]{32} is FINISHED$", printed, re.M)
    # Five requests to MLflow, and the one that asks.
    assert '"limit":100,"remaining":94,' in printed


def test_wallet_signs_in_and_logs_a_run(gateway: RunningGateway, tmp_path: Path) -> None:
    printed = programs.run(
        [sys.executable, EXAMPLES / "wallet_sign_in.py"], tmp_path, HOKUSAI_URL=gateway.url
    )

    assert re.search(r"^0x[0-9A-Fa-f]{40} has a token for 3600 seconds$", printed, re.M)
    assert re.search(r"^Logged run [0-9a-f]{32}$", printed, re.M)
