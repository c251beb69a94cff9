"""Register a baseline and an improvement and have it attested, with the stock MLflow client.

MLflow logs the runs and models. Registering and attesting are one request each to Hokusai's API.

pip install mlflow scikit-learn pandas requests
export HOKUSAI_URL=http://127.0.0.1:8000
export MLFLOW_TRACKING_TOKEN=hk_live_...    # your key
python examples/complete_mlflow.py
"""

import os

import mlflow
import requests
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

URL = os.environ.get("HOKUSAI_URL", "http://127.0.0.1:8000")
CONTRIBUTOR = "0x742D35cc6634C0532925A3B844BC9E7595f62341"

mlflow.set_tracking_uri(f"{URL}/api/mlflow")
mlflow.set_experiment("complete-mlflow")


def train(features, labels, test) -> str:
    """Train a model, log it with its accuracy, and return the id of the run."""
    with mlflow.start_run() as run:
        model = LogisticRegression(max_iter=1000).fit(features, labels)
        mlflow.log_metric("accuracy", model.score(*test))
        mlflow.sklearn.log_model(model, "model", serialization_format="cloudpickle")
    return run.info.run_id


def hokusai(path: str, body: dict) -> dict:
    """Send a request to Hokusai's API, and return the parsed response."""
    response = requests.post(
        f"{URL}/api{path}",
        json=body,
        headers={"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"},
        timeout=60,
    )
    if not response.ok:
        # An error response says in words what was wrong.
        raise SystemExit(response.json()["message"])
    return response.json()


features, labels = make_classification(n_samples=900, n_informative=8, flip_y=0.05, random_state=7)
test = (features[600:], labels[600:])
baseline_run = train(features[:20], labels[:20], test)
improved_run = train(features[:600], labels[:600], test)

baseline = hokusai(
    "/models/baseline", {"model_uri": f"runs:/{baseline_run}/model", "model_type": "classification"}
)
improved = hokusai(
    "/models/improved",
    {
        "model_uri": f"runs:/{improved_run}/model",
        "baseline_model_id": baseline["model_id"],
        "contributor_address": CONTRIBUTOR,
        "data_contribution": {"samples": 580},
    },
)
print(f"Registered {baseline['model_id']}, and {improved['model_id']} which improves on it")
print(f"Impact of the contributed data: {improved['delta']['accuracy']}")

attestation = hokusai("/attestations", {"model_id": improved["model_id"]})
print(f"Attested {attestation['delta_one']} percentage points: {attestation['hash']}")
