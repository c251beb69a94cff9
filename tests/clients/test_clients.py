"""The guide's code with several Pythons and MLflow clients, including its use of the SDK.

`make test-clients` runs this, not `make test`: the first run installs five environments.
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

# pip may have to download several hundred megabytes.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def sdk_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK's wheel."""
    return build_sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="module", params=NAMES)
def client_python(request: pytest.FixtureRequest, sdk_wheel: Path) -> Path:
    """A Python with an MLflow client that supports it, and the SDK."""
    name: str = request.param
    interpreter = find_interpreter(name)
    if interpreter is None:
        pytest.skip(f"no {name} on this machine")
    python = make_environment(name, interpreter)
    install_sdk(python, sdk_wheel)
    return python


@pytest.mark.parametrize("flow", guide.FLOWS)
def test_the_guides_code_runs(gateway: RunningGateway, client_python: Path, flow: str) -> None:
    # A token belongs to the first tenant that registers it, so all that register the guide's token
    # must be one tenant. The key has the default rate limit, as a reader's has.
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
