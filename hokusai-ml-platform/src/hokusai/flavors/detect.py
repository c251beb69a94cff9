"""Detecting a model's flavour from the name of its class, without importing its library."""

from __future__ import annotations

import inspect
from typing import Any, Mapping

from hokusai.errors import ModelTypeError

# Flavours, each with the top-level packages of the classes that its models inherit from. The first
# match is used, because a class can match several: estimators of XGBoost and LightGBM are
# scikit-learn estimators too, and a transformer is a PyTorch module.
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
    """Return the name of MLflow's module for a model, such as `sklearn`, `pytorch` or `pyfunc`.

    Raises:
        ModelTypeError: This is a class rather than an object, or an object that belongs to no
            known library, has no `predict` method and cannot be called.
    """
    if inspect.isclass(model):
        raise ModelTypeError(
            f"The model is the class {model.__name__}. Pass a trained object of it instead."
        )
    if _is_transformers_components(model):
        return "transformers"
    ancestors = type(model).__mro__
    packages = {ancestor.__module__.split(".")[0] for ancestor in ancestors}
    # protobuf generates the class in the module `onnx.onnx_ml_pb2`, or in `onnx_ml_pb2` alone.
    if type(model).__name__ == "ModelProto" and packages & {"onnx", "onnx_ml_pb2", "onnx_pb2"}:
        return "onnx"
    if any(ancestor.__module__.startswith("mlflow.pyfunc") for ancestor in ancestors):
        return "pyfunc"
    for flavor, owners in _PACKAGES:
        if packages.intersection(owners) and not (
            flavor == "transformers" and _is_bare_transformer(ancestors)
        ):
            return flavor
    if callable(getattr(model, "predict", None)) or callable(model):
        return "pyfunc"
    raise ModelTypeError(
        f"The flavour of a {type(model).__module__}.{type(model).__qualname__} cannot be detected. "
        "Pass flavor, or an object with a predict method, or log it with MLflow and pass model_uri."
    )


def _is_transformers_components(model: Any) -> bool:
    """Whether this is a transformer in parts, `{"model": ..., "tokenizer": ...}`."""
    if not isinstance(model, Mapping) or "model" not in model:
        return False
    return any(
        ancestor.__module__.startswith("transformers.") for ancestor in type(model["model"]).__mro__
    )


def _is_bare_transformer(ancestors: tuple[type, ...]) -> bool:
    """Whether this is a transformer's PyTorch module, without the pipeline around it.

    MLflow's flavour `transformers` accepts pipelines only.
    """
    return not any(
        ancestor.__name__ in ("Pipeline", "_ScikitCompat") for ancestor in ancestors
    ) and any(ancestor.__module__.startswith("torch.nn") for ancestor in ancestors)
