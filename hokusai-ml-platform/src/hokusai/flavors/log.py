"""Logging a model to an MLflow run, with any MLflow from 2.17 on."""

from __future__ import annotations

import importlib
import inspect
import threading
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from hokusai.errors import FlavorWarning, InputError
from hokusai.flavors.detect import flavor_of
from hokusai.flavors.uploads import hashed_uploads
from hokusai.flavors.wrap import python_model
from hokusai.verify.model_files import ModelFile

# The file format, for flavours that offer several. Since version 3.14 MLflow's defaults accept
# fewer models: skops refuses a random forest until each of its types is named as trusted, and
# PyTorch's exported programs need an input example. These were the defaults before, so that they
# accept any model, and every MLflow since 2.17 can load it. They are pickles: loading one runs code
# that its author chose, as with most flavours, so load models of trusted tenants only.
# `log_options` can choose another format.
_FORMATS = {"sklearn": "cloudpickle", "lightgbm": "cloudpickle", "pytorch": "pickle"}

_used_paths_lock = threading.Lock()
# The artifact paths of models, by run id.
_used_paths: dict[str, set[str]] = {}


@dataclass(frozen=True)
class Logged:
    """A model that has been logged to MLflow.

    Attributes:
        model_uri: MLflow's URI of the model.
        run_id: The run it was logged to.
        flavor: The flavour it was logged with.
        files: Its files as they were before they went up, if they could be hashed then.
    """

    model_uri: str
    run_id: str
    flavor: str
    files: tuple[ModelFile, ...] | None = None


def log_model(
    model: Any,
    run_id: str,
    *,
    flavor: str | None = None,
    input_example: Any = None,
    signature: Any = None,
    artifact_path: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Logged:
    """Log a model to a run.

    Args:
        model: The model.
        run_id: The id of MLflow's active run.
        flavor: The name of MLflow's module for the model; detected by default.
        input_example: A few rows of input, which MLflow stores, and infers the signature from.
        signature: MLflow's signature of the model.
        artifact_path: The path in the run; by default `model`, then `model-2` and so on.
        options: Further arguments of the flavour's own `log_model`.

    Raises:
        InputError: The installed MLflow has no such flavour.
        ModelTypeError: The flavour cannot be detected.
        Exception: Whatever MLflow's `log_model` raises.
    """
    name, log_function = find_flavor(model, flavor)
    if flavor is None:
        _warn_of_bare_transformer(model, name)
    parameters = inspect.signature(log_function).parameters
    arguments: dict[str, Any] = dict(options or {})
    if name in _FORMATS and "serialization_format" in parameters:
        arguments.setdefault("serialization_format", _FORMATS[name])
    if input_example is not None:
        arguments["input_example"] = input_example
    if signature is not None:
        arguments["signature"] = signature
    # MLflow 3 calls the path `name`, and warns about the old parameter.
    path_parameter = "name" if "name" in parameters else "artifact_path"
    arguments[path_parameter] = artifact_path or _free_path(run_id)
    with hashed_uploads() as uploads:
        if name == "pyfunc":
            info = log_function(python_model=python_model(model), **arguments)
        else:
            info = log_function(model, **arguments)
    files = tuple(uploads[0]) if len(uploads) == 1 else None
    return Logged(str(info.model_uri), run_id, name, files)


def find_flavor(model: Any, flavor: str | None = None) -> tuple[str, Callable[..., Any]]:
    """The name of the flavour that logs a model, and MLflow's function for it.

    Raises:
        InputError: The installed MLflow has no such flavour.
        ModelTypeError: The flavour cannot be detected.
    """
    name = flavor or flavor_of(model)
    return name, _log_function(name)


def _log_function(flavor: str) -> Callable[..., Any]:
    if not flavor.isidentifier():
        raise InputError(f"{flavor!r} is not the name of an MLflow flavour.")
    try:
        function = getattr(importlib.import_module(f"mlflow.{flavor}"), "log_model", None)
    except ModuleNotFoundError as error:
        raise InputError(
            f"The installed MLflow cannot log the flavour {flavor}: {error.name} is missing."
        ) from None
    if function is None:
        raise InputError(f"{flavor!r} is not an MLflow flavour that logs models.")
    log_function: Callable[..., Any] = function
    return log_function


def _free_path(run_id: str) -> str:
    """An artifact path that no model of the run has: two models would overwrite each other."""
    import mlflow

    with _used_paths_lock:
        used = _used_paths.get(run_id)
        if used is None:
            artifacts = mlflow.MlflowClient().list_artifacts(run_id)
            used = _used_paths.setdefault(run_id, {artifact.path for artifact in artifacts})
        number = 1
        while (path := "model" if number == 1 else f"model-{number}") in used:
            number += 1
        used.add(path)
        return path


def _warn_of_bare_transformer(model: Any, flavor: str) -> None:
    ancestors = type(model).__mro__
    if flavor == "pytorch" and any(
        ancestor.__module__.startswith("transformers.") for ancestor in ancestors
    ):
        warnings.warn(
            "A transformer without its tokenizer is logged as a PyTorch module. For the flavour "
            'transformers, pass a pipeline, or {"model": ..., "tokenizer": ...} with '
            'log_options={"task": ...}.',
            FlavorWarning,
            stacklevel=4,
        )
