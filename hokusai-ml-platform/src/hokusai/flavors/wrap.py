"""Making an MLflow PythonModel of an object that has a `predict` method or can be called."""

from __future__ import annotations

import inspect
import warnings
from typing import Any


def python_model(model: Any) -> Any:
    """Return what `mlflow.pyfunc.log_model` accepts as `python_model`.

    Args:
        model: A PythonModel, which is returned unchanged; an object with a `predict` method; or a
            function of `(model_input)` or `(context, model_input)`.
    """
    from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

    if isinstance(model, PythonModel):
        return model
    takes_context = False
    function = getattr(model, "predict", None)
    if not callable(function):
        function = model
        takes_context = inspect.isfunction(model) and _takes_context(model)

    # A class made inside a function is pickled by value, so that loading the model requires MLflow
    # but not this SDK. It must refer to nothing of this module.
    # MLflow warns that its `predict` has no type hints, by which the input would be validated. Its
    # own filter precedes those of its callers, so the warning is recorded, and discarded.
    with warnings.catch_warnings(record=True):

        class Predictor(PythonModel):
            def __init__(self, function: Any, takes_context: bool) -> None:
                self.function = function
                self.takes_context = takes_context

            # No annotations: MLflow would validate the input against them.
            def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
                if self.takes_context:
                    return self.function(context, model_input)
                return self.function(model_input)

    return Predictor(function, takes_context)


def _takes_context(function: Any) -> bool:
    names = list(inspect.signature(function).parameters)
    return len(names) == 2 and names[0] == "context"
