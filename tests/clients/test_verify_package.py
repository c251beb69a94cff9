"""`packages/verify`, the npm package `@hokusai/verify`: its tests, types, bundle and command."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support import node
from tests.support.envelopes import write_model
from tests.support.gateway import RunningGateway
from tests.support.model_files import run_with, wait_for
from tests.support.programs import run
from tests.support.responses import good
from tests.support.training import Training

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages" / "verify"
BUNDLE = ROOT / "app" / "web" / "static" / "hokusai-verify.js"


@pytest.fixture(scope="module")
def gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that reads the files of models."""
    with RunningGateway(new_database(), mlflow_server.url, model_files_readers=2) as running:
        yield running


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, with the locked packages that it needs."""
    return node.installed(PACKAGE, tmp_path_factory)


def test_it_reports_what_the_python_package_reports(package: Path) -> None:
    """Its own tests, which read the vectors of `hokusai.verify`."""
    tests = sorted(path.relative_to(package) for path in (package / "test").glob("*.test.js"))
    assert len(tests) >= 4
    run(["node", "--test", *tests], package)


def test_its_types_are_those_of_its_code(package: Path, tmp_path: Path) -> None:
    run(["npm", "run", "--silent", "types"], package, npm_config_cache=str(tmp_path))
    program = "import * as all from './src/index.js'; console.log(JSON.stringify(Object.keys(all)))"
    command = ["node", "--input-type=module", "--eval", program]
    names = json.loads(subprocess.check_output(command, cwd=package, timeout=60))
    types = (package / "src" / "index.d.ts").read_text()
    for name in names:
        assert any(f"export {kind} {name}" in types for kind in ("class", "function", "const"))


def test_the_pages_have_the_same_code(package: Path, tmp_path: Path) -> None:
    """`make verify-bundle` has been run since the last change of the package."""
    rebuilt = tmp_path / BUNDLE.name
    run(["node", "build.js", rebuilt], package)
    assert rebuilt.read_text() == BUNDLE.read_text()


def test_the_locked_packages_have_digests_and_free_licences() -> None:
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    packages = {name: found for name, found in lock["packages"].items() if name}
    assert packages
    for name, found in packages.items():
        assert found["integrity"].startswith("sha512-"), name
        assert found["license"] in ("MIT", "Apache-2.0"), name
    shipped = {name for name, found in packages.items() if not found.get("dev")}
    assert shipped == {"node_modules/@noble/curves", "node_modules/@noble/hashes"}


def test_what_is_published_can_be_installed_and_run(
    package: Path, tmp_path: Path, gateway: RunningGateway
) -> None:
    """What a gateway issues holds, by the command of the packed package; nothing else is needed."""
    pack = ["npm", "pack", "--silent", "--pack-destination", str(tmp_path)]
    run(pack, package, npm_config_cache=str(tmp_path / "npm"))
    (packed,) = tmp_path.glob("*.tgz")
    run(["tar", "-xzf", packed], tmp_path)
    files = {path.relative_to(tmp_path / "package") for path in tmp_path.glob("package/**/*.*")}
    assert {path.parts[0] for path in files} == {"bin", "package.json", "README.md", "src"}
    scope = tmp_path / "node_modules" / "@noble"
    scope.parent.mkdir()
    scope.symlink_to(package / "node_modules" / "@noble")

    with gateway.client(gateway.key("trainer-of-the-package")) as client:
        attestation = Training(client).improvement()
        documents = {
            "attestation": attestation,
            "bundle": good(client.get(f"/api/attestations/{attestation['hash']}/bundle")),
            "known": good(client.get("/.well-known/hokusai-attestor.json")),
            "log": _pages(client),
        }
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document))
    command = ["node", "package/bin/hokusai-verify.js", "attestation", "--known", "known"]
    run([*command, "--log", "log", "--bundle", "bundle", "--strict"], tmp_path)

    signed = ["--known", "known", "--model-signature", "model.sig", "--model", "model", "--strict"]
    with Training.of(gateway) as training:
        _sign_model(training, tmp_path)
    run([*command[:2], *signed], tmp_path)
    run([*command, *signed[2:-1]], tmp_path)
    (tmp_path / "model" / "more").write_text("x")
    changed = [*command[:2], *signed]
    done = subprocess.run(changed, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "more is not in the list" in done.stdout) == (1, True)


def _sign_model(training: Training, directory: Path) -> None:
    """A model, its signature, and an attestation of it."""
    files = {".gitignore": b"*.tmp\n", "MLmodel": b"flavors: {}\n", "data/\u00e9.pkl": b"weights"}
    write_model(directory / "model", files)
    run_id = run_with(training, files)
    model = training.registered("baseline", run_id=run_id, model_type="c")
    wait_for(training.client, model, "witnessed")
    signature = good(training.client.get(f"/api/models/{model['model_id']}/model.sig"))
    body = {"model_id": model["model_id"]}
    attested = good(training.client.post("/api/attestations", json=body), 201)
    (directory / "model.sig").write_text(json.dumps(signature))
    (directory / "attestation").write_text(json.dumps(attested))


def _pages(client: httpx.Client) -> list[dict[str, Any]]:
    """A copy of the log."""
    pages: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        query = {"start": start, "limit": 1000}
        pages.append(good(client.get("/api/attestations/log/entries", params=query)))
        start = pages[-1]["next"]
    return pages
