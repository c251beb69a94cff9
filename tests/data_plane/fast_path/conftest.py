"""A gateway in front of a scripted MLflow, which records what the fast path handles."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app.data_plane.fast_path import FastPath
from tests.data_plane.fast_path.harness import (
    Behaviour,
    FastPathHarness,
    ScriptedMLflow,
    StartHarness,
)
from tests.support.gateway import RunningGateway


@pytest.fixture
def start_harness(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartHarness]:
    """Starts the gateway for the rest of the test. limit: the key's requests per hour."""
    handled: list[bool] = []
    take = FastPath.try_handle

    def recording_take(self: FastPath, *arguments: Any) -> Any:
        cycle = take(self, *arguments)
        handled.append(cycle is not None)
        return cycle

    monkeypatch.setattr(FastPath, "try_handle", recording_take)
    with ExitStack() as stack:

        def start(
            behaviour: Behaviour, *, limit: int | None = None, **settings: Any
        ) -> FastPathHarness:
            mlflow = ScriptedMLflow(behaviour)
            url = stack.enter_context(mlflow.serve())
            options = {"tenancy": "shared", "rate_window": 3600, **settings}
            gateway = stack.enter_context(RunningGateway(new_database(), url, **options))
            harness = FastPathHarness(gateway, mlflow, gateway.key(rate_limit=limit), handled)
            harness.warm_up()
            handled.clear()
            return harness

        yield start
