"""Telling a model's flavour from its class, without importing any library for it."""

from __future__ import annotations

import inspect
from typing import Any, Mapping

from hokusai.errors import ModelTypeError

# The top packages of the classes that a model inherits from. The first flavour with a match is
# taken: XGBoost's and LightGBM's estimators are scikit-learn's too, and a transformer is a module
# of PyTorch's.
_PACKAGES = (
    ("xgboost", ("xgboost",)),
    ("lightgbm", ("lightgbm",)),
    ("catboost", ("catboost",)),
    ("transformers", ("transformers",)),
    ("keras", ("keras", "tf_keras", "tensorflow")),
    ("pytorch", ("torch",)),
    ("sklearn", ("sklearn",)),
)
FLAVORS = ("onnx", *(name for name, _ in _PACKAGES), "pyfunc")


def flavor_of(model: Any) -> str:
    """The name of MLflow's module for a model: `sklearn`, `pytorch`, `pyfunc` and so on.

    Raises ModelTypeError for a class in place of an object, and for an object that neither
    belongs to a known library nor has a `predict` method nor can be called.
    """
    if inspect.isclass(model):
        raise ModelTypeError(
            f"The model is the class {model.__name__} itself. Make an object of it, and train it."
        )
    if _is_components(model):
        return "transformers"
    ancestors = type(model).__mro__
    packages = {ancestor.__module__.split(".")[0] for ancestor in ancestors}
    # Its class comes from protobuf's generated code: `onnx.onnx_ml_pb2`, or without the package.
    if type(model).__name__ == "ModelProto" and packages & {"onnx", "onnx_ml_pb2", "onnx_pb2"}:
        return "onnx"
    if any(a.__module__.startswith("mlflow.pyfunc") for a in ancestors):
        return "pyfunc"
    for flavor, owners in _PACKAGES:
        if packages.intersection(owners) and _is_model(model, flavor, ancestors):
            return flavor
    if callable(getattr(model, "predict", None)) or callable(model):
        return "pyfunc"
    raise ModelTypeError(
        f"A {type(model).__module__}.{type(model).__qualname__} is of no flavour that can be told. "
        "Pass flavor=, an object with a predict method, or log it with MLflow and pass model_uri=."
    )


def _is_components(model: Any) -> bool:
    """MLflow takes a transformer in parts as well: `{"model": ..., "tokenizer": ...}`."""
    if not isinstance(model, Mapping) or "model" not in model:
        return False
    return any(a.__module__.startswith("transformers.") for a in type(model["model"]).__mro__)


def _is_model(model: Any, flavor: str, ancestors: tuple[type, ...]) -> bool:
    if flavor == "transformers":
        # MLflow's flavour takes pipelines. A bare PyTorch module of that library is logged as one.
        return any(a.__name__ in ("Pipeline", "_ScikitCompat") for a in ancestors) or not any(
            a.__module__.startswith("torch.nn") for a in ancestors
        )
    return True
