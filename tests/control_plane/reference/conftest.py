"""The gateway that schemathesis tests."""

from collections.abc import Callable, Iterator

import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway


@pytest.fixture(scope="module")
def tested_gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway of its own, because an admin may revoke any key."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running
