"""Telling a model's flavour, without the libraries themselves."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from hokusai.errors import InputError, ModelTypeError
from hokusai.flavors import FLAVORS, flavor_of
from hokusai.flavors.log import _log_function


def of(*modules: str, name: str = "Model", **members: Any) -> Any:
    """An object whose class and ancestors come from these modules, the class itself first."""
    base: type = object
    for module in reversed(modules):
        base = type(name, (base,), {"__module__": module, **members})
    return base()


@pytest.mark.parametrize(
    ("model", "flavor"),
    [
        (RandomForestClassifier(), "sklearn"),
        (make_pipeline(RandomForestClassifier()), "sklearn"),
        (of("__main__", "sklearn.base"), "sklearn"),
        (of("xgboost.sklearn", "sklearn.base"), "xgboost"),
        (of("xgboost.core"), "xgboost"),
        (of("lightgbm.sklearn", "sklearn.base"), "lightgbm"),
        (of("lightgbm.basic"), "lightgbm"),
        (of("catboost.core"), "catboost"),
        (of("__main__", "torch.nn.modules.module"), "pytorch"),
        (of("transformers.pipelines.base", name="Pipeline"), "transformers"),
        (of("transformers.models.bert", "torch.nn.modules.module"), "pytorch"),
        ({"model": of("transformers.models.bert", "torch.nn.modules.module")}, "transformers"),
        (of("keras.src.models.sequential"), "keras"),
        (of("tf_keras.src.engine"), "keras"),
        (of("onnx.onnx_ml_pb2", name="ModelProto"), "onnx"),
        (of("__main__", "mlflow.pyfunc.model"), "pyfunc"),
        (of("__main__", predict=lambda self, data: data), "pyfunc"),
        (len, "pyfunc"),
    ],
)
def test_the_flavor_is_told_from_the_classes(model: Any, flavor: str) -> None:
    assert flavor_of(model) == flavor
    assert flavor in FLAVORS


@pytest.mark.parametrize("model", [object(), {"a": 1}, "model.pkl", None, RandomForestClassifier])
def test_what_is_no_model_is_told(model: Any) -> None:
    with pytest.raises(ModelTypeError):
        flavor_of(model)


@pytest.mark.parametrize("flavor", ["nonsense", "os.path", "tracking", "../sklearn"])
def test_a_flavor_that_mlflow_does_not_have_is_told(flavor: str) -> None:
    with pytest.raises(InputError, match=r"flavour"):
        _log_function(flavor)
