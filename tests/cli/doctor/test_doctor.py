"""`hokusai-gateway doctor`, as an operator runs it: its output and its exit code.

Longer than most files here: one test for each line that the doctor prints, over one fixture.
"""

import os
import pwd
import re
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psycopg2
import pytest
from eth_account import Account

from app.cli.doctor import host_checks
from app.database.migrate import migrate
from app.database.privileges import grant
from app.standalone.data_directory import DataDirectory
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import SERVING, EmbeddedPostgreSQL
from tests.cli.command_line import CommandLine
from tests.faults.test_refused_writes import fill_disk
from tests.support import forked_mlflow
from tests.support.ethereum_node import REGISTRY, VERIFIER, StandInNode, ethereum_node
from tests.support.gateway import RunningGateway
from tests.support.redis import RunningRedis, free_port
from tests.support.serve_process import PATIENCE, STANDALONE, run
from tests.support.sql import sql
from tests.support.waiting import wait_until

PEPPER = "the pepper of the doctor tests"
ATTESTOR_KEY = "5e" * 32
LINE = re.compile(r"(ok|warning|skipped|problem) +([A-Za-z]+(?: [a-z]+)?)  +(.+)")
ADMIN = ("keys", "create", "--tenant", "operator", "--name", "first", "--scope", "admin")


class Report:
    """The output of the doctor: the exit code, and (level, text) of each line by its subject."""

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
        """Fails unless this is the only problem, and its line contains the text."""
        assert [name for name, level in self.levels().items() if level == "problem"] == [subject]
        assert text in self.lines[subject][1], self.output
        assert (self.code, self.summary) == (1, "1 problem: its line says what to do.")


class Doctor:
    """Runs the doctor with valid settings, apart from those that a test changes."""

    def __init__(
        self, commands: CommandLine, url: str, owner_url: str, mlflow: str, directory: Path
    ) -> None:
        self.commands = commands
        self.owner_url = owner_url
        self.settings = {
            "database_url": url,
            "mlflow_url": mlflow,
            "key_pepper": PEPPER,
            "attestor_key": ATTESTOR_KEY,
            "data_dir": str(directory / "data"),
            "port": str(free_port()),
        }

    def run(self, *, without: tuple[str, ...] = (), **given: str) -> Report:
        """Run in this process."""
        settings = {**self.settings, **given}
        for name in without:
            del settings[name]
        variables = {f"HOKUSAI_{name.upper()}": value for name, value in settings.items()}
        return Report(self.commands.run("doctor", **variables), settings)

    def run_process(self, *, without: tuple[str, ...] = (), blocked: str = "") -> Report:
        """Run in a new process, in which importing a `blocked` module fails."""
        settings = {name: value for name, value in self.settings.items() if name not in without}
        return Report(run("doctor", blocked=blocked, **settings), settings)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of the database."""
        with closing(psycopg2.connect(self.owner_url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []


@pytest.fixture
def doctor(
    new_database: Callable[[], str],
    postgres: EmbeddedPostgreSQL,
    mlflow_server: ChildMLflow,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Doctor:
    commands = CommandLine(monkeypatch, capsys)
    owner_url = new_database()
    name = owner_url.partition("?")[0].rpartition("/")[2]
    postgres.create_serving_role(name)
    grant(owner_url, SERVING)
    url = postgres.url(name, SERVING)
    return Doctor(commands, url, owner_url, mlflow_server.url, tmp_path)


@pytest.fixture
def healthy(doctor: Doctor) -> Doctor:
    """The doctor of a complete installation, with an admin key."""
    given = {f"HOKUSAI_{name.upper()}": value for name, value in doctor.settings.items()}
    made = doctor.commands.run(*ADMIN, **given)
    assert made.returncode == 0, made.stderr
    return doctor


def test_all_is_well(healthy: Doctor) -> None:
    report = healthy.run_process()
    assert list(report.lines) == [
        *(
            "settings",
            "pepper",
            "attestor",
            "PostgreSQL",
            "clock",
            "schema",
            "role",
            "writes",
            "keys",
        ),
        *("attestations", "admin key", "MLflow", "credential", "workspaces", "port"),
    ]
    assert set(report.levels().values()) == {"ok"}, report.output
    assert (report.code, report.summary) == (0, "No problems: the gateway could serve.")
    assert re.match(r"\d+\.\d+ at ", report.lines["PostgreSQL"][1])
    assert re.match(r"\d+\.\d+\.\d+ at http://127", report.lines["MLflow"][1])
    assert re.search(r"0x[0-9a-fA-F]{40}", report.lines["attestor"][1])


def test_doctor_writes_nothing(doctor: Doctor) -> None:
    report = doctor.run(without=("key_pepper", "attestor_key"))
    assert report.code == 0, report.output
    assert report.levels()["admin key"] == "warning"
    assert report.summary.startswith("No problems: the gateway could serve.")
    doctor.run()
    assert doctor.sql("select version from pepper_fingerprints") == []
    assert doctor.sql("select address from attestors") == []
    assert not Path(doctor.settings["data_dir"]).exists()


def test_an_unreachable_database(healthy: Doctor) -> None:
    report = healthy.run(database_url="postgresql://user:hidden@127.0.0.1:9/registry")
    report.problem("PostgreSQL", "cannot be used at 127.0.0.1:9/registry: ")
    # The other checks still run.
    assert report.levels()["workspaces"] == "ok"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://u:hid/den@127.0.0.1:9/x", "at 127.0.0.1:9/x: "),
        ("postgresql://u:hid@den@127.0.0.1:9/x", "at 127.0.0.1:9/x: "),
        ("postgresql://u:hid@den/hid@127.0.0.1:9/x", "at 127.0.0.1:9/x: "),
        ("postgresql://u:hidden@127.0.0.1:port/x", "HOKUSAI_DATABASE_URL cannot be read"),
        ("postgresql://u:hidden@127.0.0.1:9/x?odd=1", "HOKUSAI_DATABASE_URL: only sslmode"),
        ("postgresql://u:hidden@127.0.0.1:99999/x", "HOKUSAI_DATABASE_URL: the port"),
    ],
)
def test_no_part_of_a_password_is_shown(healthy: Doctor, url: str, text: str) -> None:
    report = healthy.run(database_url=url)
    report.problem("PostgreSQL", text)
    assert "hid" not in report.output
    assert "den@" not in report.output


def test_a_database_that_was_not_migrated(healthy: Doctor, postgres: EmbeddedPostgreSQL) -> None:
    name = f"empty_{secrets.token_hex(4)}"
    postgres.create_database(name)
    report = healthy.run(database_url=postgres.url(name))
    report.problem("schema", "missing: run `hokusai-gateway migrate`")
    assert report.levels()["admin key"] == "skipped"
    migrate(postgres.url(name))
    assert healthy.run(database_url=postgres.url(name)).code == 0


def test_a_schema_of_another_release(healthy: Doctor) -> None:
    healthy.sql("update alembic_version set version_num = '0001'")
    healthy.run().problem("schema", "revision 0001 instead of")
    healthy.sql("update alembic_version set version_num = '9999'")
    report = healthy.run()
    assert report.code == 0, report.output
    assert "later release" in report.lines["schema"][1]


def test_another_pepper(healthy: Doctor) -> None:
    report = healthy.run(key_pepper="a pepper that made none of the keys")
    report.problem(
        "keys",
        "HOKUSAI_KEY_PEPPER: pepper 1 is not the one that this database's keys were made with",
    )
    healthy.run(without=("key_pepper",)).problem("keys", "HOKUSAI_KEY_PEPPER is not set, but")


def test_another_attestor(healthy: Doctor) -> None:
    address = "0x52908400098527886E0F7030069857D2E4169EE7"
    healthy.sql(
        "insert into attestors values (%s, %s, now())", address, "hokusai.registry+00000000+AA=="
    )
    healthy.run().problem("attestations", f"{address} signed this database's attestations")
    healthy.run(without=("attestor_key",)).problem("attestations", f"{address} signed those")
    assert healthy.run(retired_attestors=address).code == 0


def test_an_invalid_attestor_key(healthy: Doctor) -> None:
    healthy.run(attestor_key="5e5e5e").problem("attestor", "32 bytes in hexadecimal")


def test_without_a_valid_admin_key(healthy: Doctor) -> None:
    healthy.sql("update api_keys set revoked_at = now()")
    healthy.run().problem("admin key", "all are revoked or expired")


def test_a_clock_that_is_wrong(healthy: Doctor) -> None:
    name = healthy.settings["database_url"].partition("?")[0].rpartition("/")[2]
    healthy.sql("create schema late")
    healthy.sql("grant usage on schema late to public")
    healthy.sql(
        "create function late.clock_timestamp() returns timestamptz language sql as "
        "$$ select pg_catalog.clock_timestamp() - interval '90 seconds' $$"
    )
    healthy.sql(f"alter database {name} set search_path = late, pg_catalog, public")
    report = healthy.run()
    assert report.code == 0, report.output
    level, text = report.lines["clock"]
    assert level == "warning"
    assert re.match(r"(89|90)\.\d s ahead of PostgreSQL's", text)


def test_an_unreachable_mlflow(healthy: Doctor) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    healthy.run(mlflow_url=url).problem("MLflow", f"{url}: MLflow cannot be reached: ")


def test_an_mlflow_that_does_not_respond(healthy: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        healthy.run(mlflow_url=url).problem("MLflow", f"no response from {url} within")


class Silent(BaseHTTPRequestHandler):
    """A handler without a log: standard error is the doctor's alone."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_server_that_is_not_mlflow(healthy: Doctor) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        report = healthy.run(mlflow_url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    report.problem(
        "credential", "MLflow responded with 501 to /api/2.0/mlflow/experiments/search. See "
    )


@pytest.fixture(scope="module")
def plain_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real MLflow without workspaces."""
    directory, port = tmp_path_factory.mktemp("plain"), free_port()
    arguments = [
        *("server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", str(directory / "artifacts")),
        *("--allowed-hosts", f"127.0.0.1:{port}"),
    ]
    url = f"http://127.0.0.1:{port}"
    with (directory / "log").open("wb") as log:
        # Its job runner would start eight more processes.
        environment = os.environ | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        process = forked_mlflow.start(arguments, directory, environment, log)

    def responses() -> bool:
        assert process.poll() is None, (directory / "log").read_text()
        try:
            return httpx.get(f"{url}/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(responses, PATIENCE)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_an_mlflow_without_workspaces(healthy: Doctor, plain_mlflow: str) -> None:
    report = healthy.run(mlflow_url=plain_mlflow)
    report.problem("workspaces", "start it with --enable-workspaces")
    report = healthy.run(mlflow_url=plain_mlflow, tenancy="shared")
    assert report.code == 0
    assert report.lines["settings"][0] == "warning"
    assert "every tenant sees" in report.lines["settings"][1]


def test_an_mlflow_that_refuses_the_host_header(
    healthy: Doctor, plain_mlflow: str, new_database: Callable[[], str]
) -> None:
    # It allows 127.0.0.1 with its port only.
    other = plain_mlflow.replace("127.0.0.1", "localhost")
    healthy.run(mlflow_url=other).problem("host", "to MLflow's --allowed-hosts")
    with (
        RunningGateway(new_database(), other, tenancy="shared") as gateway,
        gateway.client(gateway.key()) as client,
    ):
        check = client.get("/readyz").json()["checks"]["upstream"]
        refused = client.post(f"{gateway.mlflow}/api/2.0/mlflow/experiments/search", json={})
    assert check["ready"] is False
    assert "--allowed-hosts" in check["detail"]
    assert (refused.status_code, refused.json()["reason"]) == (502, "upstream_misconfigured")


def test_a_read_only_database(healthy: Doctor) -> None:
    name = healthy.settings["database_url"].partition("?")[0].rpartition("/")[2]
    healthy.sql(f"alter database {name} set default_transaction_read_only = on")
    healthy.run().problem("writes", "read-only transaction; connect to the primary")


def test_a_database_without_space(healthy: Doctor) -> None:
    fill_disk(healthy.owner_url)
    healthy.run().problem("writes", "No space left on device; free space on its disk")


def test_a_role_that_may_not_create_tables(healthy: Doctor, postgres: EmbeddedPostgreSQL) -> None:
    name = f"locked_{secrets.token_hex(4)}"
    postgres.create_database(name)
    postgres.create_database("unrelated", "reader")
    with closing(psycopg2.connect(postgres.url(name))) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"grant connect on database {name} to reader")
    url = postgres.url(name, "reader")
    report = healthy.run(database_url=url)
    report.problem("schema", 'run `GRANT USAGE, CREATE ON SCHEMA public TO "reader"`; then run')
    ended = healthy.commands.run("migrate", HOKUSAI_DATABASE_URL=url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "permission denied for schema public" in ended.stderr
    assert 'GRANT USAGE, CREATE ON SCHEMA public TO "reader"' in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_user_without_a_name_and_a_home_directory(
    healthy: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in containers that run with any number as their user."""

    def unknown(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.delenv(name, raising=False)
    assert healthy.run().code == 0
    given = {f"HOKUSAI_{name.upper()}": value for name, value in healthy.settings.items()}
    assert healthy.commands.run("migrate", **given).returncode == 0
    assert healthy.commands.run("keys", "list", **given).returncode == 0
    # Without a role in the URL, it would be the name of this user.
    report = healthy.run(database_url="postgresql://127.0.0.1:9/registry")
    assert report.levels()["PostgreSQL"] == "problem"


def test_a_role_that_could_change_the_audit_log(healthy: Doctor) -> None:
    assert healthy.run().levels()["role"] == "ok"
    level, text = healthy.run(database_url=healthy.owner_url).lines["role"]
    assert level == "warning"
    assert "is a superuser, so it could change the audit log" in text
    healthy.sql(f"grant delete on audit_events to {SERVING}")
    level, text = healthy.run().lines["role"]
    assert (level, "may change audit_events" in text) == ("warning", True)
    healthy.sql(f"alter table tenants owner to {SERVING}")
    assert "owns the tables" in healthy.run().lines["role"][1]


def test_a_role_that_lacks_a_privilege(healthy: Doctor) -> None:
    healthy.sql(f"revoke delete on nonces from {SERVING}")
    healthy.run().problem("writes", "permission denied for table nonces; run `hokusai-gateway")


def test_the_disk_of_the_data_directory(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_checks, "LOW_FREE", 2**62)
    assert doctor.run(without=("mlflow_url",)).levels()["disk"] == "warning"
    monkeypatch.setattr(host_checks, "MIN_FREE", 2**62)
    doctor.run(without=("mlflow_url",)).problem("disk", "set HOKUSAI_DATA_DIR")


def test_a_registration_lease_shorter_than_a_request_may_take(healthy: Doctor) -> None:
    report = healthy.run(registration_lease="10")
    assert (report.code, report.lines["settings"][0]) == (0, "warning")
    assert "HOKUSAI_REGISTRATION_LEASE=10" in report.lines["settings"][1]


GOOD = "Basic Z2F0ZXdheTpwYXNzd29yZDEyMzQ="


@pytest.fixture
def guarded_mlflow(mlflow_server: ChildMLflow) -> Iterator[str]:
    """The URL of a proxy in front of the real MLflow that requires a name and a password."""

    class Guard(Silent):
        def do_GET(self) -> None:
            status, body = 401, b""
            if self.headers["Authorization"] == GOOD:
                response = httpx.get(mlflow_server.url + self.path, trust_env=False)
                status, body = response.status_code, response.content
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


def test_an_mlflow_that_requires_a_password(healthy: Doctor, guarded_mlflow: str) -> None:
    report = healthy.run(mlflow_url=guarded_mlflow)
    report.problem("credential", "MLflow requires one: set HOKUSAI_MLFLOW_AUTHORIZATION")
    wrong = "Basic Z2F0ZXdheTp3cm9uZw=="
    report = healthy.run(mlflow_url=guarded_mlflow, mlflow_authorization=wrong)
    report.problem("credential", "MLflow rejects the one in HOKUSAI_MLFLOW_AUTHORIZATION")
    assert wrong not in report.output
    report = healthy.run(mlflow_url=guarded_mlflow, mlflow_authorization=GOOD)
    assert report.code == 0, report.output
    assert report.lines["credential"] == ("ok", "accepted by MLflow")
    assert GOOD not in report.output


def test_redis(healthy: Doctor, tmp_path: Path) -> None:
    with RunningRedis(tmp_path, password="hidden-from-all") as redis:
        report = healthy.run(redis_url=redis.url)
        assert report.code == 0, report.output
        assert report.lines["Redis"] == ("ok", f"counts at 127.0.0.1:{redis.port}")
        assert redis.command("KEYS", "*") == []
        wrong = redis.url.replace("hidden-from-all", "another-one")
        healthy.run(redis_url=wrong).problem("Redis", "AuthenticationError")
        url = redis.url
    healthy.run(redis_url=url).problem("Redis", "ConnectionError")


def test_an_ethereum_node(healthy: Doctor) -> None:
    with ethereum_node(StandInNode()) as node:
        given: dict[str, Any] = {"rpc_url": node.url, "model_registry": REGISTRY}
        report = healthy.run(**given)
        assert report.code == 0, report.output
        assert report.lines["chain"] == ("ok", "a node of chain 1 with the ModelRegistry")
        with_verifier = healthy.run(**given, verifying_contract=VERIFIER)
        assert with_verifier.lines["chain"] == report.lines["chain"]
        assert with_verifier.lines["attestors"][0] == "ok"
        signer = "0x" + "12" * 20
        named = given | {"verifying_contract": VERIFIER, "mint_signers": signer}
        node.attestors = set()
        healthy.run(**named).problem("attestors", "isAttester")
        own = Account.from_key(ATTESTOR_KEY).address
        node.attestors = {own.lower()}
        report = healthy.run(**named)
        assert (report.code, report.lines["attestors"][0]) == (0, "warning")
        assert signer in report.lines["attestors"][1]
        healthy.run(**named, mint_signatures="2").problem("attestors", "HOKUSAI_MINT_SIGNATURES")
        healthy.run(**given, verifying_contract="0x" + "b2" * 20).problem(
            "chain", "HOKUSAI_VERIFYING_CONTRACT"
        )
        healthy.run(**given, chain_id="5").problem("chain", "HOKUSAI_CHAIN_ID")
        healthy.run(**given | {"model_registry": "0x" + "b2" * 20}).problem(
            "chain", "HOKUSAI_MODEL_REGISTRY"
        )
    report = healthy.run(**given)
    report.problem("chain", "HOKUSAI_RPC_URL")
    assert "SECRETKEY" not in report.output


def test_a_port_in_use(healthy: Doctor, gateway: RunningGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = str(listener.getsockname()[1])
        healthy.run(metrics_port=taken).problem("metrics port", "HOKUSAI_METRICS_PORT")
    # A server that is not a gateway.
    mlflow = healthy.settings["mlflow_url"].rpartition(":")[2]
    healthy.run(port=mlflow).problem("port", "stop what uses it")
    report = healthy.run(port=str(gateway.port))
    assert report.code == 0, report.output
    assert report.lines["port"][1].endswith(f"serves at {gateway.url} and is ready")


def test_a_gateway_that_is_not_ready(healthy: Doctor, new_database: Callable[[], str]) -> None:
    url = new_database()
    with RunningGateway(url, healthy.settings["mlflow_url"]) as running:
        sql(running, "update alembic_version set version_num = '0001'")
        report = healthy.run(port=str(running.port))
    report.problem("port", f"serves at {running.url} but is not ready: migrations: revision 0001")


def test_an_invalid_setting() -> None:
    ended = run("doctor", port="many", key_pepper=PEPPER)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: HOKUSAI_PORT: ")
    assert ended.stderr.count("\n") == 1


def test_an_unknown_setting(healthy: Doctor) -> None:
    report = healthy.run(databse_url="postgresql://u:hidden@h/d")
    assert report.code == 0
    assert report.lines["settings"] == (
        "warning",
        "HOKUSAI_DATABSE_URL is not a setting and is ignored; the most similar one is "
        "HOKUSAI_DATABASE_URL",
    )


ALONE = ("database_url", "mlflow_url", "key_pepper", "attestor_key")


def test_the_services_that_serve_starts(doctor: Doctor) -> None:
    report = doctor.run_process(without=ALONE)
    assert report.code == 0, report.output
    assert set(report.levels().values()) == {"ok"}
    assert "serve` starts its own PostgreSQL" in report.lines["PostgreSQL"][1]
    assert "`serve` starts " in report.lines["MLflow"][1]
    assert not Path(doctor.settings["data_dir"]).exists()
    report = doctor.run_process(without=ALONE, blocked=STANDALONE)
    assert report.code == 1
    assert "install the extra `standalone`" in report.lines["PostgreSQL"][1]


def test_a_data_directory_that_serve_has_used(healthy: Doctor, tmp_path: Path) -> None:
    """Files of a data directory are used; that its PostgreSQL is stopped is not a problem."""
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    directory.write_database_url(healthy.settings["database_url"])
    directory.ensure_attestor_key()
    directory.ensure_pepper()
    report = healthy.run(without=ALONE)
    report.problem("keys", "pepper 1 is not the one")
    report = healthy.run(without=("database_url",))
    assert report.code == 0, report.output
    assert re.match(r"\d+\.\d+ at ", report.lines["PostgreSQL"][1])
    directory.write_database_url("postgresql://hokusai:hidden@/hokusai?host=/nowhere")
    report = healthy.run(without=("database_url",))
    assert report.code == 0, report.output
    assert report.levels()["PostgreSQL"] == "skipped"
