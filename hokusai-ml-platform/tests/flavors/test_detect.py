"""Detecting a model's flavour, without the libraries themselves."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from hokusai.errors import ModelTypeError
from hokusai.flavors import FLAVORS, flavor_of


def object_of(*modules: str, name: str = "Model", **members: Any) -> Any:
    """An object whose class and its ancestors are in these modules, its own class first."""
    base: type = object
    for module in reversed(modules):
        base = type(name, (base,), {"__module__": module, **members})
    return base()


@pytest.mark.parametrize(
    ("model", "flavor"),
    [
        (RandomForestClassifier(), "sklearn"),
        (make_pipeline(RandomForestClassifier()), "sklearn"),
        (object_of("__main__", "sklearn.base"), "sklearn"),
        (object_of("xgboost.sklearn", "sklearn.base"), "xgboost"),
        (object_of("xgboost.core"), "xgboost"),
        (object_of("lightgbm.sklearn", "sklearn.base"), "lightgbm"),
        (object_of("lightgbm.basic"), "lightgbm"),
        (object_of("catboost.core"), "catboost"),
        (object_of("__main__", "torch.nn.modules.module"), "pytorch"),
        (object_of("transformers.pipelines.base", name="Pipeline"), "transformers"),
        (object_of("transformers.models.bert", "torch.nn.modules.module"), "pytorch"),
        (
            {"model": object_of("transformers.models.bert", "torch.nn.modules.module")},
            "transformers",
        ),
        (object_of("keras.src.models.sequential"), "keras"),
        (object_of("tf_keras.src.engine"), "keras"),
        (object_of("onnx.onnx_ml_pb2", name="ModelProto"), "onnx"),
        (object_of("__main__", "mlflow.pyfunc.model"), "pyfunc"),
        (object_of("__main__", predict=lambda self, data: data), "pyfunc"),
        (len, "pyfunc"),
    ],
)
def test_the_flavor_is_detected_from_the_class(model: Any, flavor: str) -> None:
    assert flavor_of(model) == flavor
    assert flavor in FLAVORS


@pytest.mark.parametrize(
    "model", [object(), {"a": 1}, {"model": 1}, "model.pkl", None, RandomForestClassifier]
)
def test_an_object_that_is_not_a_model_is_rejected(model: Any) -> None:
    with pytest.raises(ModelTypeError):
        flavor_of(model)
