"""Models of several libraries, which the SDK logs and registers, and MLflow loads again."""

from pathlib import Path

import pytest

from tests.clients.environments import (
    build_sdk,
    find_interpreter,
    install_sdk,
    make_environment,
)
from tests.support import programs
from tests.support.gateway import RunningGateway

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

PROGRAM = Path(__file__).with_name("flavored.py")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the libraries of flavors.lock and the SDK."""
    interpreter = find_interpreter("python3.11")
    if interpreter is None:
        pytest.skip("no python3.11 on this machine")
    environment = make_environment("flavors", interpreter)
    install_sdk(environment, build_sdk(tmp_path_factory.mktemp("sdk")))
    return environment


@pytest.mark.parametrize(
    "kind",
    [
        "xgboost_estimator",
        "xgboost_booster",
        "lightgbm_estimator",
        "lightgbm_booster",
        "onnx_graph",
        "keras_network",
    ],
)
def test_a_model_is_logged_in_its_own_flavor(
    gateway: RunningGateway, python: Path, tmp_path: Path, kind: str
) -> None:
    printed = programs.run(
        [python, PROGRAM, kind],
        tmp_path,
        HOKUSAI_URL=gateway.url,
        HOKUSAI_API_KEY=gateway.key(),
        KERAS_BACKEND="jax",
    )

    assert "Predicted 60\n" in printed
