"""What the tests of identity share: an admin, two gateways, and the log."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.access.identity import credential_cache
from app.access.identity.credential_cache import CredentialCache
from app.standalone.mlflow import ChildMLflow
from tests.access.identity.signing_in import HOST
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.sql import sql
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client of the shared gateway with every scope, in a separate tenant."""
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
        yield client


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def log(gateway: RunningGateway) -> Iterator[list[logging.LogRecord]]:
    """The log records of all loggers while the test runs."""
    collector = _Collector()
    root = logging.getLogger()
    # A gateway of an earlier test may have set another level.
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(collector)
    yield collector.records
    root.removeHandler(collector)
    root.setLevel(level)


def traces(records: list[logging.LogRecord]) -> list[Any]:
    """The records with a traceback, and those of level warning and above."""
    return [
        record
        for record in records
        if record.exc_info
        or record.levelno >= logging.WARNING
        or "Traceback" in record.getMessage()
    ]


Pair = tuple[RunningGateway, RunningGateway]


@pytest.fixture(scope="module")
def pair(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[Pair]:
    """Two gateways on a database that no other test uses.

    What they cache does not end by itself, so that only a notification ends it.
    """
    url = new_database()
    with (
        pytest.MonkeyPatch.context() as patch,
        RunningGateway(url, mlflow_server.url) as one,
        RunningGateway(url, mlflow_server.url) as other,
    ):
        patch.setattr(credential_cache, "LIFETIME", 3600.0)
        yield one, other


def wait_until_cached(*gateways: RunningGateway) -> None:
    """Wait until the gateways listen to changes of credentials, from when on they cache them."""
    wait_until(lambda: all(one.service(CredentialCache).listening for one in gateways))


def listeners(gateway: RunningGateway) -> list[int]:
    """The process ids of PostgreSQL that serve the gateways' listeners."""
    return [
        pid
        for (pid,) in sql(
            gateway,
            "select pid from pg_stat_activity where datname = current_database()"
            " and query ilike any(%s)",
            # What such a connection has run last.
            ["listen%", "select name from tenants where disabled%", "select pg_is_in_recovery%"],
        )
    ]


@pytest.fixture(scope="module")
def signing_in(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway with a public URL."""
    url = f"https://{HOST}"
    with RunningGateway(new_database(), mlflow_server.url, public_url=url) as running:
        yield running
