"""MLflow's version, read from its responses and compared with the oldest supported one."""

import pytest

from app.mlflow.version import OLDEST, OLDEST_RELEASE, parse_version, release_of


@pytest.mark.parametrize("version", ["3.17.2", "3.18.0rc1", "3.17.2.dev0+local"])
def test_a_version_is_read_as_it_is(version: str) -> None:
    assert parse_version(version) == version


@pytest.mark.parametrize("text", ["", "<html>", "3 17", "3" * 41, "3.17\n"])
def test_anything_else_is_no_version(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("version", "release"),
    [("3.17.2", (3, 17)), ("3.9", (3, 9)), ("10.0.1", (10, 0)), ("main", None), ("3", None)],
)
def test_a_release_is_the_first_two_numbers(version: str, release: tuple[int, int] | None) -> None:
    assert release_of(version) == release


def test_the_oldest_release_is_the_first_with_workspaces() -> None:
    assert release_of(OLDEST) == OLDEST_RELEASE == (3, 10)
    assert (3, 9) < OLDEST_RELEASE < (3, 11)
