"""What all tests of the short way stand on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app.data_plane.fast_path import FastPath
from tests.data_plane.fast_path.harness import Act, Front, MLflow, Open
from tests.support.gateway import RunningGateway


@pytest.fixture
def front(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    taken: list[bool] = []
    take = FastPath.try_handle

    def counting(self: FastPath, *arguments: Any) -> Any:
        cycle = take(self, *arguments)
        taken.append(cycle is not None)
        return cycle

    monkeypatch.setattr(FastPath, "try_handle", counting)
    with ExitStack() as stack:

        def make(act: Act, *, limit: int | None = None, **settings: Any) -> Front:
            mlflow = MLflow(act)
            url = stack.enter_context(mlflow.running())
            options = {"tenancy": "shared", **settings}
            gateway = stack.enter_context(RunningGateway(new_database(), url, **options))
            made = Front(gateway, mlflow, gateway.key(rate_limit=limit), taken)
            made.warm()
            taken.clear()
            return made

        yield make
