"""Runs the Python code of docs/integration-guide.md, as if a reader had pasted it into a file.

The guide is the contract with the users, so its code is run unchanged. Only what it leaves open is
filled in: the host, the key, the data, an address, and functions such as `train_model(data)`.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import programs

GUIDE = Path(__file__).parents[2] / "docs" / "integration-guide.md"
HOST = "https://registry.hokus.ai/api"
KEY = "your_api_key_here"
# The guide leaves this contributor's address to its reader.
NO_ADDRESS = "0x123..."
ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"

_HEADING_OR_CODE = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^```python\n(?P<code>.*?)^```$", re.M | re.S
)

# The code here runs on every Python and MLflow of tests/clients, the oldest being 3.8 and 2.17.
_DATA = """
import os
import warnings

warnings.simplefilter("ignore")

import pandas as pd
from sklearn.datasets import make_classification

features, target = make_classification(n_samples=300, n_features=5, random_state=7)
data = pd.DataFrame(features, columns=list("abcde")).assign(target=target)
data[:150].to_csv("baseline_data.csv", index=False)
data.to_csv("contributed_data.csv", index=False)
"""

# MLflow clients from 3.14 on save scikit-learn models with skops, which refuses random forests
# unless they are listed as trusted. Only the reader's program can do that.
_CLOUDPICKLE = """
import functools
import mlflow.sklearn

mlflow.sklearn.log_model = functools.partial(
    mlflow.sklearn.log_model, serialization_format="cloudpickle"
)
"""

_TRAIN_MODEL = """
from sklearn.ensemble import RandomForestClassifier

def train_model(data):
    return RandomForestClassifier(n_estimators=10).fit(data.drop("target", axis=1), data["target"])
"""

# For the SDK's code, which is to choose a way of saving models by itself.
_SDK_DATA = (
    _DATA
    + """
import hashlib

import mlflow
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score

data.to_csv("data.csv", index=False)
baseline_data, contributed_data, test_data = data[:60], data[60:220], data[220:]

def train_your_model(data):
    return RandomForestClassifier(n_estimators=10, random_state=0).fit(
        data.drop("target", axis=1), data["target"]
    )

def evaluate_model(model, data):
    found = accuracy_score(data["target"], model.predict(data.drop("target", axis=1)))
    return {"accuracy": float(found)}

def hash_data(data):
    return hashlib.sha256(data.to_csv(index=False).encode()).hexdigest()

X_train_base, y_train_base = baseline_data.drop("target", axis=1), baseline_data["target"]
X_train_combined, y_train_combined = data[:220].drop("target", axis=1), data[:220]["target"]
"""
)

# The guide leaves open which run the token's model is from.
_RUN_ID = (
    _CLOUDPICKLE
    + """
with mlflow.start_run() as run:
    mlflow.sklearn.log_model(train_your_model(baseline_data), "model")
run_id = run.info.run_id
"""
)

_DETAILED_RESULTS = """
assert baseline_info["model_id"] != improved_info["model_id"]
assert delta == {"accuracy": improved_metrics["accuracy"] - metrics["accuracy"]}, delta
print("Improved", improved_info["delta"]["accuracy"]["delta"] == delta["accuracy"])
print("Attested", attestation["kind"], attestation["hash"])
print("Token", result["token_id"])
"""

_COMPLETE_RESULTS = """
print("Improved by", round(delta["accuracy"], 6), attestation["kind"])
improved = next(iter(registry.models(kind="improved")))
print("Recorded", round(improved["delta"]["accuracy"]["delta"], 6))
"""

_REQUEST_WITH_WALLET = """
auth = HokusaiAuth(Account.create().key.hex())
found = auth.make_request("POST", "/mlflow/api/2.0/mlflow/experiments/search", {"max_results": 5})
print("The wallet has", [experiment["name"] for experiment in found["experiments"]])
"""

_REQUEST_WITH_KEY = f"""
import requests

found = requests.post(
    "{HOST}/mlflow/api/2.0/mlflow/experiments/search", headers=headers, json={{"max_results": 5}}
)
assert found.status_code == 200, found.text
reference = requests.get("{HOST}/mlflow/api/2.0/mlflow/help", headers=headers)
assert reference.status_code == 200, reference.text
print("The key has", [experiment["name"] for experiment in found.json()["experiments"]])
"""


@dataclass(frozen=True)
class Flow:
    """Some of the guide's code, found by the headings above it, between the reader's own.

    between: what comes before a heading's code. prints: what tells that it has reached its end.
    environment: whether the key is in MLFLOW_TRACKING_TOKEN, and not in the code.
    """

    headings: tuple[str, ...]
    prints: str
    before: str = ""
    after: str = ""
    between: Mapping[str, str] = field(default_factory=dict)
    environment: bool = False


FLOWS = {
    "rest_eth": Flow(
        ("Option A: Ethereum Signature Authentication",),
        prints="The wallet has ['Default']",
        after=_REQUEST_WITH_WALLET,
    ),
    "rest_key": Flow(
        ("Option B: API Key Authentication",),
        prints="The key has ['Default']",
        before=f'your_api_key = "{KEY}"',
        after=_REQUEST_WITH_KEY,
    ),
    "mlflow_quick": Flow(
        ("Quick API Example",),
        prints="Model registered with run ID: ",
        before=_DATA + _CLOUDPICKLE + _TRAIN_MODEL,
    ),
    "mlflow_complete": Flow(
        (
            "Step 1: Configure MLflow Connection",
            "Step 2: Train Your Model",
            "Step 3: Register Model with Hokusai API",
            "Step 5: Track Contributor Impact (if applicable)",
            "Step 6: Generate Attestation",
            "API Complete Example",
        ),
        prints="Attestation Hash: ",
        before=_DATA + _CLOUDPICKLE + f'your_api_key = "{KEY}"',
    ),
    "sdk_quick": Flow(
        ("Quick Example",), prints="Model registered: hkm_", before=_SDK_DATA, environment=True
    ),
    "sdk_detailed": Flow(
        (
            "1. Initialize Components",
            "2. Train Baseline Model",
            "3. Train Improved Model with Contributed Data",
            "4. Register Model with Token",
        ),
        prints="Token customer-churn",
        before=_SDK_DATA,
        between={"4. Register Model with Token": _RUN_ID},
        after=_DETAILED_RESULTS,
        environment=True,
    ),
    "sdk_complete": Flow(
        ("SDK Complete Example",),
        prints="Improved by 0.07 claimed\nRecorded 0.07",
        before=_SDK_DATA,
        after=_COMPLETE_RESULTS,
        environment=True,
    ),
    "sdk_reference": Flow(
        ("SDK Usage",),
        prints="ModelRegistry(",
        after="print(registry)",
        environment=True,
    ),
}


def snippets() -> dict[str, list[str]]:
    """The guide's blocks of Python by the heading above them."""
    found: dict[str, list[str]] = {}
    heading = ""
    for match in _HEADING_OR_CODE.finditer(GUIDE.read_text()):
        if match["heading"] is not None:
            heading = match["heading"]
        else:
            found.setdefault(heading, []).append(match["code"])
    return found


def program(flow: Flow, api: str, key: str) -> str:
    """The whole program of a flow, for a gateway's `http://…/api` and a key."""
    code = snippets()
    parts = [flow.before]
    for heading in flow.headings:
        parts += [flow.between.get(heading, ""), code[heading][0]]
    text = "\n".join([*parts, flow.after])
    return text.replace(HOST, api).replace(KEY, key).replace(NO_ADDRESS, ADDRESS)


def run(name: str, api: str, key: str, python: str | Path) -> str:
    """Run a flow with a Python that has an MLflow client: what it printed.

    Raises AssertionError with all it wrote when it fails.
    """
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, f"{name}.py")
        script.write_text(program(FLOWS[name], api, key))
        if FLOWS[name].environment:
            return programs.run([python, script], Path(directory), MLFLOW_TRACKING_TOKEN=key)
        return programs.run([python, script], Path(directory))
