"""The guide's code, the SDK's included, with the Pythons and MLflow clients that its readers have.

Not a part of `make test`: the first run installs five environments. `make test-clients` runs it.
"""

from pathlib import Path

import pytest

from tests.clients.environments import (
    NAMES,
    build_sdk,
    find_interpreter,
    install_sdk,
    make_environment,
)
from tests.support import guide, programs
from tests.support.gateway import RunningGateway

# The time is pip's: it may have to fetch some hundred megabytes.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def sdk_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK, built."""
    return build_sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="module", params=NAMES)
def client_python(request: pytest.FixtureRequest, sdk_wheel: Path) -> Path:
    """A Python with an MLflow client of its time, and the SDK."""
    name: str = request.param
    interpreter = find_interpreter(name)
    if interpreter is None:
        pytest.skip(f"no {name} on this machine")
    python = make_environment(name, interpreter)
    install_sdk(python, sdk_wheel)
    return python


@pytest.mark.parametrize("flow", guide.FLOWS)
def test_client_runs_the_guide(gateway: RunningGateway, client_python: Path, flow: str) -> None:
    # What a reader of the guide meets: a key of the default limit, at its beginning.
    # The guide's token can have one holder only, so that those who register it are one tenant.
    tenant = "holder" if flow == "sdk_detailed" else None
    key = gateway.key(tenant, rate_limit=100)

    printed = guide.run(flow, f"{gateway.url}/api", key, client_python)

    assert guide.FLOWS[flow].prints in printed


def test_every_module_of_the_sdk_can_be_imported(client_python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, pkgutil, hokusai\n"
        "for found in pkgutil.walk_packages(hokusai.__path__, 'hokusai.'):\n"
        "    importlib.import_module(found.name)\n"
        "print('all')"
    )

    assert programs.run([client_python, "-c", code], tmp_path) == "all\n"
