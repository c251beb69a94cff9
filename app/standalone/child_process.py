"""Child processes: each runs in its own session, is recorded in a file, and is stopped with all
its descendants."""

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

from app.core.disk_space import MIN_FREE, describe, free_bytes
from app.core.errors import StartupError
from app.standalone import child_launcher

# A log larger than this, in bytes, is moved aside when its process starts.
_LOG_LIMIT = 10 * 1024**2
# The variables that a child inherits: paths and locale, but no settings and no secrets.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", "TZ")


def minimal_environment() -> dict[str, str]:
    """The environment of a child process before anything is added to it."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def launcher_command(
    command: Sequence[str], *, death_signal: signal.Signals, owned: Sequence[Path] = ()
) -> list[str]:
    """The command line that runs `command` through child_launcher.py.

    death_signal: the signal that the command receives when this process ends, for whatever reason
        (Linux only).
    owned: for a command that must not run as root: the paths that must belong to its user.
    """
    prefix = [
        sys.executable,
        "-I",
        child_launcher.__file__,
        str(os.getpid()),
        str(int(death_signal)),
    ]
    return [*prefix, *map(str, owned), "--", *command]


class ChildProcess:
    """A child process with a name, which can be started and stopped repeatedly.

    directory: the data directory. `processes.json` in it has the id and the start time of each
        child, so that a later start can find processes that a killed gateway left behind.
    log: the file that receives the child's output.
    owned: for a child that must not run as root: the paths that must belong to its user.
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
        """The child's process id, None while it does not run."""
        return self._process.pid if self.running else None  # type: ignore[union-attr]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start `command`, an absolute path and its arguments, with exactly this environment."""
        with suppress(OSError):
            if self.log.stat().st_size > _LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                launcher_command(command, death_signal=self._stop_signal, owned=self._owned),
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches only the gateway, which then stops its children in order.
                start_new_session=True,
            )
        with suppress(psutil.NoSuchProcess):
            self._record_start(psutil.Process(self._process.pid).create_time())

    def stop(self, seconds: float) -> None:
        """Send the stop signal, wait up to `seconds`, then kill the processes that are left."""
        if self._process is None:
            return
        _stop_group(self._process.pid, self._stop_signal if self.running else None, seconds)
        self._process.wait()
        self._process = None
        self._record_start(None)

    def stop_leftover(self, cwd: Path, seconds: float) -> bool:
        """Stop what a killed gateway left of this child. Returns whether there was something.

        cwd: the working directory of the child. A process with another one is never stopped, even
            if it has the process id that a child had.
        """
        entry = self._entries().get(self.name)
        if entry is None:
            return False
        pid, started = int(entry["pid"]), float(entry["started"])
        with suppress(psutil.NoSuchProcess):
            # An adjusted clock shifts start times slightly; a reused process id differs by more.
            if abs(psutil.Process(pid).create_time() - started) > 2:
                self._record_start(None)
                return False
        found = _stop_group(pid, self._stop_signal, seconds, cwd=cwd)
        self._record_start(None)
        return found

    def last_log_line(self) -> str:
        """The last line of the log, for an error message; empty without one."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def raise_if_ended(self) -> None:
        """Raise StartupError with the last line of the log if the child has ended."""
        if not self.running:
            # What a program writes about a full disk is seldom the last line of its log.
            free = free_bytes(self.log.parent)
            is_full = free is not None and free < MIN_FREE
            reason = describe(self.log.parent, free or 0) if is_full else self.last_log_line()
            raise StartupError(f"{self.name} ended during its start: {reason} (see {self.log})")

    def _entries(self) -> dict[str, dict[str, float]]:
        try:
            entries = json.loads(self._record.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _record_start(self, started: float | None) -> None:
        entries = self._entries()
        entries.pop(self.name, None)
        if started is not None and self._process is not None:
            entries[self.name] = {"pid": self._process.pid, "started": started}
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(entries))
        draft.replace(self._record)


def _stop_group(
    leader: int, stop_signal: signal.Signals | None, seconds: float, *, cwd: Path | None = None
) -> bool:
    """Stop the process `leader`, its descendants, and the rest of its process group.

    stop_signal: sent to the leader, which then has `seconds` before everything is killed; None
        kills at once.
    cwd: stop only processes with this working directory.
    Returns whether there were any.
    """
    members = _members(leader, cwd)
    if not members:
        return False
    if stop_signal is not None:
        for process in members:
            if process.pid == leader:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(stop_signal)
                    # A suspended process would not handle the signal.
                    process.resume()
        psutil.wait_procs([process for process in members if process.pid == leader], seconds)
    # The leader's children usually end shortly after it; what runs on after a second is stuck.
    _, stuck = psutil.wait_procs({*members, *_members(leader, cwd)}, 1 if stop_signal else 0)
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


def wait_until_ready(child: ChildProcess, ready: Callable[[], bool], seconds: float) -> None:
    """Wait until `ready()` is true. Raises StartupError if the child ends or `seconds` pass."""
    deadline = time.monotonic() + seconds
    while not ready():
        child.raise_if_ended()
        if time.monotonic() > deadline:
            raise StartupError(
                f"{child.name} did not become ready within {seconds:.0f} seconds (see {child.log})"
            )
        time.sleep(0.05)
