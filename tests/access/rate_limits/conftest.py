"""What the tests of limits share: a Redis, and the log of what the gateway does."""

import logging
from collections.abc import Callable, Iterator

import pytest

from app.access.rate_limits import redis_counter
from tests.support.redis import RunningRedis


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRedis]:
    """A Redis that no test stops; each uses keys or principals of its own."""
    with RunningRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="session")
def database(new_database: Callable[[], str]) -> str:
    """A database that all gateways of these tests may share."""
    return new_database()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not pass for a Redis that is gone, where that is not what is tested."""
    monkeypatch.setattr(redis_counter, "REDIS_SECONDS", 60.0)


class Log(logging.Handler):
    """What is logged while a test runs. A gateway sets logging up anew: begin after its start."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.msg} {record.args} {record.exc_info}")

    def begin(self) -> None:
        logging.getLogger().addHandler(self)

    def count(self, event: str) -> int:
        """How many lines hold the text."""
        return sum(event in line for line in self.lines)


@pytest.fixture
def log() -> Iterator[Log]:
    """Collects log lines once it is told to begin."""
    collector = Log()
    yield collector
    logging.getLogger().removeHandler(collector)
