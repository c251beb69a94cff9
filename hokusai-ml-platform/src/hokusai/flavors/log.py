"""Logging a model to a run, with whichever MLflow there is."""

from __future__ import annotations

import importlib
import inspect
import threading
import warnings
from dataclasses import dataclass
from typing import Any, Mapping

from hokusai.errors import FlavorWarning, InputError
from hokusai.flavors.detect import flavor_of
from hokusai.flavors.wrap import python_model

# How a flavour stores the object where it leaves the choice. MLflow's defaults changed with 3.14 to
# formats that take fewer models: skops refuses a random forest until each of its types is named
# as trusted, and PyTorch's exported programs need an example of the input. What is chosen here was
# the default until then, so that every client since 2.17 can read it, and it takes any model. It is
# a pickle: whoever loads a model runs its code, as with most flavours, so load those only whose
# tenant you trust. `log_options` can choose another.
_FORMATS = {"sklearn": "cloudpickle", "lightgbm": "cloudpickle", "pytorch": "pickle"}

_paths_lock = threading.Lock()
# Artifact paths that this process has used, by run.
_paths: dict[str, set[str]] = {}


@dataclass(frozen=True)
class Logged:
    """A model that is in MLflow now: what registering it needs."""

    model_uri: str
    run_id: str
    flavor: str


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
    """Log a model to the run `run_id`, which is MLflow's active one.

    flavor: MLflow's module for it, where it cannot be told. input_example: MLflow stores it and
    infers the signature from it. artifact_path: `model` by default, or `model-2` and so on where
    the run has one already. options: further arguments of that flavour's own `log_model`.

    Raises ModelTypeError, InputError, and whatever MLflow raises.
    """
    name = flavor or flavor_of(model)
    if flavor is None:
        _warn_of_bare_module(model, name)
    write = _log_function(name)
    takes = inspect.signature(write).parameters
    given: dict[str, Any] = dict(options or {})
    if name in _FORMATS and "serialization_format" in takes:
        given.setdefault("serialization_format", _FORMATS[name])
    if input_example is not None:
        given["input_example"] = input_example
    if signature is not None:
        given["signature"] = signature
    path = artifact_path or _free_path(run_id)
    # MLflow 3 calls it `name`, and warns of the old one.
    given["name" if "name" in takes else "artifact_path"] = path
    if name == "pyfunc":
        info = write(python_model=python_model(model), **given)
    else:
        info = write(model, **given)
    return Logged(str(info.model_uri), run_id, name)


def _log_function(flavor: str) -> Any:
    if not flavor.isidentifier():
        raise InputError(f"{flavor!r} is not the name of a flavour of MLflow's.")
    try:
        # `mlflow.keras` leads to `mlflow.tensorflow` for the old Keras.
        found = getattr(importlib.import_module(f"mlflow.{flavor}"), "log_model", None)
    except ModuleNotFoundError as error:
        raise InputError(
            f"The installed MLflow cannot log the flavour {flavor}: {error.name} is missing."
        ) from None
    if found is None:
        raise InputError(f"{flavor!r} is not a flavour of MLflow's that logs models.")
    return found


def _free_path(run_id: str) -> str:
    """A path that no other model of the run has: the files of one would replace the other's."""
    import mlflow

    with _paths_lock:
        used = _paths.get(run_id)
        if used is None:
            found = mlflow.MlflowClient().list_artifacts(run_id)
            used = _paths.setdefault(run_id, {artifact.path for artifact in found})
        number = 1
        while (path := "model" if number == 1 else f"model-{number}") in used:
            number += 1
        used.add(path)
        return path


def _warn_of_bare_module(model: Any, flavor: str) -> None:
    """Say that a transformer without its tokenizer is logged as the PyTorch module that it is."""
    ancestors = type(model).__mro__
    if flavor == "pytorch" and any(a.__module__.startswith("transformers.") for a in ancestors):
        warnings.warn(
            "A transformer without its tokenizer is logged as a PyTorch module. Pass a pipeline, "
            'or {"model": ..., "tokenizer": ...} with log_options={"task": ...}, for the flavour '
            "transformers.",
            FlavorWarning,
            stacklevel=4,
        )
