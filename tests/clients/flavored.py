"""Register a small model of one library, and load it again.

test_flavors.py runs this with the name of one of the functions below, in an environment that has
the library and the SDK.
"""

import sys
from typing import Any

import mlflow
import numpy as np
from hokusai.core import ModelRegistry

features = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
target = (features[:, 0] > 0).astype(int)


def xgboost_estimator() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=2).fit(features, target)


def xgboost_booster() -> Any:
    import xgboost

    return xgboost.train({}, xgboost.DMatrix(features, target), 2)


def lightgbm_estimator() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(features, target)


def lightgbm_booster() -> Any:
    import lightgbm

    return lightgbm.train({"verbose": -1}, lightgbm.Dataset(features, target), 2)


def onnx_graph() -> Any:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    return to_onnx(LogisticRegression().fit(features, target), features[:1])


def keras_network() -> Any:
    import keras

    layers = [keras.layers.Input((4,)), keras.layers.Dense(1)]
    network = keras.Sequential(layers)
    network.compile(loss="mse")
    network.fit(features, target, verbose=0, epochs=1)
    return network


kind = sys.argv[1]
model = globals()[kind]()
result = ModelRegistry().register_baseline(model, kind, {"accuracy": 0.5})
uri = f"models:/{result.mlflow_name}/{result.mlflow_version}"
flavor = getattr(mlflow, kind.split("_")[0])
loaded = flavor.load_model(uri)
assert type(loaded).__name__ == type(model).__name__, type(loaded)
predicted = mlflow.pyfunc.load_model(uri).predict(features)
rows = predicted if not isinstance(predicted, dict) else next(iter(predicted.values()))
print("Predicted", len(rows))
