"""What the document is tried against."""

from collections.abc import Callable, Iterator

import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway


@pytest.fixture(scope="module")
def tried(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway of its own: an admin may revoke anybody's key."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running
