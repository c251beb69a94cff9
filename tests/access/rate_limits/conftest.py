"""What the tests of rate limits share: a Redis, gateways, and the log."""

import logging
from collections.abc import Callable, Iterator

import pytest

from app.access.rate_limits import redis_counter
from tests.support.gateway import RunningGateway
from tests.support.redis import RunningRedis, free_port


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    """A Redis that no test stops; each test uses other keys."""
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="session")
def database(new_database: Callable[[], str]) -> str:
    """A database that all gateways of these tests share."""
    return new_database()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long timeout, so that on a busy machine Redis is not taken for unavailable."""
    monkeypatch.setattr(redis_counter, "REDIS_SECONDS", 60.0)


class Log(logging.Handler):
    """Log lines of a test. Call `begin` after a gateway has started, which configures logging."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.msg} {record.args} {record.exc_info}")

    def begin(self) -> None:
        logging.getLogger().addHandler(self)

    def count(self, event: str) -> int:
        """The number of lines that contain a text."""
        return sum(event in line for line in self.lines)


@pytest.fixture
def log() -> Iterator[Log]:
    """Collects log lines after `begin`."""
    collector = Log()
    yield collector
    logging.getLogger().removeHandler(collector)


LIMIT = 10


@pytest.fixture(scope="module")
def strict(database: str) -> Iterator[RunningGateway]:
    """A gateway with a low limit, a window longer than any test, and no MLflow."""
    mlflow = f"http://127.0.0.1:{free_port()}"
    with RunningGateway(database, mlflow, rate_limit=LIMIT, rate_window=3600) as running:
        yield running
