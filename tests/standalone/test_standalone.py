"""The default on one machine: PostgreSQL and MLflow are started, supervised and stopped."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.core.errors import StartupError
from app.standalone import child_process, data_directory
from app.standalone.child_process import ChildProcess
from app.standalone.data_directory import DataDirectory
from tests.support.responses import good
from tests.support.serve_process import (
    FreshServeProcess,
    ServeProcess,
    arguments_of,
    environment_of,
    run,
)
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A gateway with all its children, shared by tests that restore its state."""
    with FreshServeProcess(tmp_path_factory.mktemp("standalone") / "data") as serving:
        serving.wait_for_status("/readyz", 200)
        yield serving


def test_the_printed_key_works(standalone: ServeProcess) -> None:
    printed = re.search(r"admin key +(hk_\w+)", standalone.output)
    assert printed is not None
    assert printed[1] == standalone.admin_key
    headers = {"Authorization": f"Bearer {standalone.admin_key}"}
    response = httpx.get(f"{standalone.url}/api/auth/whoami", headers=headers, trust_env=False)
    assert response.status_code == 200
    assert "admin" in response.json()["scopes"]
    # One's own machine is not held up by a limit that is meant for strangers.
    assert response.json()["rate_limit"] == 1_000_000
    assert re.search(
        r"limits +1,000,000 requests in 60 seconds with the admin key; else 100 requests",
        standalone.output,
    )


def test_a_link_that_serve_or_the_command_prints_signs_a_browser_in_once(
    standalone: ServeProcess,
) -> None:
    url = standalone.url
    printed = run("sign-in-link", data_dir=str(standalone.directory), port=url.rpartition(":")[2])
    for text in (standalone.output, printed.stdout):
        found = re.search(rf"{url}/login#link=(\w+)", text)
        assert found is not None, text + printed.stderr
        body, headers = {"link": found[1]}, {"Origin": url}
        with httpx.Client(base_url=url, trust_env=False, timeout=30, headers=headers) as client:
            begun = good(client.post("/api/auth/sign-in", json=body), 201)
            assert begun["tenant"] == "operator"
            assert good(client.get("/api/auth/whoami"))["session"] == begun["id"]
            client.cookies.clear()
            assert client.post("/api/auth/sign-in", json=body).status_code == 401


def test_nobody_else_may_read_the_data_directory(standalone: ServeProcess) -> None:
    directory = standalone.directory
    assert directory.stat().st_mode & 0o777 == 0o700
    for path in directory.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    for name in ("admin.key", "attestor.key", "pepper", "postgres.password"):
        assert (directory / name).stat().st_mode & 0o777 == 0o600


def test_no_child_gets_a_secret_of_another(standalone: ServeProcess) -> None:
    pepper = (standalone.directory / "pepper").read_text().strip()
    password = (standalone.directory / "postgres.password").read_text().strip()
    attestor = (standalone.directory / "attestor.key").read_text().strip()
    for process in standalone.descendants():
        visible = [*process.environ().items(), ("arguments", " ".join(process.cmdline()))]
        assert not any(name.startswith("HOKUSAI_") for name, _ in visible)
        secrets = (pepper, password, attestor)
        assert not any(secret in value for _, value in visible for secret in secrets)


def test_only_the_gateway_listens_on_a_port(standalone: ServeProcess) -> None:
    addresses = [
        connection.laddr.ip
        for process in (psutil.Process(standalone.process.pid), *standalone.descendants())
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    # MLflow and PostgreSQL have Unix sockets.
    assert addresses == ["127.0.0.1"]


def test_mlflow_listens_where_other_accounts_cannot_reach_it(standalone: ServeProcess) -> None:
    directory = standalone.directory / "run"
    path = directory / "mlflow.sock"
    assert path.is_socket()
    assert directory.stat().st_mode & 0o777 == 0o700
    transport = httpx.HTTPTransport(uds=str(path))
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        assert client.get("/health").status_code == 200


def test_large_artifacts_pass_through_the_socket(standalone: ServeProcess) -> None:
    headers = {"Authorization": f"Bearer {standalone.admin_key}"}
    with httpx.Client(
        base_url=f"{standalone.url}/api/mlflow/api/2.0", headers=headers, trust_env=False
    ) as client:
        made = client.post("/mlflow/runs/create", json={"experiment_id": "0"})
        root = made.json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        url = f"/mlflow-artifacts/artifacts/{root}/large"
        content = os.urandom(5_000_000)
        assert client.put(url, content=content).status_code == 200
        assert client.get(url).content == content


def test_the_gateway_serves_with_a_role_that_owns_nothing(standalone: ServeProcess) -> None:
    ended = run("doctor", data_dir=str(standalone.directory), port="0")
    assert re.search(r"^ok +role +hokusai_gateway can add", ended.stdout, re.MULTILINE)
    environment = psutil.Process(standalone.process.pid).environ()
    assert "HOKUSAI_MIGRATION_DATABASE_URL" not in environment


def test_a_second_gateway_on_the_same_directory_is_refused(standalone: ServeProcess) -> None:
    ended = run("serve", data_dir=str(standalone.directory), port="0")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the data directory")
    assert f"process {standalone.process.pid}" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_killed_postgresql_is_restarted(standalone: ServeProcess) -> None:
    killed = standalone.child("postgres", "-D")
    killed.kill()
    psutil.wait_procs([killed], 120)
    standalone.wait_for("PostgreSQL died")

    def is_running_again() -> bool:
        return any("postgres -D" in arguments_of(one) for one in standalone.descendants())

    wait_until(is_running_again)
    standalone.wait_for_status("/readyz", 200)


@pytest.mark.parametrize("part", [("mlflow", "server"), ("uvicorn", "mlflow.server")])
def test_a_killed_mlflow_is_restarted(standalone: ServeProcess, part: tuple[str, str]) -> None:
    """`mlflow server` is two processes; the loss of either is handled."""
    before = standalone.descendants()
    killed = standalone.child("-m", *part)
    killed.kill()
    psutil.wait_procs([killed], 120)
    standalone.wait_for_status("/readyz", 503)
    standalone.wait_for_status("/readyz", 200)
    assert standalone.child("-m", "mlflow", "server") not in before
    assert standalone.child("-m", "uvicorn", "mlflow.server") not in before


def test_the_next_start_after_a_kill_finds_all_data(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with ServeProcess(directory) as first:
        first.wait_for_status("/readyz", 200)
        key = first.admin_key
        first.descendants()
        # Suspended, so that they do not end with the gateway: orphans that the next start must end.
        frozen = [first.child("-m", "mlflow", "server"), first.child("postgres", "-D")]
        for process in frozen:
            process.suspend()
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        assert all(process.is_running() for process in frozen)
        with ServeProcess(directory) as second:
            second.wait_for_status("/readyz", 200)
            assert first.survivors() == []
            assert second.admin_key == key
            assert key not in second.output
            assert str(directory / "admin.key") in second.output
            headers = {"X-API-Key": key}
            url = f"{second.url}/api/auth/whoami"
            assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
            assert second.stop(signal.SIGTERM) == 0
            assert second.survivors() == []
            assert "Stopped." in second.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    with ServeProcess(tmp_path / "data") as serving:
        serving.wait_for("Starting MLflow")
        assert serving.stop(number) == 0
        assert serving.survivors() == []
        assert "Traceback" not in serving.output


# During `exec`, where a KeyboardInterrupt would leave Python in a state that makes its exit fail;
# and before any import.
MOMENTS = {
    "text": "from app.standalone import serve; serve._serve = lambda *_: exec('kill()')",
    "first": "from app.server import memory; memory.block_optional_imports_and_pause_gc = kill",
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_an_import_is_a_clean_stop(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    script = f"""
import builtins, os
from app.cli.serve import serve as run_serve
builtins.kill = lambda: os.kill(os.getpid(), {int(number)})
{MOMENTS[moment]}
run_serve()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment_of({"data_dir": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_full_disk_is_named_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the disk had less than what is free anywhere.
    monkeypatch.setattr(data_directory, "MIN_FREE", 2**62)
    with pytest.raises(StartupError, match=r"MB left on the disk of .*set HOKUSAI_DATA_DIR"):
        DataDirectory(tmp_path).require_space()
    monkeypatch.setattr(child_process, "MIN_FREE", 2**62)
    child = ChildProcess("MLflow", tmp_path, log=tmp_path / "log")
    with pytest.raises(StartupError, match="MLflow ended during its start: only"):
        child.raise_if_ended()


def test_a_lost_pepper_is_reported_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    ended = run("serve", data_dir=str(tmp_path), port="0")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {tmp_path / 'pepper'} is missing")
    assert os.listdir(tmp_path / "postgres") == []
