"""Prove an improvement on a committed test set, verify it offline, and ask for its mint.

The labels of the test set are committed to before anybody is measured on it, the predictions of
both models before the labels are used. A zero-knowledge proof then shows how many rows each model
gets right, without revealing one label.

pip install './hokusai-ml-platform[zk]' scikit-learn pandas
pip install groth16py                       # optional: proves faster; its licence is the GPL
hokusai circuits setup .hokusai/proof-keys  # once, as the operator: the keys of the circuit
export HOKUSAI_URL=http://127.0.0.1:8000
export HOKUSAI_API_KEY=hk_live_...          # your key
export HOKUSAI_ADMIN_KEY=hk_live_...        # optional: for the mint, binds a model number
python examples/proven_improvement.py       # writes to a new directory, proven/
"""

import hashlib
import json
import os
import secrets
from pathlib import Path

import mlflow
import pandas as pd
import requests
from hokusai.cli.main import main as hokusai
from hokusai.core import ModelRegistry
from hokusai.errors import GatewayError
from hokusai.proofs import Proving, commit_labels, commit_predictions
from hokusai.tracking import PerformanceTracker
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

CONTRIBUTOR = "0x742D35cc6634C0532925A3B844BC9E7595f62341"
TOKEN = f"PROVEN-{secrets.token_hex(4).upper()}"
FOLDER = Path("proven")
FOLDER.mkdir()

features, target = make_classification(n_samples=2664, n_informative=8, flip_y=0.05, random_state=7)
samples = pd.DataFrame(features, columns=[f"f{number}" for number in range(features.shape[1])])
own, contributed, test = samples[:20], samples[20:1640], samples[1640:]
dataset_hash = hashlib.sha256(test.to_csv(index=False).encode()).hexdigest()

registry = ModelRegistry()
proving = Proving(registry.api)
mlflow.set_experiment("proven-improvement")

# 1. The benchmark: everybody can see its commitment, and since when it stands.
labels = commit_labels(target[1640:])
labels.save(FOLDER / "labels.json")
benchmark = proving.register_benchmark(
    labels,
    name="proven-improvement",
    dataset_hash=dataset_hash,
    dataset_version="1",
    metric="accuracy",
)
print(f"Benchmark {benchmark.benchmark_id}: {benchmark.rows} rows, log entry {benchmark.log_index}")


def train(data: pd.DataFrame) -> tuple:
    """Train a model in a run that has its accuracy, and commit to its predictions."""
    with mlflow.start_run() as run:
        model = LogisticRegression(max_iter=1000).fit(data, target[data.index])
        predictions = model.predict(test)
        mlflow.log_metric("accuracy", float((predictions == target[1640:]).mean()))
        mlflow.sklearn.log_model(model, "model", serialization_format="cloudpickle")
    return f"runs:/{run.info.run_id}/model", commit_predictions(predictions)


# 2. Both models are registered, and their predictions committed to.
model_uri, before = train(own)
baseline = registry.register_tokenized_model(
    model_uri=model_uri,
    model_name=TOKEN,
    token_id=TOKEN,
    metric_name="accuracy",
    baseline_value=0.5,
)
model_uri, after = train(samples[:1640])
improved = registry.register_improved_model(
    baseline_model_id=baseline.model_id,
    model_uri=model_uri,
    contributor_address=CONTRIBUTOR,
    data_contribution={
        "contributor": CONTRIBUTOR,
        "samples": len(contributed),
        "data_hash": hashlib.sha256(contributed.to_csv(index=False).encode()).hexdigest(),
    },
)
for model, predictions in ((baseline, before), (improved, after)):
    sent = proving.send_predictions(benchmark.benchmark_id, model.model_id, predictions)
    print(f"Predictions of {model.model_id}: log entry {sent.log_index}")

# 3. The proof, and an attestation of the kind `proven`.
proof = proving.prove(
    benchmark.benchmark_id, baseline.model_id, improved.model_id, labels, before, after
)
print(f"Proven with {proof.prover}, setup: {proof.proof['setup']}")
delta, attestation = PerformanceTracker(registry).track_improvement(
    baseline_metrics=baseline.metrics, improved_metrics=improved.metrics, proof=proof
)
acceptance = attestation.data["evaluation"]["acceptance"]
print(f"Attested ({attestation.kind}) {delta}: {attestation.hash}, {acceptance['reason']}")

# 4. All that a stranger needs to verify it offline.
origin = os.environ["HOKUSAI_URL"].replace("/api/mlflow", "")
known = requests.get(f"{origin}/.well-known/hokusai-attestor.json", timeout=60).json()
bundle = registry.api.attestation_bundle(attestation.hash)
for name, document in (("attestation", dict(attestation)), ("known", known), ("bundle", bundle)):
    (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=2))


hokusai(["models", "download", improved.model_id, f"{FOLDER}/model"])
hokusai(["log", "export", "-o", f"{FOLDER}/log.jsonl"])
code = hokusai(
    [
        *("verify", f"{FOLDER}/attestation.json", "--strict", "--model", f"{FOLDER}/model"),
        *("--known", f"{FOLDER}/known.json", "--log", f"{FOLDER}/log.jsonl"),
        *("--bundle", f"{FOLDER}/bundle.json"),
    ]
)
assert code == 0, "The attestation does not hold."

# 5. The mint, once the operator has bound the token to a model number of the chain.
if "HOKUSAI_ADMIN_KEY" in os.environ:
    requests.put(
        f"{origin}/api/admin/tokens/{TOKEN}/model-number",
        json={"chain_model_id": str(secrets.randbits(40))},
        headers={"Authorization": f"Bearer {os.environ['HOKUSAI_ADMIN_KEY']}"},
        timeout=60,
    ).raise_for_status()
try:
    request = registry.api.mint_request(attestation.hash)
except GatewayError as error:
    print(f"No mint: {error}")
else:
    (FOLDER / "mint_request.json").write_text(json.dumps(dict(request), indent=2))
    print(f"Mint request {request['digest']}, signed by {', '.join(request['signers'])}")
