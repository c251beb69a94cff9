"""The files that describe the project: licence, guides and hooks agree with the code."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SDK = ROOT / "hokusai-ml-platform"
PACKAGES = [ROOT, SDK]
# Of https://www.apache.org/licenses/LICENSE-2.0.txt, unmodified.
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
DOCUMENTS = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CODE_OF_CONDUCT.md",
    ROOT / "CHANGELOG.md",
    SDK / "README.md",
    SDK / "CHANGELOG.md",
]


# Above this a file says at its top why it is longer; see CONTRIBUTING.md.
MAX_LINES = 400
REASON = "Longer than most files here:"


def pyproject(package: Path) -> dict[str, Any]:
    return tomllib.loads((package / "pyproject.toml").read_text())


def metadata(package: Path) -> dict[str, Any]:
    """The table `project` of a package's pyproject.toml."""
    project: dict[str, Any] = pyproject(package)["project"]
    return project


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_licence_is_stated_alike() -> None:
    for package in PACKAGES:
        project = metadata(package)
        assert project["license"] == "Apache-2.0"
        assert project["license-files"] == ["LICENSE"]
        assert sha256((package / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
        # PEP 639: an expression, or classifiers, not both.
        assert not [one for one in project["classifiers"] if one.startswith("License ::")]
        assert project["urls"] == metadata(ROOT)["urls"]
    for document in ("README.md", "CONTRIBUTING.md"):
        assert "[Apache-2.0](LICENSE)" in (ROOT / document).read_text()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_what_is_built_carries_the_licence(package: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    subprocess.run(
        [*command, "--target", "wheel", "--target", "sdist"],
        cwd=package,
        capture_output=True,
        check=True,
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        (licence,) = [one for one in wheel.namelist() if one.endswith("/licenses/LICENSE")]
        assert sha256(wheel.read(licence)).hexdigest() == APACHE_2_0
        (about,) = [one for one in wheel.namelist() if one.endswith(".dist-info/METADATA")]
        assert "\nLicense-Expression: Apache-2.0\n" in wheel.read(about).decode()
        # The program and what describes it: no test, no document, no deployment.
        packages = pyproject(package)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        top = {one.partition("/")[0] for one in wheel.namelist()}
        assert top == {Path(one).name for one in packages} | {about.partition("/")[0]}
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        files = {one.partition("/")[2] for one in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= files


def test_the_image_is_built_with_the_licence() -> None:
    # hatchling builds without a word when the file is missing.
    copied = re.findall(r"^COPY (.*) /src/$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert "LICENSE" in " ".join(copied).split()


def test_the_oldest_python_is_the_one_to_develop_with() -> None:
    oldest = (ROOT / ".python-version").read_text().strip()
    tools = pyproject(ROOT)["tool"]
    assert metadata(ROOT)["requires-python"] == f">={oldest}"
    assert tools["mypy"]["python_version"] == oldest
    assert tools["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_names_its_pythons(package: Path) -> None:
    project = metadata(package)
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert project["requires-python"] == f">={supported[0]}"
    assert supported == [f"3.{minor}" for minor in range(int(supported[0][2:]), 14)]


@pytest.mark.parametrize("document", [ROOT / "README.md", *DOCUMENTS], ids=name)
def test_a_command_of_make_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = document.read_text()
    named = re.findall(r"(?:^|`)(?:\w+=\S+ )?make ([a-z-]+)", text, re.MULTILINE)
    assert set(named) <= set(targets)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_what_a_document_links_to_exists(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)", document.read_text()):
        assert (document.parent / target).exists() or target.startswith("http"), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_a_file_that_a_document_names_exists(document: Path) -> None:
    folders = "app|benchmarks|deploy|docs|hokusai-ml-platform|migrations|tests"
    text = document.read_text()
    for path in re.findall(rf"(?:`|\s)((?:{folders})/[\w./-]*\w/?)", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_changelog_keeps_its_form(package: Path) -> None:
    text = (package / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(.+)\]", text, re.MULTILINE)
    assert releases[0] == "Unreleased"
    for release in re.split(r"^## \[", text, flags=re.MULTILINE)[1:]:
        changes = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert len(set(changes)) == len(changes)
        assert set(changes) <= CHANGES


def test_a_hook_runs_a_locked_program() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    programs = Path(sys.executable).parent
    for hook in local["hooks"]:
        folder, _, program = hook["entry"].split()[0].rpartition("/")
        assert (hook["language"], folder) == ("system", ".venv/bin")
        assert (programs / program).exists(), program


def test_a_long_file_says_why() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    sources = {name: (ROOT / name).read_text() for name in listed.stdout.split()}
    long = {name for name, text in sources.items() if text.count("\n") > MAX_LINES}
    unexplained = {name for name in long if REASON not in sources[name].partition("import ")[0]}
    assert unexplained == set()
