"""The production server: with a database and an MLflow, no child process is started."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.serve_process import (
    PATIENCE,
    STANDALONE,
    ServeProcess,
    command_line,
    environment_of,
    run,
)
from tests.support.waiting import wait_until

# The gateway serves although Redis is unreachable.
TWO_WORKERS = {"workers": "2", "redis_url": "redis://127.0.0.1:9"}


def production(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> dict[str, str]:
    return {"database_url": new_database(), "mlflow_url": mlflow_server.url}


def test_with_both_given_it_needs_no_extra_package_and_starts_no_child(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    given = production(new_database, mlflow_server)
    with ServeProcess(tmp_path / "data", blocked=STANDALONE, **given) as serving:
        serving.wait_for_status("/readyz", 200)
        assert serving.descendants() == []
        assert "Starting MLflow" not in serving.output


def test_the_start_report_has_no_password(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    given = production(new_database, mlflow_server)
    password = urlsplit(given["database_url"]).password
    assert password
    with ServeProcess(tmp_path / "data", **given) as serving:
        assert serving.url
        assert password not in serving.output


def test_with_json_logs_all_output_is_json(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    given = production(new_database, mlflow_server) | {"log_format": "json", "unknown": "x"}
    with ServeProcess(tmp_path / "data", tenancy="shared", **given) as serving:
        serving.wait_for("server.started")
        key = serving.admin_key
        assert serving.stop(signal.SIGTERM) == 0
        lines = [json.loads(line) for line in serving.output.splitlines()]
    events = {line["event"] for line in lines}
    assert {"server.starting", "server.started"} <= events
    assert lines[0]["step"].startswith("warning: HOKUSAI_UNKNOWN is not a setting")
    assert key not in serving.output
    wrong = {"port": "many", "log_format": "json", "unknown": "x"}
    ended = run("serve", data_dir=str(tmp_path), **wrong)
    assert (ended.returncode, ended.stdout) == (2, "")
    warned, failed = (json.loads(line) for line in ended.stderr.splitlines())
    assert warned["step"] == lines[0]["step"]
    assert failed["event"] == "server.failed"
    assert failed["error"].startswith("HOKUSAI_PORT: ")


def test_the_start_report_says_that_mlflow_is_unreachable(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    given = {"database_url": new_database(), "mlflow_url": "http://127.0.0.1:9"}
    with ServeProcess(tmp_path / "data", **given) as serving:
        assert serving.url
        away = "MLflow      http://127.0.0.1:9  (cannot be reached yet: Connection refused)"
        assert away in serving.output


def test_shared_tenancy_is_reported_at_start(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    given = production(new_database, mlflow_server)
    with ServeProcess(tmp_path / "data", tenancy="shared", **given) as serving:
        assert serving.url
        assert "warning: HOKUSAI_TENANCY=shared: every tenant sees" in serving.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_with_exit_code_0(
    tmp_path: Path,
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    number: signal.Signals,
) -> None:
    with ServeProcess(tmp_path / "data", **production(new_database, mlflow_server)) as serving:
        assert serving.url
        assert serving.stop(number) == 0
        assert "Traceback" not in serving.output


def test_a_second_signal_ends_it_at_once_with_exit_code_0(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with ServeProcess(tmp_path / "data", **production(new_database, mlflow_server)) as serving:
        url = urlsplit(serving.url)
        with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as client:
            # A request that never ends; one signal lets it continue.
            client.sendall(
                b"POST /api/auth/token HTTP/1.1\r\nHost: g\r\nContent-Length: 9\r\n\r\n{"
            )
            assert httpx.get(f"{serving.url}/livez", trust_env=False).status_code == 200
            serving.process.send_signal(signal.SIGINT)
            wait_until_refused(url.hostname or "", url.port or 0)
            assert serving.stop(signal.SIGINT) == 0
        # The output is about the aborted request, and not about the application.
        assert "in lifespan" not in serving.output


def test_a_request_in_flight_is_finished_before_it_stops(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with ServeProcess(tmp_path / "data", **production(new_database, mlflow_server)) as serving:
        url = urlsplit(serving.url)
        body = json.dumps({"name": "late", "tenant": "late", "scopes": ["read"]}).encode()
        head = (
            f"POST /api/admin/keys HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Authorization: Bearer {serving.admin_key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as client:
            client.sendall(head + body[:10])
            # Once a later request has its response, this head has been read.
            assert httpx.get(f"{serving.url}/livez", trust_env=False).status_code == 200
            serving.process.send_signal(signal.SIGTERM)
            wait_until_refused(url.hostname or "", url.port or 0)
            client.sendall(body[10:])
            assert client.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert serving.process.wait(PATIENCE) == 0


def wait_until_refused(host: str, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("it still accepts connections")


def test_workers_stop_with_their_parent_even_when_it_is_killed(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    given = production(new_database, mlflow_server) | TWO_WORKERS
    with ServeProcess(tmp_path / "data", **given) as serving:
        serving.wait_for_status("/readyz", 200)
        assert len(serving.workers()) == 2
        assert serving.stop(signal.SIGKILL) == -signal.SIGKILL
        assert serving.survivors() == []


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_workers_with_exit_code_0(
    tmp_path: Path,
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    number: signal.Signals,
    ready: bool,
) -> None:
    given = production(new_database, mlflow_server) | TWO_WORKERS
    with ServeProcess(tmp_path / "data", **given) as serving:
        if ready:
            serving.wait_for_status("/readyz", 200)
        else:
            wait_until(lambda: len(serving.workers()) == 2)
        assert serving.stop(number) == 0
        assert serving.survivors() == []
        assert "Traceback" not in serving.output


def test_a_terminal_that_closes_ends_it_with_exit_code_0(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    """Output after that is lost, and is not an error."""
    given = {"data_dir": str(tmp_path / "data"), "port": "0"}
    terminal, theirs = os.openpty()
    process = subprocess.Popen(
        command_line("serve"),
        env=environment_of(given | production(new_database, mlflow_server))
        | {"PYTHONUNBUFFERED": ""},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )
    os.close(theirs)
    try:
        said = b""
        while b"Ctrl-C stops" not in said:
            said += os.read(terminal, 65536)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_port_in_use_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = run("serve", data_dir=str(tmp_path / "data"), port=port)
    assert refusal(ended.stderr) == ended.stderr
    assert f"port {port}" in ended.stderr
    assert "HOKUSAI_PORT" in ended.stderr
    assert ended.returncode == 2


def test_an_unwritable_data_directory_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run("serve", data_dir=str(tmp_path / "file" / "data"), port="0")
    assert refusal(ended.stderr) == ended.stderr
    assert "HOKUSAI_DATA_DIR" in ended.stderr
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"port": "eighty"}, "HOKUSAI_PORT"),
        ({"database_url": "mysql://host/db"}, "HOKUSAI_DATABASE_URL"),
        ({"mlflow_url": "not a url"}, "HOKUSAI_MLFLOW_URL"),
        ({"mlflow_url": "http://mlflow:99999"}, "HOKUSAI_MLFLOW_URL"),
        ({"mlflow_url": "http://mlfl\u00f6w"}, "HOKUSAI_MLFLOW_URL"),
        ({"mlflow_url": "http://mlflow..svc:5000"}, "HOKUSAI_MLFLOW_URL"),
        ({"mlflow_authorization": "Bearer key\nX: y"}, "HOKUSAI_MLFLOW_AUTHORIZATION"),
        ({"public_url": "https://hokusai.example:https"}, "HOKUSAI_PUBLIC_URL"),
        ({"trusted_proxies": "10.0.0.1/8"}, "10.0.0.1/8 has host bits set"),
        ({"shutdown_grace_period": "inf"}, "HOKUSAI_SHUTDOWN_GRACE_PERIOD"),
        ({"signature_max_age": "1e300"}, "HOKUSAI_SIGNATURE_MAX_AGE"),
        ({"verifying_contract": "0x12"}, "HOKUSAI_VERIFYING_CONTRACT: '0x12' is no"),
        ({"eas_contract": "12"}, "HOKUSAI_EAS_CONTRACT: '12' is no"),
        ({"retired_attestors": f"0x{'1' * 40}, foo"}, "HOKUSAI_RETIRED_ATTESTORS: 'foo' is no"),
        ({"workers": "2"}, "HOKUSAI_REDIS_URL"),
        ({"host": "203.0.113.77"}, "HOKUSAI_HOST"),
    ],
)
def test_an_invalid_setting_prints_one_line_that_names_it(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    ended = run("serve", **{"data_dir": str(tmp_path / "data"), "port": "0", **settings})
    assert refusal(ended.stderr) == ended.stderr
    assert named in ended.stderr
    assert ended.returncode == 2


@pytest.mark.parametrize("text", [None, "this is no certificate"])
def test_unreadable_certificates_print_one_line_that_names_the_setting(
    tmp_path: Path, new_database: Callable[[], str], text: str | None
) -> None:
    file = tmp_path / "authority.pem"
    if text is not None:
        file.write_text(text)
    given = {
        "database_url": new_database(),
        "mlflow_url": "https://127.0.0.1:9",
        "mlflow_ca_file": str(file),
    }
    ended = run("serve", data_dir=str(tmp_path / "data"), port="0", **given)
    assert refusal(ended.stderr) in ended.stderr
    assert f"HOKUSAI_MLFLOW_CA_FILE: cannot read certificates in PEM from {file}: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 2


def test_a_missing_extra_prints_one_line_that_names_it(tmp_path: Path) -> None:
    ended = run("serve", blocked=STANDALONE, data_dir=str(tmp_path / "data"), port="0")
    assert refusal(ended.stderr) == ended.stderr
    assert "`standalone`" in ended.stderr
    assert ended.returncode == 2


@pytest.mark.parametrize("given", [{"mlflow_url": "http://127.0.0.1:9"}, {}])
def test_an_unreachable_database_prints_one_line_and_exits_with_2(
    tmp_path: Path, given: dict[str, str]
) -> None:
    url = "postgresql://u:secret@127.0.0.1:9/db"
    ended = run("serve", data_dir=str(tmp_path / "data"), port="0", database_url=url, **given)
    assert refusal(ended.stderr) == ended.stderr
    assert "HOKUSAI_DATABASE_URL" in ended.stderr
    assert "secret" not in ended.stderr
    assert ended.returncode == 2


def test_an_error_of_the_application_at_start_prints_one_line_and_exits_with_2(
    tmp_path: Path, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    given = production(new_database, mlflow_server)
    with ServeProcess(tmp_path / "data", **given) as serving:
        assert serving.url
        assert serving.stop(signal.SIGTERM) == 0
    # The database stores which pepper its keys were made with.
    ended = run("serve", data_dir=str(tmp_path / "data"), port="0", key_pepper="another", **given)
    assert refusal(ended.stderr) in ended.stderr
    assert "HOKUSAI_KEY_PEPPER" in refusal(ended.stderr)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 2


def refusal(stderr: str) -> str:
    """The line of output that says what was wrong."""
    lines = [line for line in stderr.splitlines(keepends=True) if line.startswith("error: ")]
    assert len(lines) == 1, stderr
    return lines[0]


def test_the_helper_finds_every_process_of_the_tests(tmp_path: Path) -> None:
    """The other tests rely on it: a helper that sees no process would find no survivor."""
    with ServeProcess(tmp_path / "data", mlflow_url="http://127.0.0.1:9") as serving:
        serving.wait_for("Migrating")
        assert psutil.Process(serving.process.pid).is_running()
        assert serving.child("postgres", "-D").is_running()
        assert serving.stop(signal.SIGKILL) == -signal.SIGKILL
