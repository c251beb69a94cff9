"""Clients that generators make of the OpenAPI document call a running gateway.

`make test-clients` runs this, not `make test`: it installs the generators from their registries.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import node
from tests.support.gateway import RunningGateway
from tests.support.programs import run
from tests.support.responses import good

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

HERE = Path(__file__).parent / "generated"
PYTHON_GENERATOR = "openapi-python-client==0.29.1"


@pytest.fixture(scope="module")
def document(gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the OpenAPI document, as the gateway serves it."""
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    with gateway.client() as client:
        path.write_text(json.dumps(good(client.get("/openapi.json"))))
    return path


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the generators of TypeScript clients, from the npm registry."""
    return node.installed(HERE, tmp_path_factory) / "node_modules"


def compiled(directory: Path, packages: Path, program: str) -> list[str]:
    """The command that runs a TypeScript program, after the compiler has found no error in it."""
    (directory / "node_modules").symlink_to(packages)
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / program).write_text((HERE / program).read_text())
    options = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
    options += ["--lib", "es2022,dom,dom.iterable", "--outDir", "built"]
    declaration = directory / "process.d.ts"
    declaration.write_text("declare const process: { argv: string[] };\n")
    run([packages / ".bin" / "tsc", *options, program, declaration], directory)
    return ["node", f"built/{Path(program).stem}.js"]


def hey_api(document: Path, directory: Path, packages: Path) -> list[str]:
    (directory / "openapi-ts.config.mjs").write_text(
        f"""export default {{
          input: {json.dumps(str(document))},
          output: {{ path: "hey_api", importFileExtension: ".js" }},
          plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
        }};"""
    )
    run([packages / ".bin" / "openapi-ts"], directory)
    return compiled(directory, packages, "hey_api.ts")


def openapi_typescript(document: Path, directory: Path, packages: Path) -> list[str]:
    command = [packages / ".bin" / "openapi-typescript", document]
    run([*command, "-o", directory / "schema.ts"], directory)
    return compiled(directory, packages, "openapi_fetch.ts")


def check(gateway: RunningGateway, command: list[str], directory: Path) -> dict[str, Any]:
    """Run a client, and check what it received and sent."""
    key = gateway.key()
    found: dict[str, Any] = json.loads(run([*command, gateway.url, key], directory))
    with gateway.client(key) as client:
        assert found["tenant"] == good(client.get("/api/auth/whoami"))["tenant"]
    with gateway.client(found["key"]) as client:
        assert good(client.get("/api/auth/whoami"))["tenant"] == found["tenant"]
    assert found["models"] <= 1
    assert found["origin"] == gateway.settings.log_origin
    assert found["reason"] == "not_found"
    return found


@pytest.mark.parametrize("generate", [hey_api, openapi_typescript])
def test_a_typescript_client_calls_the_gateway(
    gateway: RunningGateway,
    generators: Path,
    document: Path,
    tmp_path: Path,
    generate: Callable[[Path, Path, Path], list[str]],
) -> None:
    found = check(gateway, generate(document, tmp_path, generators), tmp_path)
    assert found.get("served", gateway.url) == gateway.url


def test_a_python_client_calls_the_gateway(
    gateway: RunningGateway, document: Path, tmp_path: Path
) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "environment"], check=True)
    options = ["--disable-pip-version-check", "--quiet"]
    run([python, "-m", "pip", "install", *options, PYTHON_GENERATOR], tmp_path)
    generator = python.with_name("openapi-python-client")
    output = tmp_path / "generated_client"
    run(
        [generator, "generate", "--meta", "none", "--path", document, "--output-path", output],
        tmp_path,
    )
    (tmp_path / "python_client.py").write_text((HERE / "python_client.py").read_text())
    check(gateway, [str(python), "python_client.py"], tmp_path)
