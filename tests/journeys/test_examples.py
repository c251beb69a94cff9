"""Every file of examples/, run as its head says."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.support import node, programs
from tests.support.gateway import RunningGateway

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

JAVASCRIPT = EXAMPLES / "javascript"
ID = "hkm_[0-9A-Za-z_-]+"


def test_every_example_is_tried() -> None:
    tried = {
        "complete_curl.sh",
        "complete_mlflow.py",
        "complete_sdk.py",
        "proven_improvement.py",
        "quickstart_curl.sh",
        "quickstart_mlflow.py",
        "quickstart_sdk.py",
        "wallet_sign_in.py",
        "hokusai_auth.js",
        "journey.js",
        "verify.js",
    }

    found = [*EXAMPLES.glob("*.*"), *JAVASCRIPT.glob("*.js")]
    assert {path.name for path in found if path.is_file()} == tried


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


def test_the_programs_in_the_readme_run(gateway: RunningGateway, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    with_mlflow, with_a_wallet = re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)
    strict = "import warnings\nwarnings.filterwarnings('error', module='__main__')\n"
    path = tmp_path / "program.py"
    for program, printed in (
        (with_mlflow, "^[0-9a-f]{32}$"),
        (with_a_wallet + "print(response.json()['expires_in'])", "^3600$"),
    ):
        own = program.replace("http://127.0.0.1:8000", gateway.url)
        path.write_text(strict + own.replace("hk_live_...", gateway.key()))
        assert re.search(printed, programs.run([sys.executable, path], tmp_path), re.M)


def attestor(gateway: RunningGateway) -> str:
    with gateway.client() as anyone:
        found: str = anyone.get("/.well-known/hokusai-attestor.json").json()["signer"]
    return found


def test_sdk_registers_a_baseline(gateway: RunningGateway, tmp_path: Path) -> None:
    printed = programs.run(
        [sys.executable, EXAMPLES / "quickstart_sdk.py"],
        tmp_path,
        HOKUSAI_URL=gateway.mlflow,
        HOKUSAI_API_KEY=gateway.key(),
    )

    assert re.search(f"^Model registered: {ID}$", printed, re.M)
    assert re.search(r"^In MLflow it is \S+ version 1$", printed, re.M)


def test_sdk_goes_from_a_baseline_to_a_verified_attestation(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    printed = programs.run(
        [sys.executable, EXAMPLES / "complete_sdk.py"],
        tmp_path,
        HOKUSAI_URL=gateway.mlflow,
        HOKUSAI_API_KEY=gateway.key(),
        HOKUSAI_ATTESTOR=attestor(gateway),
    )

    assert re.search(f"^Baseline {ID}: ", printed, re.M)
    assert re.search(f"^Improved {ID}: ", printed, re.M)
    assert "Attested (witnessed) {'accuracy': 0." in printed
    assert printed.endswith("The attestation holds.\n")


def test_mlflow_client_goes_from_a_baseline_to_an_attestation(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    printed = programs.run(
        [sys.executable, EXAMPLES / "complete_mlflow.py"],
        tmp_path,
        HOKUSAI_URL=gateway.url,
        MLFLOW_TRACKING_TOKEN=gateway.key(),
    )

    assert re.search(f"^Registered {ID}, and {ID} which improves on it$", printed, re.M)
    assert re.search(r"^Attested [0-9.]+ percentage points: [0-9a-f]{64}$", printed, re.M)


def test_curl_goes_from_a_baseline_to_an_attestation(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    printed = programs.run(
        [EXAMPLES / "complete_curl.sh"],
        tmp_path,
        HOKUSAI_URL=gateway.url,
        HOKUSAI_API_KEY=gateway.key(),
    )

    assert re.search(f"^Registered {ID}, and {ID} which improves on it$", printed, re.M)
    verdict = json.loads(printed.splitlines()[-1])
    assert verdict["valid"]
    attestation = json.loads((tmp_path / "attestation.json").read_text())
    assert f"Attested: {attestation['hash']}\n" in printed
    assert attestation["delta_one"] == 3.0


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return node.installed(JAVASCRIPT, tmp_path_factory)


def test_javascript_goes_from_a_wallet_to_a_verified_attestation(
    gateway: RunningGateway, javascript: Path, tmp_path: Path
) -> None:
    printed = programs.run(["node", javascript / "journey.js"], tmp_path, HOKUSAI_URL=gateway.url)

    assert re.search(r"^The wallet 0x[0-9A-Fa-f]{40} has Default$", printed, re.M)
    assert "It has a token for 3600 seconds" in printed
    assert re.search(f"^Registered {ID}, and {ID} which improves on it$", printed, re.M)
    assert re.search(r"^Attested 7 percentage points: [0-9a-f]{64}$", printed, re.M)

    with pytest.raises(AssertionError, match=r"usage: node verify\.js"):
        programs.run(["node", javascript / "verify.js"], tmp_path)
    check: list[str | Path] = ["node", javascript / "verify.js", "attestation.json"]
    signer = attestor(gateway)
    assert f"{signer} attests (witnessed): " in programs.run([*check, signer], tmp_path)
    with pytest.raises(AssertionError, match=f"it was signed by {signer}"):
        programs.run([*check, "0x" + "11" * 20], tmp_path)
    document = json.loads((tmp_path / "attestation.json").read_text())
    document["bytes"] = document["bytes"].replace("0.92", "0.99")
    (tmp_path / "attestation.json").write_text(json.dumps(document))
    with pytest.raises(AssertionError, match="It does not hold: the hash"):
        programs.run([*check, signer], tmp_path)
