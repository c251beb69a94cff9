"""What all tests stand on: a real PostgreSQL, a real MLflow, and a gateway in front of them."""

import functools
import gc
import itertools
import os
import ssl
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import hypothesis
import psycopg2
import pytest

from app.database.migrate import migrate
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support import forked_process
from tests.support.browser import PROGRAM as CHROMIUM
from tests.support.browser import Browser
from tests.support.forked_mlflow import ForkedMLflow
from tests.support.gateway import RunningGateway
from tests.support.time_limits import (  # noqa: F401 - hooks
    pytest_exception_interact,
    pytest_pyfunc_call,
    pytest_runtest_protocol,
)
from tests.support.training import Training
from tests.support.waiting import GENEROUS

# They would be timed assertions, and fail on a busy machine only.
hypothesis.settings.register_profile(
    "default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("default")

for _name in [name for name in os.environ if name.startswith(("HOKUSAI_", "MLFLOW_"))]:
    del os.environ[_name]


@functools.cache
def _certificates(trust_env: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)


def _ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is True and cert is None:
        return _certificates(trust_env)
    return httpx.create_ssl_context(verify, cert, trust_env)


# httpx reads the machine's certificates for each client anew, the tests make thousands of them, and
# none of those speaks TLS.
mock.patch("httpx._transports.default.create_ssl_context", _ssl_context).start()

# httpx's own five seconds are no expectation of the tests that name no timeout.
for _name in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, _name, GENEROUS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--chaos-seconds",
        type=float,
        default=0,
        help="how long the chaos test goes on killing; every part once, if not given",
    )
    parser.addoption(
        "--quick",
        action="store_true",
        help="leave out the long files, and every test that needs a PostgreSQL or MLflow server",
    )
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="keep pictures of the pages that tests visit, in .cache/screenshots",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before pytest-xdist starts processes for the tests, start what they have in common."""
    if config.getoption("--screenshots"):
        Browser.screenshots = config.rootpath / ".cache/screenshots"
    shares = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if shares and not forked_process.is_measured():
        forked_process.share()


# Files whose single tests take long. They come first, so that no worker has to finish one of them
# alone while the others are idle.
LONG = (
    "tests/journeys/",
    "tests/sdk/",
    "tests/faults/",
    "tests/backup/",
    "tests/standalone/",
    "tests/control_plane/reference/",
    "tests/cli/doctor/",
    "tests/replicas/",
    "tests/artifacts/",
    "tests/data_plane/upstream/test_large_bodies.py",
    "tests/data_plane/proxy/interface/test_pages.py",
    "tests/data_plane/proxy/interface/test_shown_artifacts.py",
    "tests/clients/",
    "tests/test_state_metrics.py",
    "tests/deploy/test_entry.py",
    "tests/web/test_verify.py",
    "tests/web/test_signing_in_browser.py",
    "tests/web/test_records_in_browser.py",
    "tests/web/test_in_browser.py",
    "tests/web/test_benchmarks.py",
    "tests/data_plane/upstream/test_tenant_share.py",
    "tests/fuzzing/",
    "tests/performance/",
    "tests/data_plane/proxy/test_manifest.py",
    "hokusai-ml-platform/tests/flavors/",
    "hokusai-ml-platform/tests/zk/",
    "tests/control_plane/proofs/",
    "hokusai-ml-platform/tests/verify/test_hostile_input.py",
)
# Fixtures that start a server, which `--quick` does without.
SERVERS = frozenset({"mlflow_server", "postgres"})


def rank(path: Path, root: Path) -> int:
    """The place of a file's entry in `LONG`, or its length for any other file."""
    name = path.relative_to(root).as_posix()
    return next(
        (i for i, long in enumerate(LONG) if f"{name}/".startswith(f"{long.rstrip('/')}/")),
        len(LONG),
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--quick`, do not even import the files of `LONG`."""
    if config.getoption("--quick") and rank(collection_path, config.rootpath) < len(LONG):
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Pause the garbage collector: what collecting tests creates stays, as in `serve`'s start."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files of `LONG` first; with `--quick`, leave out what needs a server."""
    if config.getoption("--quick"):
        needing = [i for i in items if not SERVERS.isdisjoint(getattr(i, "fixturenames", ()))]
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if item not in set(needing)]
    items.sort(key=lambda item: rank(item.path, config.rootpath))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of asynchronous tests; tests of the upstream client also run on uvloop."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgreSQL]:
    """A PostgreSQL server of the tests' own."""
    with EmbeddedPostgreSQL(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgreSQL) -> Callable[[], str]:
    """Makes databases with our schema, each a copy of one that was really migrated: their URLs."""
    postgres.create_database("template")
    migrate(postgres.url("template"))
    numbers = itertools.count(1)

    def make() -> str:
        name = f"copy_{next(numbers)}"
        connection = psycopg2.connect(postgres.url("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template")
        connection.close()
        return postgres.url(name)

    return make


@pytest.fixture(scope="session")
def mlflow_server(
    postgres: EmbeddedPostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChildMLflow]:
    """A real MLflow server with workspaces."""
    postgres.create_database("mlflow")
    directory: Path = tmp_path_factory.mktemp("mlflow")
    with ForkedMLflow(directory, postgres.url("mlflow")) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway for tests that do not mind each other: each takes a tenant of its own."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running


@pytest.fixture(scope="session")
def training(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant of the shared gateway."""
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="session")
def stranger(gateway: RunningGateway) -> Iterator[Training]:
    """Another tenant."""
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of one file, none of which is asynchronous."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser() as running:
        yield running
