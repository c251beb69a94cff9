"""Register a baseline and an improvement, have it attested, and verify the attestation offline.

This uses the Python SDK. The improved model is trained with contributed data.

pip install ./hokusai-ml-platform scikit-learn pandas
export HOKUSAI_URL=http://127.0.0.1:8000
export HOKUSAI_API_KEY=hk_live_...    # your key; or log in once with `hokusai login`
export HOKUSAI_ATTESTOR=0x...         # to trust: signer in /.well-known/hokusai-attestor.json
python examples/complete_sdk.py       # writes attestation.json
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import pandas as pd
from hokusai.core import ModelRegistry
from hokusai.tracking import ExperimentManager, PerformanceTracker
from hokusai.verify import verify_file
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

# Looked up before anything is trained, so that a missing one does not end the program at its end.
ATTESTOR = os.environ.get("HOKUSAI_ATTESTOR", "")
if not ATTESTOR:
    sys.exit(
        "Set HOKUSAI_ATTESTOR to the address of the attestor to trust; see the top of the file."
    )
CONTRIBUTOR = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


def train(data: pd.DataFrame) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=20, random_state=0).fit(
        data.drop("target", axis=1), data["target"]
    )


def evaluate(model: RandomForestClassifier, data: pd.DataFrame) -> dict:
    return {"accuracy": float(model.score(data.drop("target", axis=1), data["target"]))}


features, target = make_classification(n_samples=900, n_informative=8, random_state=7)
samples = pd.DataFrame(features, columns=[f"f{number}" for number in range(features.shape[1])])
samples["target"] = target
own, contributed, test = samples[:40], samples[40:600], samples[600:]

registry = ModelRegistry()
experiment_manager = ExperimentManager(registry)
tracker = PerformanceTracker(registry)

with experiment_manager.start_experiment("complete-sdk") as baseline_run:
    model = train(own)
    metrics = evaluate(model, test)
    baseline = registry.register_baseline(
        model=model, model_type="classification", metadata={"metrics": metrics}
    )
print(f"Baseline {baseline.model_id}: {metrics}")

with experiment_manager.start_experiment("complete-sdk") as improved_run:
    model = train(pd.concat([own, contributed]))
    improved_metrics = evaluate(model, test)
    contribution = {
        "contributor": CONTRIBUTOR,
        "samples": len(contributed),
        # Only the hash is sent, not the data.
        "data_hash": hashlib.sha256(contributed.to_csv(index=False).encode()).hexdigest(),
    }
    improved = registry.register_improved_model(
        baseline_model_id=baseline.model_id,
        improved_model=model,
        contributor_address=CONTRIBUTOR,
        data_contribution=contribution,
        metrics=improved_metrics,
    )
print(f"Improved {improved.model_id}: {improved_metrics}")

# Because both runs are named, the gateway compares the metrics with MLflow's: the attestation is
# `witnessed`.
delta, attestation = tracker.track_improvement(
    baseline_metrics=metrics,
    improved_metrics=improved_metrics,
    data_contribution=contribution,
    baseline_run_id=baseline_run.info.run_id,
    improved_run_id=improved_run.info.run_id,
)
Path("attestation.json").write_text(json.dumps(dict(attestation), indent=2))
print(f"Attested ({attestation.kind}) {delta}: {attestation.hash}")

report = verify_file("attestation.json", attestors=ATTESTOR)
for check in report.checks:
    print(f"  {check.name} {check.result}: {check.detail}")
assert report.ok, "The attestation does not hold."
print("The attestation holds.")
