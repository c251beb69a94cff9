"""Child processes: each in a session of its own, on record, and ended with all it started."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from app.core.errors import StartupError
from app.standalone import child_launcher

# A log is moved aside at a start once it is larger than this, in bytes.
_LOG_LIMIT = 10 * 1024**2


# What a child inherits: where things are and how text is written, no settings and no secrets.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", "TZ")


def bare_environment() -> dict[str, str]:
    """The environment of a child before anything is added to it."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def launch(
    command: Sequence[str], *, death_signal: signal.Signals, owned: Sequence[Path] = ()
) -> list[str]:
    """The command line that runs `command` by way of launcher.py.

    death_signal: what the command receives when this process ends, however it ends (Linux).
    owned: paths that must belong to the command; given where it must not run as root.
    """
    prefix = [
        sys.executable,
        "-I",
        child_launcher.__file__,
        str(os.getpid()),
        str(int(death_signal)),
    ]
    return [*prefix, *map(str, owned), "--", *command]


class Child:
    """One child process under a name, for as often as it is started.

    directory: the data directory. `processes.json` there has the id and the start time of each
        child, by which a later start recognises what a killed gateway left behind.
    log: receives the child's output.
    owned: paths that must belong to the child; given where it must not run as root.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        owned: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._record = directory / "processes.json"
        self._stop_signal = stop_signal
        self._owned = owned
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None when it does not run."""
        return self._process.pid if self.running else None  # type: ignore[union-attr]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start `command`, an absolute path and its arguments, with nothing but `environment`."""
        with suppress(OSError):
            if self.log.stat().st_size > _LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                launch(command, death_signal=self._stop_signal, owned=self._owned),
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is the gateway's alone: it stops its children in order.
                start_new_session=True,
            )
        with suppress(psutil.NoSuchProcess):
            self._write(psutil.Process(self._process.pid).create_time())

    def stop(self, seconds: float) -> None:
        """Ask the child to stop, wait up to `seconds`, then end by force what is left of it."""
        if self._process is None:
            return
        _end_group(self._process.pid, self._stop_signal if self.running else None, seconds)
        self._process.wait()
        self._process = None
        self._write(None)

    def end_stray(self, cwd: Path, seconds: float) -> bool:
        """End what an earlier gateway left of this child; True if there was something.

        cwd: the directory that the child works in; a process elsewhere is never touched, even if
            it has the number of a former child.
        """
        entry = self._entries().get(self.name)
        if entry is None:
            return False
        pid, started = int(entry["pid"]), float(entry["started"])
        with suppress(psutil.NoSuchProcess):
            # A clock that was set shifts all start times by a little; a reused number by more.
            if abs(psutil.Process(pid).create_time() - started) > 2:
                self._write(None)
                return False
        found = _end_group(pid, self._stop_signal, seconds, cwd=cwd)
        self._write(None)
        return found

    def last_words(self) -> str:
        """The last line of the log, for an error message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def must_run(self) -> None:
        """Raises StartupError with the child's last words if it has ended."""
        if not self.running:
            raise StartupError(
                f"{self.name} ended while it started: {self.last_words()} (see {self.log})"
            )

    def _entries(self) -> dict[str, dict[str, float]]:
        try:
            entries = json.loads(self._record.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _write(self, started: float | None) -> None:
        entries = self._entries()
        entries.pop(self.name, None)
        if started is not None and self._process is not None:
            entries[self.name] = {"pid": self._process.pid, "started": started}
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(entries))
        draft.replace(self._record)


def _end_group(
    leader: int, ask: signal.Signals | None, seconds: float, *, cwd: Path | None = None
) -> bool:
    """End the process `leader`, its descendants, and what is left of its process group.

    ask: the signal that asks the leader to stop, before force is used after `seconds`.
    cwd: touch only processes that work in this directory.
    """
    members = _members(leader, cwd)
    if not members:
        return False
    if ask is not None:
        for process in members:
            if process.pid == leader:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(ask)
                    # A process that is suspended could not even hear that.
                    process.resume()
        psutil.wait_procs([process for process in members if process.pid == leader], seconds)
    # A child of the leader ends a moment after it of itself; what stays longer is stuck.
    _, stuck = psutil.wait_procs({*members, *_members(leader, cwd)}, 1 if ask else 0)
    for process in stuck:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stuck, 10)
    return True


def _members(leader: int, cwd: Path | None) -> list[psutil.Process]:
    members = []
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        members = [process, *process.children(recursive=True)]
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if process not in members and os.getpgid(process.pid) == leader:
                members.append(process)
    if cwd is None:
        return members
    return [process for process in members if _works_in(process, cwd)]


def _works_in(process: psutil.Process, cwd: Path) -> bool:
    with suppress(psutil.Error):
        return Path(process.cwd()) == cwd.resolve()
    return False


def wait_until(child: Child, ready: Callable[[], bool], seconds: float) -> None:
    """Wait until `ready()` is true. Raises StartupError if the child ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        child.must_run()
        if time.monotonic() > deadline:
            raise StartupError(
                f"{child.name} did not become ready within {seconds:.0f} seconds (see {child.log})"
            )
        time.sleep(0.05)
