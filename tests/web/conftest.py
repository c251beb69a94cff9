"""Fixtures of the tests of pages: a gateway with one tenant's records, and two who look at them."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.training import Training


@pytest.fixture(scope="module")
def quiet(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway whose registry has the records of one file only."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running


@pytest.fixture(scope="module")
def acme(quiet: RunningGateway) -> Iterator[Training]:
    """The tenant with the records: a new one, because other files use the same MLflow."""
    with Training.of(quiet) as made:
        yield made


@pytest.fixture(scope="module")
def other(quiet: RunningGateway) -> Iterator[httpx.Client]:
    """A client of another tenant."""
    with quiet.client(quiet.key("globex")) as client:
        yield client
