"""Train a model and register it as a baseline, with the Python SDK.

pip install ./hokusai-ml-platform scikit-learn pandas
export HOKUSAI_URL=http://127.0.0.1:8000
export HOKUSAI_API_KEY=hk_live_...    # your key; or log in once with `hokusai login`
python examples/quickstart_sdk.py
"""

from hokusai.core import ModelRegistry
from hokusai.tracking import ExperimentManager
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

registry = ModelRegistry()  # or ModelRegistry("https://registry.hokus.ai/api/mlflow")
experiment_manager = ExperimentManager(registry)

features, labels = load_iris(return_X_y=True, as_frame=True)
train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=0)

with experiment_manager.start_experiment("quickstart-sdk"):
    model = RandomForestClassifier(n_estimators=20, random_state=0).fit(train_x, train_y)
    result = registry.register_baseline(
        model=model,
        model_type="classification",
        metadata={"dataset": "iris", "metrics": {"accuracy": model.score(test_x, test_y)}},
        input_example=test_x[:3],
    )

print(f"Model registered: {result['model_id']}")
print(f"In MLflow it is {result.mlflow_name} version {result.mlflow_version}")
