"""`hokusai-gateway doctor`, as an operator runs it: its lines, and its exit code."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from app.database.migrate import migrate
from app.standalone.data_directory import DataDirectory
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.command import CommandLine
from tests.support.gateway import RunningGateway
from tests.support.redis import RunningRedis, free_port
from tests.support.serve_process import PATIENCE, STANDALONE, run
from tests.support.sql import sql
from tests.support.waiting import wait_until

PEPPER = "the pepper of those who ask the doctor"
ATTESTOR_KEY = "5e" * 32
LINE = re.compile(r"(ok|warning|skipped|problem) +([A-Za-z]+(?: [a-z]+)?)  +(.+)")
ADMIN = ("keys", "create", "--tenant", "operator", "--name", "first", "--scope", "admin")


class Said:
    """What the doctor said: the exit code, and (level, text) of each line by its subject."""

    def __init__(self, ended: subprocess.CompletedProcess[str], given: dict[str, str]) -> None:
        assert ended.stderr == ""
        self.code = ended.returncode
        self.output = ended.stdout
        for secret in (PEPPER, ATTESTOR_KEY, *re.findall(r"//[^:/]*:([^@]+)@", str(given))):
            assert secret not in self.output
        *lines, empty, self.summary = self.output.splitlines()
        assert empty == ""
        self.lines: dict[str, tuple[str, str]] = {}
        for line in lines:
            found = LINE.fullmatch(line)
            assert found is not None, line
            self.lines[found[2]] = (found[1], found[3])

    def levels(self) -> dict[str, str]:
        return {subject: level for subject, (level, _) in self.lines.items()}

    def problem(self, subject: str, text: str) -> None:
        """This is the one problem, and its line has the text."""
        assert [name for name, level in self.levels().items() if level == "problem"] == [subject]
        assert text in self.lines[subject][1], self.output
        assert (self.code, self.summary) == (1, "1 problem: its line says what to do.")


class Practice:
    """Asks the doctor with good settings, but for those that a test gives."""

    def __init__(self, commands: CommandLine, url: str, mlflow: str, directory: Path) -> None:
        self.commands = commands
        self.settings = {
            "database_url": url,
            "mlflow_url": mlflow,
            "key_pepper": PEPPER,
            "attestor_key": ATTESTOR_KEY,
            "data_dir": str(directory / "data"),
            "port": str(free_port()),
        }

    def ask(self, *, without: tuple[str, ...] = (), **given: str) -> Said:
        """In this process."""
        settings = {**self.settings, **given}
        for name in without:
            del settings[name]
        variables = {f"HOKUSAI_{name.upper()}": value for name, value in settings.items()}
        return Said(self.commands.run("doctor", **variables), settings)

    def ask_process(self, *, without: tuple[str, ...] = (), blocked: str = "") -> Said:
        """In a process of its own, where the modules `blocked` are as good as not installed."""
        settings = {name: value for name, value in self.settings.items() if name not in without}
        return Said(run("doctor", blocked=blocked, **settings), settings)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.settings["database_url"])) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []


@pytest.fixture
def practice(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Practice:
    commands = CommandLine(monkeypatch, capsys)
    return Practice(commands, new_database(), mlflow_server.url, tmp_path)


@pytest.fixture
def well(practice: Practice) -> Practice:
    """Everything is there, an admin key too."""
    given = {f"HOKUSAI_{name.upper()}": value for name, value in practice.settings.items()}
    made = practice.commands.run(*ADMIN, **given)
    assert made.returncode == 0, made.stderr
    return practice


def test_all_is_well(well: Practice) -> None:
    said = well.ask_process()
    assert list(said.lines) == [
        *("settings", "pepper", "attestor", "PostgreSQL", "clock", "schema", "keys"),
        *("attestations", "admin key", "MLflow", "credential", "workspaces", "port"),
    ]
    assert set(said.levels().values()) == {"ok"}, said.output
    assert (said.code, said.summary) == (0, "No problems: the gateway could serve.")
    assert re.match(r"\d+\.\d+ at ", said.lines["PostgreSQL"][1])
    assert re.match(r"\d+\.\d+\.\d+ at http://127", said.lines["MLflow"][1])
    assert re.search(r"0x[0-9a-fA-F]{40}", said.lines["attestor"][1])


def test_nothing_is_written(practice: Practice) -> None:
    said = practice.ask(without=("key_pepper", "attestor_key"))
    assert said.code == 0, said.output
    assert said.levels()["admin key"] == "warning"
    assert said.summary.startswith("No problems: the gateway could serve.")
    practice.ask()
    assert practice.sql("select version from pepper_fingerprints") == []
    assert practice.sql("select address from attestors") == []
    assert not Path(practice.settings["data_dir"]).exists()


def test_a_database_that_is_away(well: Practice) -> None:
    said = well.ask(database_url="postgresql://user:hidden@127.0.0.1:9/registry")
    said.problem("PostgreSQL", "cannot be used at 127.0.0.1:9/registry: ")
    # The rest is looked at all the same.
    assert said.levels()["workspaces"] == "ok"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://u:hid/den@127.0.0.1:9/x", "at 127.0.0.1:9/x: "),
        ("postgresql://u:hid@den@127.0.0.1:9/x", "at 127.0.0.1:9/x: "),
        ("postgresql://u:hid@den/hid@127.0.0.1:9/x", "at 127.0.0.1:9/x: "),
        ("postgresql://u:hidden@127.0.0.1:port/x", "HOKUSAI_DATABASE_URL cannot be read"),
        ("postgresql://u:hidden@127.0.0.1:9/x?odd=1", "HOKUSAI_DATABASE_URL: the only options"),
        ("postgresql://u:hidden@127.0.0.1:99999/x", "HOKUSAI_DATABASE_URL: a port"),
    ],
)
def test_no_part_of_a_password_is_shown(well: Practice, url: str, text: str) -> None:
    said = well.ask(database_url=url)
    said.problem("PostgreSQL", text)
    assert "hid" not in said.output
    assert "den@" not in said.output


def test_a_database_that_was_not_migrated(well: Practice, postgres: EmbeddedPostgreSQL) -> None:
    name = f"empty_{secrets.token_hex(4)}"
    postgres.create_database(name)
    said = well.ask(database_url=postgres.url(name))
    said.problem("schema", "missing: run `hokusai-gateway migrate`")
    assert said.levels()["admin key"] == "skipped"
    migrate(postgres.url(name))
    assert well.ask(database_url=postgres.url(name)).code == 0


def test_a_schema_of_another_release(well: Practice) -> None:
    well.sql("update alembic_version set version_num = '0001'")
    well.ask().problem("schema", "revision 0001 instead of")
    well.sql("update alembic_version set version_num = '9999'")
    said = well.ask()
    assert said.code == 0, said.output
    assert "later release" in said.lines["schema"][1]


def test_another_pepper(well: Practice) -> None:
    said = well.ask(key_pepper="a pepper that made none of the keys")
    said.problem(
        "keys",
        "HOKUSAI_KEY_PEPPER: pepper 1 is not the one that this database's keys were made with",
    )
    well.ask(without=("key_pepper",)).problem("keys", "HOKUSAI_KEY_PEPPER is not set, but")


def test_another_attestor(well: Practice) -> None:
    address = "0x52908400098527886E0F7030069857D2E4169EE7"
    well.sql(
        "insert into attestors values (%s, %s, now())", address, "hokusai.registry+00000000+AA=="
    )
    well.ask().problem("attestations", f"{address} signed this database's attestations")
    well.ask(without=("attestor_key",)).problem("attestations", f"{address} signed those")
    assert well.ask(retired_attestors=address).code == 0


def test_an_attestor_key_that_is_none(well: Practice) -> None:
    well.ask(attestor_key="5e5e5e").problem("attestor", "32 bytes in hexadecimal")


def test_no_admin_key_that_works(well: Practice) -> None:
    well.sql("update api_keys set revoked_at = now()")
    well.ask().problem("admin key", "all are revoked or expired")


def test_a_clock_that_is_wrong(well: Practice) -> None:
    name = well.settings["database_url"].partition("?")[0].rpartition("/")[2]
    well.sql("create schema late")
    well.sql(
        "create function late.clock_timestamp() returns timestamptz language sql as "
        "$$ select pg_catalog.clock_timestamp() - interval '90 seconds' $$"
    )
    well.sql(f"alter database {name} set search_path = late, pg_catalog, public")
    said = well.ask()
    assert said.code == 0, said.output
    level, text = said.lines["clock"]
    assert level == "warning"
    assert re.match(r"(89|90)\.\d s ahead of PostgreSQL's", text)


def test_an_mlflow_that_is_away(well: Practice) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    well.ask(mlflow_url=url).problem("MLflow", f"{url}: MLflow cannot be reached: ")


def test_an_mlflow_that_is_silent(well: Practice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        well.ask(mlflow_url=url).problem("MLflow", f"no response from {url} within")


class Silent(BaseHTTPRequestHandler):
    """Logs nothing: standard error is the doctor's."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_what_is_no_mlflow(well: Practice) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        said = well.ask(mlflow_url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    said.problem(
        "credential", "MLflow responded with 501 to /api/2.0/mlflow/experiments/search. See "
    )


@pytest.fixture(scope="module")
def plain_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow without workspaces: its URL."""
    directory, port = tmp_path_factory.mktemp("plain"), free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", str(directory / "artifacts")),
    ]
    url = f"http://127.0.0.1:{port}"
    with (directory / "log").open("wb") as log:
        # Its job runner would be eight processes more.
        environment = os.environ | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def answers() -> bool:
        assert process.poll() is None, (directory / "log").read_text()
        try:
            return httpx.get(f"{url}/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, PATIENCE)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_an_mlflow_without_workspaces(well: Practice, plain_mlflow: str) -> None:
    said = well.ask(mlflow_url=plain_mlflow)
    said.problem("workspaces", "start it with --enable-workspaces")
    said = well.ask(mlflow_url=plain_mlflow, tenancy="shared")
    assert said.code == 0
    assert said.lines["settings"][0] == "warning"
    assert "every tenant sees" in said.lines["settings"][1]


def test_a_lease_that_ends_before_a_request_may(well: Practice) -> None:
    said = well.ask(registration_lease="10")
    assert (said.code, said.lines["settings"][0]) == (0, "warning")
    assert "HOKUSAI_REGISTRATION_LEASE=10" in said.lines["settings"][1]


GOOD = "Basic Z2F0ZXdheTpwYXNzd29yZDEyMzQ="


@pytest.fixture
def guarded_mlflow(mlflow_server: ChildMLflow) -> Iterator[str]:
    """The real MLflow behind a proxy that asks for a name and a password: its URL."""

    class Guard(Silent):
        def do_GET(self) -> None:
            status, body = 401, b""
            if self.headers["Authorization"] == GOOD:
                answer = httpx.get(mlflow_server.url + self.path, trust_env=False)
                status, body = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_mlflow_that_asks_for_a_password(well: Practice, guarded_mlflow: str) -> None:
    said = well.ask(mlflow_url=guarded_mlflow)
    said.problem("credential", "MLflow requires one: set HOKUSAI_MLFLOW_AUTHORIZATION")
    wrong = "Basic Z2F0ZXdheTp3cm9uZw=="
    said = well.ask(mlflow_url=guarded_mlflow, mlflow_authorization=wrong)
    said.problem("credential", "MLflow rejects the one in HOKUSAI_MLFLOW_AUTHORIZATION")
    assert wrong not in said.output
    said = well.ask(mlflow_url=guarded_mlflow, mlflow_authorization=GOOD)
    assert said.code == 0, said.output
    assert said.lines["credential"] == ("ok", "accepted by MLflow")
    assert GOOD not in said.output


def test_redis(well: Practice, tmp_path: Path) -> None:
    with RunningRedis(tmp_path, password="hidden-from-all") as redis:
        said = well.ask(redis_url=redis.url)
        assert said.code == 0, said.output
        assert said.lines["Redis"] == ("ok", f"responds at 127.0.0.1:{redis.port}")
        assert redis.command("KEYS", "*") == []
        wrong = redis.url.replace("hidden-from-all", "another-one")
        well.ask(redis_url=wrong).problem("Redis", "AuthenticationError")
        url = redis.url
    well.ask(redis_url=url).problem("Redis", "ConnectionError")


def test_a_port_in_use(well: Practice, gateway: RunningGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = str(listener.getsockname()[1])
        well.ask(metrics_port=taken).problem("metrics port", "HOKUSAI_METRICS_PORT")
    # Something that answers, and is no gateway.
    mlflow = well.settings["mlflow_url"].rpartition(":")[2]
    well.ask(port=mlflow).problem("port", "stop what uses it")
    said = well.ask(port=str(gateway.port))
    assert said.code == 0, said.output
    assert said.lines["port"][1].endswith(f"serves at {gateway.url} and is ready")


def test_a_gateway_that_is_not_ready(well: Practice, new_database: Callable[[], str]) -> None:
    url = new_database()
    with RunningGateway(url, well.settings["mlflow_url"]) as running:
        sql(running, "update alembic_version set version_num = '0001'")
        said = well.ask(port=str(running.port))
    said.problem("port", f"serves at {running.url} but is not ready: migrations: revision 0001")


def test_a_wrong_setting() -> None:
    ended = run("doctor", port="many", key_pepper=PEPPER)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: HOKUSAI_PORT: ")
    assert ended.stderr.count("\n") == 1


def test_a_name_that_is_no_setting(well: Practice) -> None:
    said = well.ask(databse_url="postgresql://u:hidden@h/d")
    assert said.code == 0
    assert said.lines["settings"] == (
        "warning",
        "HOKUSAI_DATABSE_URL is not a setting and is ignored; the most similar one is "
        "HOKUSAI_DATABASE_URL",
    )


ALONE = ("database_url", "mlflow_url", "key_pepper", "attestor_key")


def test_what_serve_starts_itself(practice: Practice) -> None:
    said = practice.ask_process(without=ALONE)
    assert said.code == 0, said.output
    assert set(said.levels().values()) == {"ok"}
    assert "serve` starts its own PostgreSQL" in said.lines["PostgreSQL"][1]
    assert "`serve` starts " in said.lines["MLflow"][1]
    assert not Path(practice.settings["data_dir"]).exists()
    said = practice.ask_process(without=ALONE, blocked=STANDALONE)
    assert said.code == 1
    assert "install the extra `standalone`" in said.lines["PostgreSQL"][1]


def test_what_serve_has_started(well: Practice, tmp_path: Path) -> None:
    """What is in a data directory is used; that its PostgreSQL is stopped is no problem."""
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    directory.write_database_url(well.settings["database_url"])
    directory.ensure_attestor_key()
    directory.ensure_pepper()
    said = well.ask(without=ALONE)
    said.problem("keys", "pepper 1 is not the one")
    said = well.ask(without=("database_url",))
    assert said.code == 0, said.output
    assert re.match(r"\d+\.\d+ at ", said.lines["PostgreSQL"][1])
    directory.write_database_url("postgresql://hokusai:hidden@/hokusai?host=/nowhere")
    said = well.ask(without=("database_url",))
    assert said.code == 0, said.output
    assert said.levels()["PostgreSQL"] == "skipped"
