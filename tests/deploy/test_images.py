"""What the Dockerfiles promise: locked, small, not root's, and no more files than named."""

import re
from pathlib import Path

import pytest

from tests.deploy.files import ROOT, SETTINGS, settings_in

# Not those that packages of npm bring along.
DOCKERFILES = sorted([ROOT / "Dockerfile", *(ROOT / "deploy").glob("*/Dockerfile")])


def last_stage(dockerfile: Path) -> str:
    return re.split(r"^FROM ", dockerfile.read_text(), flags=re.MULTILINE)[-1]


def test_there_are_three_images() -> None:
    assert [str(path.parent.relative_to(ROOT)) for path in DOCKERFILES] == [
        ".",
        "deploy/mlflow",
        "deploy/s3",
    ]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_ends_as_a_user_with_a_number_and_has_a_health_check(dockerfile: Path) -> None:
    stage = last_stage(dockerfile)
    users = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
    assert all(int(number) >= 10000 for number in users[-1].split(":"))
    assert "HEALTHCHECK" in stage


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_base_has_a_version_and_a_build_context_is_an_allow_list(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    (base,) = re.findall(r"^FROM (\S+) AS base$", text, re.MULTILINE)
    assert re.search(r":v?\d+\.\d+\.\d+", base)
    assert re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE) == ["base"]
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {base, "${BASE}"}
    ignored = (dockerfile.parent / ".dockerignore").read_text().splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_is_copied_is_there_and_not_ignored(dockerfile: Path) -> None:
    ignored = (dockerfile.parent / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert (dockerfile.parent / name).exists()
        assert f"!{name}" in ignored


@pytest.mark.parametrize("dockerfile", DOCKERFILES[:2], ids=lambda path: path.parent.name)
def test_what_is_installed_is_locked_with_its_hash(dockerfile: Path) -> None:
    text = dockerfile.read_text().replace("\\\n", " ")
    installs = re.findall(r"pip\b[^&\n]* install [^&\n]*", text)
    assert installs
    for install in installs:
        assert "--require-hashes" in install or "--no-index --no-deps" in install
    for lock in re.findall(r"\S*requirements\S*\.lock", " ".join(installs)):
        locked = (dockerfile.parent / Path(lock).name).read_text()
        packages = re.split(r"^(?=\S)", locked, flags=re.MULTILINE)[1:]
        assert packages
        assert all("--hash=sha256:" in package for package in packages)


def test_the_gateways_image_names_settings_that_there_are() -> None:
    assert settings_in((ROOT / "Dockerfile").read_text()) <= SETTINGS


def test_mlflow_takes_its_stores_from_the_environment() -> None:
    # A command line can be read by every user of the machine.
    text = (ROOT / "deploy/mlflow/Dockerfile").read_text()
    assert "--backend-store-uri" not in text
