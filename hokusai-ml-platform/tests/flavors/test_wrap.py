"""Making an MLflow PythonModel of other objects."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from hokusai.flavors.wrap import python_model

pytestmark = pytest.mark.filterwarnings("ignore")


class Tripler:
    def predict(self, rows: Any) -> Any:
        return rows * 3


def test_an_object_with_a_predict_method_predicts_with_it() -> None:
    assert python_model(Tripler()).predict(None, 2) == 6


def test_a_function_gets_the_input_and_the_context_if_it_asks_for_it() -> None:
    def with_context(context: Any, rows: Any) -> Any:
        return (context, rows)

    def with_two_inputs(rows: Any, other: Any = 1) -> Any:
        return rows + other

    assert python_model(with_context).predict("context", 2) == ("context", 2)
    assert python_model(with_two_inputs).predict("context", 2) == 3
    assert python_model(abs).predict("context", -2) == 2


def test_a_python_model_is_returned_unchanged() -> None:
    model = python_model(Tripler())

    assert python_model(model) is model


def test_it_can_be_loaded_without_the_sdk(tmp_path: Path) -> None:
    def double(rows: Any) -> Any:
        return rows * 2

    file = tmp_path / "model.pkl"
    file.write_bytes(cloudpickle.dumps(python_model(double)))
    program = (
        "import sys, pathlib, cloudpickle; sys.modules['hokusai'] = None;"
        "model = cloudpickle.loads(pathlib.Path(sys.argv[1]).read_bytes());"
        "print(model.predict(None, 21))"
    )

    output = subprocess.check_output([sys.executable, "-W", "ignore", "-c", program, file])
    assert output == b"42\n"


def test_no_warning_is_shown_that_the_user_cannot_heed() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        python_model(Tripler())

    assert shown == []
