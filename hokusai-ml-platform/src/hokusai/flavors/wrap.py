"""Making a PythonModel of what only has a `predict` method, or can only be called."""

from __future__ import annotations

import inspect
from typing import Any


def python_model(model: Any) -> Any:
    """What `mlflow.pyfunc.log_model` takes as `python_model`.

    The class is made here, inside a function, so that cloudpickle stores it with the model: whoever
    loads it needs MLflow, and not this SDK.
    """
    from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

    if isinstance(model, PythonModel):
        return model
    # Bound now, so that the stored class refers to nothing but the model.
    takes_context = False
    predict = getattr(model, "predict", None)
    if not callable(predict):
        predict = model
        takes_context = inspect.isfunction(model) and _first_is_context(model)

    class Predictor(PythonModel):
        def __init__(self, function: Any, with_context: bool) -> None:
            self.function = function
            self.with_context = with_context

        # Without hints: MLflow would take them for the types that the model checks.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            if self.with_context:
                return self.function(context, model_input)
            return self.function(model_input)

    return Predictor(predict, takes_context)


def _first_is_context(function: Any) -> bool:
    names = list(inspect.signature(function).parameters)
    return len(names) == 2 and names[0] == "context"
