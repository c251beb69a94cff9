"""What the tests of identity share: an admin, and the log of what the gateway does."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import ALL_SCOPES, RunningGateway


@pytest.fixture(scope="session")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client of the shared gateway with every scope, in a tenant of its own."""
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
    """What is logged while the test runs, by whatever logger."""
    collector = _Collector()
    root = logging.getLogger()
    root.addHandler(collector)
    yield collector.records
    root.removeHandler(collector)


def traces(records: list[logging.LogRecord]) -> list[Any]:
    """The records that carry a stack trace, or complain."""
    return [
        record
        for record in records
        if record.exc_info
        or record.levelno >= logging.WARNING
        or "Traceback" in record.getMessage()
    ]
