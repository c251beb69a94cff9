"""Runs the Python of docs/integration-guide.md, as a reader would who pastes it into a file.

The guide is the contract with the users: its code is taken as it stands. Filled in is only what it
leaves open: the host, the key, the data, and functions such as `train_model(data)`.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support import programs

GUIDE = Path(__file__).parents[2] / "docs" / "integration-guide.md"
HOST = "https://registry.hokus.ai/api"
KEY = "your_api_key_here"

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
# unless it is told to trust them. No server can choose that: the reader has to.
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

    prints: what tells that it has reached its end.
    """

    headings: tuple[str, ...]
    prints: str
    before: str = ""
    after: str = ""


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
    parts = [flow.before, *(code[heading][0] for heading in flow.headings), flow.after]
    return "\n".join(parts).replace(HOST, api).replace(KEY, key)


def run(name: str, api: str, key: str, python: str | Path) -> str:
    """Run a flow with a Python that has an MLflow client: what it printed.

    Raises AssertionError with all it wrote when it fails.
    """
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, f"{name}.py")
        script.write_text(program(FLOWS[name], api, key))
        return programs.run([python, script], Path(directory))
