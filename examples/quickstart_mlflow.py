"""Train a model, log it and register it, with the stock MLflow client.

pip install mlflow scikit-learn
export MLFLOW_TRACKING_URI=http://127.0.0.1:8000/api/mlflow
export MLFLOW_TRACKING_TOKEN=hk_live_...    # your key
python examples/quickstart_mlflow.py
"""

import mlflow
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

features, labels = load_iris(return_X_y=True, as_frame=True)
train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=0)

mlflow.set_experiment("quickstart")
with mlflow.start_run() as run:
    model = RandomForestClassifier(n_estimators=20, random_state=0).fit(train_x, train_y)
    mlflow.log_param("n_estimators", 20)
    mlflow.log_metric("accuracy", model.score(test_x, test_y))
    mlflow.sklearn.log_model(
        model,
        "model",
        input_example=test_x[:3],
        registered_model_name="iris",
        # MLflow's default since 3.14, skops, does not accept random forests.
        serialization_format="cloudpickle",
    )

version = mlflow.MlflowClient().search_model_versions(f"run_id='{run.info.run_id}'")[0]
loaded = mlflow.sklearn.load_model(f"models:/iris/{version.version}")
print(f"Registered iris version {version.version} with run ID {run.info.run_id}")
print(f"Loaded again, it predicts {loaded.predict(test_x[:3]).tolist()}")
