"""What .github/ promises. No workflow runs here: the files are read."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import ROOT, check_schema

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(
    path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
)
# What Dependabot calls the kinds of file that it reads.
ECOSYSTEMS = {
    "*.lock": "pip",
    "pyproject.toml": "pip",
    "package-lock.json": "npm",
    "Dockerfile": "docker",
    "docker-compose.yml": "docker-compose",
}
IGNORED = {".git", ".venv", ".hokusai", "node_modules"}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(read(path)["jobs"].values())


def commands(path: Path) -> list[str]:
    """What a workflow runs in a shell, line by line."""
    steps = [step for job in jobs(path) for step in job["steps"]]
    return [line.strip() for step in steps for line in step.get("run", "").splitlines()]


def directories(pattern: str) -> set[str]:
    """The directories with a file of that name, as Dependabot writes them."""
    found = (path.parent.relative_to(ROOT) for path in ROOT.rglob(pattern))
    return {f"/{path.as_posix()}".rstrip(".") for path in found if not IGNORED & set(path.parts)}


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_files_follow_their_schemas(schema: str, paths: list[Path]) -> None:
    assert paths
    check_schema(schema, *paths)


def test_continuous_integration_runs_the_script_and_it_everything() -> None:
    assert commands(GITHUB / "workflows" / "ci.yml")[-1] == ".ci/run"
    script = (ROOT / ".ci/run").read_text()
    run = {
        word for line in re.findall(r"^make (.*)$", script, re.MULTILINE) for word in line.split()
    }
    assert {"check", "docs", "test"} <= run


def test_continuous_integration_uses_every_python_that_is_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (job,) = jobs(GITHUB / "workflows" / "ci.yml")
    matrix = job["strategy"]["matrix"]["python"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert matrix == supported
    assert project["requires-python"] == f">={matrix[0]}"
    # The Makefile would choose an interpreter of its own.
    assert job["env"] == {"PYTHON": "python${{ matrix.python }}"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little_and_ends(workflow: Path) -> None:
    content = read(workflow)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["group"] == "${{ github.workflow }}-${{ github.ref }}"
    for job in jobs(workflow):
        assert job["timeout-minutes"] <= 60
        assert not re.search("latest", job["runs-on"])
        assert "permissions" not in job


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_pinned_to_a_commit_with_its_version_beside_it(workflow: Path) -> None:
    used = re.findall(r"^ *(?:- )?uses: (.*)$", workflow.read_text(), re.MULTILINE)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_every_image_and_the_sdk_are_built() -> None:
    built = commands(GITHUB / "workflows" / "build.yml")
    assert "docker compose build" in built
    assert "python -m hatchling build --target sdist --target wheel" in built
    # `docker compose build` takes the images that have a `build`: all Dockerfiles are among them.
    services = read(ROOT / "docker-compose.yml")["services"].values()
    contexts = {service["build"] for service in services if "build" in service}
    assert {f"/{context}".rstrip(".") for context in contexts} == directories("Dockerfile")


def test_dependabot_watches_every_file_that_it_can_read() -> None:
    watched: dict[str, set[str]] = {}
    for update in read(GITHUB / "dependabot.yml")["updates"]:
        named = update.get("directories") or [update["directory"]]
        watched.setdefault(update["package-ecosystem"], set()).update(named)
    expected: dict[str, set[str]] = {"github-actions": {"/"}}
    for pattern, ecosystem in ECOSYSTEMS.items():
        expected.setdefault(ecosystem, set()).update(directories(pattern))
    assert watched == expected
