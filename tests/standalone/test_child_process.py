"""The record of child processes: which orphans are ended, and which processes are not touched."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.core.errors import StartupError
from app.standalone.child_process import ChildProcess, minimal_environment, wait_until_ready
from app.standalone.managed_service import ManagedService
from app.standalone.supervisor import Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# A parent that starts a child, and writes its process id into a file.
FAMILY = [
    sys.executable,
    "-c",
    "import subprocess, sys, pathlib;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "pathlib.Path('pid').write_text(str(child.pid)); child.wait()",
]


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[psutil.Process]:
    """Another program's process, in the same directory as the child."""
    with subprocess.Popen(SLEEP, cwd=tmp_path) as process:
        yield psutil.Process(process.pid)
        process.kill()


def child_of(directory: Path) -> ChildProcess:
    return ChildProcess("sleeper", directory, log=directory / "sleeper.log")


def start(child: ChildProcess, directory: Path, command: list[str]) -> psutil.Process:
    child.start(command, cwd=directory, environment=minimal_environment())
    assert child.pid is not None
    return psutil.Process(child.pid)


def start_family(child: ChildProcess, directory: Path) -> tuple[psutil.Process, psutil.Process]:
    parent = start(child, directory, FAMILY)
    pid_file = directory / "pid"
    wait_until_ready(child, lambda: pid_file.exists() and pid_file.read_text() != "", 60)
    return parent, psutil.Process(int(pid_file.read_text()))


def test_stop_ends_the_childs_own_children(tmp_path: Path) -> None:
    child = child_of(tmp_path)
    parent, grandchild = start_family(child, tmp_path)
    child.stop(5)
    assert psutil.wait_procs([parent, grandchild], 60)[1] == []
    assert not child.running
    assert json.loads((tmp_path / "processes.json").read_bytes()) == {}


def test_an_orphan_of_an_earlier_start_is_ended(tmp_path: Path) -> None:
    earlier = child_of(tmp_path)
    orphan = start(earlier, tmp_path, SLEEP)
    assert child_of(tmp_path).stop_leftover(tmp_path, 5)
    earlier.stop(0)
    assert not orphan.is_running()
    assert not child_of(tmp_path).stop_leftover(tmp_path, 5)


def test_an_orphan_whose_parent_has_ended_is_ended(tmp_path: Path) -> None:
    earlier = child_of(tmp_path)
    parent, grandchild = start_family(earlier, tmp_path)
    parent.kill()
    wait_for_end = psutil.wait_procs([parent], 60)
    assert wait_for_end[1] == [] or parent.status() == psutil.STATUS_ZOMBIE
    assert not earlier.running
    assert child_of(tmp_path).stop_leftover(tmp_path, 5)
    assert psutil.wait_procs([grandchild], 60)[1] == []


def test_a_process_with_a_reused_id_is_not_touched(
    tmp_path: Path, other_process: psutil.Process
) -> None:
    record = {"sleeper": {"pid": other_process.pid, "started": other_process.create_time() - 3600}}
    (tmp_path / "processes.json").write_text(json.dumps(record))
    assert not child_of(tmp_path).stop_leftover(tmp_path, 0)
    assert other_process.status() != psutil.STATUS_ZOMBIE
    assert other_process.is_running()


def test_a_process_in_another_directory_is_not_touched(
    tmp_path: Path, other_process: psutil.Process
) -> None:
    record = {"sleeper": {"pid": other_process.pid, "started": other_process.create_time()}}
    (tmp_path / "processes.json").write_text(json.dumps(record))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert not child_of(tmp_path).stop_leftover(elsewhere, 0)
    assert other_process.status() != psutil.STATUS_ZOMBIE
    assert other_process.is_running()


@pytest.mark.parametrize("record", ["", "[]", "{", "null"])
def test_an_unreadable_record_is_ignored(tmp_path: Path, record: str) -> None:
    (tmp_path / "processes.json").write_text(record)
    assert not child_of(tmp_path).stop_leftover(tmp_path, 0)


def test_a_child_that_ends_during_its_start_is_reported_with_its_output(tmp_path: Path) -> None:
    child = child_of(tmp_path)
    command = [sys.executable, "-c", "import sys; sys.exit('no such table\\n')"]
    child.start(command, cwd=tmp_path, environment=minimal_environment())
    with pytest.raises(StartupError, match="no such table"):
        wait_until_ready(child, lambda: False, 60)
    child.stop(0)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux signals a child when its parent dies"
)
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal; from pathlib import Path;"
        "from app.standalone.child_process import ChildProcess, minimal_environment;"
        f"directory = Path({str(tmp_path)!r});"
        "child = ChildProcess('sleeper', directory, log=directory / 'log');"
        f"child.start({SLEEP!r}, cwd=directory, environment=minimal_environment());"
        "from app.standalone.child_process import wait_until_ready; import psutil;"
        "process = psutil.Process(child.pid);"
        "wait_until_ready(child, lambda: 'launcher.py' not in ' '.join(process.cmdline()), 60);"
        "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    pid = int(ran.stdout)
    try:
        assert psutil.wait_procs([psutil.Process(pid)], 30)[1] == []
    except psutil.NoSuchProcess:
        assert not psutil.pid_exists(pid)


def test_the_environment_of_a_child_has_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOKUSAI_KEY_PEPPER", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert "PATH" in minimal_environment()
    assert not [name for name in minimal_environment() if name.startswith(("HOKUSAI_", "MLFLOW_"))]


class FailingChild(ManagedService):
    """A child whose restart fails a number of times, and then succeeds."""

    name = "failing"

    def __init__(self, failures: int, ended: list[str]) -> None:
        self.restarts = 0
        self._is_up = False
        self._failures = failures
        self._ended = ended

    @property
    def running(self) -> bool:
        return self._is_up

    def start(self) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        self.restarts += 1
        if self.restarts <= self._failures:
            raise OSError("not yet")
        self._is_up = True

    def stop(self) -> None:
        self._ended.append(self.name)


def test_a_supervisor_retries_until_a_child_runs_and_stops_in_reverse_order() -> None:
    ended: list[str] = []
    first, second = FailingChild(2, ended), FailingChild(0, ended)
    second.name = "second"
    supervisor = Supervisor([first, second])
    supervisor.start()
    while not (first.running and second.running):
        time.sleep(0.02)
    supervisor.stop()
    assert (first.restarts, second.restarts) == (3, 1)
    assert ended == ["second", "failing"]
