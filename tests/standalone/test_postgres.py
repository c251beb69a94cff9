"""The embedded PostgreSQL: who can connect, and what it recovers from."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from app.core.errors import StartupError
from app.standalone.dependencies import ensure_mlflow_database
from app.standalone.postgres import EmbeddedPostgreSQL


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_data_is_there_after_a_restart(tmp_path: Path) -> None:
    with EmbeddedPostgreSQL(tmp_path, durable=False) as server:
        assert server.running
        server.create_database("one")
        query(server.url("one"), "CREATE TABLE t AS SELECT 7 AS n")
    assert not server.running
    with EmbeddedPostgreSQL(tmp_path, durable=False) as server:
        server.create_database("one")
        assert query(server.url("one"), "SELECT n FROM t") == [(7,)]


def test_a_stale_pid_file_with_the_id_of_a_running_process_is_ignored(
    tmp_path: Path,
) -> None:
    with EmbeddedPostgreSQL(tmp_path, durable=False) as server:
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        owner = pid_file.stat()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    with EmbeddedPostgreSQL(tmp_path, durable=False) as server:
        assert query(server.url("postgres"), "SELECT 1") == [(1,)]


def test_an_incomplete_cluster_of_an_interrupted_start_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgreSQL(tmp_path, durable=False) as server:
        assert query(server.url("postgres"), "SELECT 1") == [(1,)]
    assert not (tmp_path / "postgres.new").exists()


def test_a_directory_too_long_for_a_socket_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with EmbeddedPostgreSQL(deep, durable=False) as server:
        socket_file = Path(server.socket_path)
        assert query(server.url("postgres"), "SELECT 1") == [(1,)]
        assert socket_file.parent.stat().st_mode & 0o777 == 0o700
    assert not socket_file.parent.exists()


def test_a_path_with_special_characters_works(tmp_path: Path) -> None:
    with EmbeddedPostgreSQL(tmp_path / "a b,c%20'", durable=False) as server:
        assert query(server.url("postgres"), "SELECT 1") == [(1,)]


def test_a_role_can_connect_only_to_its_own_database_and_with_its_password(
    postgres: EmbeddedPostgreSQL,
) -> None:
    postgres.create_database("private")
    postgres.create_database("guest_data", "guest")
    postgres.create_database("guest_data", "guest")
    url = postgres.url("guest_data", "guest")
    assert query(url, "SELECT current_user") == [("guest",)]
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(postgres.url("private", "guest"))
    password = urlsplit(url).password or ""
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        psycopg2.connect(url.replace(password, "0" * len(password)))


def test_another_programs_directory_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary.txt").write_text("dear diary")
    with pytest.raises(StartupError, match="is not empty"):
        EmbeddedPostgreSQL(tmp_path).start()
    assert os.listdir(tmp_path / "postgres") == ["diary.txt"]


def test_a_cluster_of_another_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("11\n")
    with pytest.raises(StartupError, match="written by PostgreSQL 11"):
        EmbeddedPostgreSQL(tmp_path).start()


def test_a_wrong_password_file_is_reported(tmp_path: Path) -> None:
    with EmbeddedPostgreSQL(tmp_path, durable=False):
        pass
    (tmp_path / "postgres.password").write_text("0" * 64)
    server = EmbeddedPostgreSQL(tmp_path, durable=False)
    with pytest.raises(StartupError, match=r"postgres\.password"), server:
        pass
    assert not server.running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_it_as_nobody_if_user_namespaces_are_forbidden(tmp_path: Path) -> None:
    """As in a container. Only root can read the directory, before and after."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    launcher = tmp_path / "launcher.py"
    script = f"""
import sys
from pathlib import Path
from app.standalone import child_launcher
source = Path(child_launcher.__file__).read_text()
refused = "raise OSError(1, 'unshare')"
source = source.replace("if _libc.unshare(_CLONE_NEWUSER) != 0:", refused + "\\n    if True:")
Path({str(launcher)!r}).write_text(source)
child_launcher.__file__ = {str(launcher)!r}
import psutil
from app.standalone.postgres import EmbeddedPostgreSQL
with EmbeddedPostgreSQL(Path({str(private)!r}) / "data", durable=False) as server:
    server.create_database("one")
    print(psutil.Process(server.pid).username())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.stdout == "nobody\n", ran.stderr
    assert private.stat().st_mode & 0o777 == 0o700
    # The same data through the other connection.
    with EmbeddedPostgreSQL(private / "data", durable=False) as server:
        assert query(server.url("one"), "SELECT 1") == [(1,)]


def test_mlflow_gets_a_database_on_the_operators_server(postgres: EmbeddedPostgreSQL) -> None:
    postgres.create_database("shop")
    given = postgres.url("shop").replace("postgresql://", "postgresql+asyncpg://")
    found = ensure_mlflow_database(given)
    assert found == ensure_mlflow_database(given)
    assert query(found, "SELECT current_database()") == [("shop_mlflow",)]


def test_a_role_that_may_not_create_databases_is_reported(
    postgres: EmbeddedPostgreSQL,
) -> None:
    postgres.create_database("leased", "tenant")
    with pytest.raises(StartupError, match=r"leased_mlflow.*HOKUSAI_MLFLOW_URL"):
        ensure_mlflow_database(postgres.url("leased", "tenant"))
