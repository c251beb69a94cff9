"""`hokusai-gateway migrate` and `--version`, and the check of the installed MLflow."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg2
import pytest

from app.core.errors import StartupError
from app.standalone import mlflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.serve_process import PATIENCE, command_line, environment_of, run


def test_four_migrations_at_once_all_succeed(postgres: EmbeddedPostgreSQL) -> None:
    postgres.create_database("raced")
    environment = environment_of({"database_url": postgres.url("raced")})
    racers = [
        subprocess.Popen(
            command_line("migrate"),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(4)
    ]
    outputs = [racer.communicate(timeout=PATIENCE)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0], outputs


def test_a_newer_schema_is_kept_and_an_unknown_one_refused(postgres: EmbeddedPostgreSQL) -> None:
    postgres.create_database("future")
    given = {"database_url": postgres.url("future")}
    assert run("migrate", **given).returncode == 0
    for revision, code in (("9999", 0), ("9999_other", 2)):
        connection = psycopg2.connect(given["database_url"])
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE alembic_version SET version_num = %s", (revision,))
        connection.close()
        ended = run("migrate", **given)
        assert ended.returncode == code, ended.stderr
        assert (revision in ended.stderr) is bool(code)
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "HOKUSAI_DATABASE_URL is not set"),
        ({"database_url": "postgresql://u:secret@127.0.0.1:9/db"}, "cannot migrate"),
        ({"database_url": "postgresql://u:secret@host:port/db"}, "HOKUSAI_DATABASE_URL cannot be"),
    ],
)
def test_a_database_that_cannot_be_migrated_is_one_line(given: dict[str, str], said: str) -> None:
    ended = run("migrate", **given)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {said}")
    assert ended.stderr.count("\n") == 1
    assert "secret" not in ended.stderr


def test_the_version_is_printed() -> None:
    ended = run("--version")
    assert ended.stdout == f"hokusai-gateway {version('hokusai-registry-gateway')}\n"


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("hokusai-gateway")
    ended = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "serve" in ended.stdout


@pytest.mark.parametrize("found", ["2.22.1", "3.9.0", "nonsense"])
def test_an_mlflow_without_workspaces_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    monkeypatch.setattr(mlflow, "version", lambda _: found)
    with pytest.raises(StartupError, match=f"MLflow {found} is too old"):
        mlflow.require_mlflow()


@pytest.mark.parametrize("found", ["3.10.0", "3.17.2", "3.18.0rc1", "4.0.0"])
def test_an_mlflow_with_workspaces_is_accepted(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(mlflow, "version", lambda _: found)
    assert mlflow.require_mlflow() == found


def test_a_missing_mlflow_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mlflow, "version", missing)
    with pytest.raises(StartupError, match="MLflow is not installed"):
        mlflow.require_mlflow()
