"""Python programs that start with modules imported, which takes a new interpreter seconds of
processor time each time: the gateway, MLflow's server and its users' programs, and what infers the
requirements of a model."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

# Imports only: nothing of it talks to a server, starts a thread, or reads a setting. A process that
# serves leaves some imports out, so it has a fork server of its own.
_SERVING = "tests.support.serving_imports"
_COMMANDS = "app.cli.commands"
MLFLOW = "mlflow.cli"
INFERENCE = "mlflow.utils._capture_modules"
PROGRAMS = "tests.support.program_imports"
SHARED = (_SERVING, _COMMANDS, MLFLOW, INFERENCE, PROGRAMS)
# The environment variable with the directory of their sockets, and the modules.
_SHARED = "TESTS_FORK_SERVERS"


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    files: tuple[IO[bytes] | int, IO[bytes] | int, IO[bytes] | int],
    *,
    new_session: bool = False,
) -> "ForkedProcess | subprocess.Popen[bytes]":
    """Start `python *arguments`, with what the command imports; arguments: `-c`, code, its own.

    files: standard input, standard output and standard error. new_session: as if from a shell of
    its own. While coverage is measured it is a new interpreter, in which coverage starts by itself.
    """
    if is_measured():
        return fresh(arguments, environment, files, new_session=new_session)
    server = server_with(_SERVING if arguments[-1] == "serve" else _COMMANDS)
    return ForkedProcess(server, request(arguments, environment, new_session=new_session), files)


def request(
    arguments: Sequence[str], environment: Mapping[str, str], *, new_session: bool = False
) -> Mapping[str, object]:
    """What a `ForkedProcess` sends: a script or `-c` and code, and then its own arguments."""
    return {
        "arguments": list(arguments),
        "environment": dict(environment),
        "directory": str(Path.cwd()),
        "new_session": new_session,
    }


def fresh(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    files: tuple[IO[bytes] | int, IO[bytes] | int, IO[bytes] | int],
    *,
    new_session: bool = False,
) -> "subprocess.Popen[bytes]":
    """The same in a new interpreter that has imported nothing."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        stdin=files[0],
        stdout=files[1],
        stderr=files[2],
        start_new_session=new_session,
        # Under nohup the tests ignore this signal, and the program would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )


def is_measured() -> bool:
    """Whether coverage is measured."""
    return "COVERAGE_PROCESS_CONFIG" in os.environ


@cache
def server_with(module: str) -> Path:
    """The socket of a fork server with this module, which lives as long as this process.

    It is one of all processes of a test run if `share` was called for this module.
    """
    if module in os.environ.get(_SHARED, "").split(os.pathsep)[1:]:
        return Path(os.environ[_SHARED].split(os.pathsep)[0], module)
    return _started(module, _directory())


def share() -> None:
    """Let the processes that this one starts have these fork servers in common.

    They import their modules when they are needed first.
    """
    directory = _directory()
    for module in SHARED:
        _started(module, directory)
    os.environ[_SHARED] = os.pathsep.join([str(directory), *SHARED])


@cache
def _directory() -> Path:
    """Of the sockets; removed when this process ends."""
    directory = tempfile.TemporaryDirectory(prefix="forks-")
    atexit.register(directory.cleanup)
    return Path(directory.name)


def _started(module: str, directory: Path) -> Path:
    path = directory / module
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fork_server", path, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C ends the tests, which then end what they started.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )
    given, output = server.stdin, server.stdout
    assert given is not None
    assert output is not None
    assert output.readline() == b"ready\n"
    output.close()

    def stop() -> None:
        given.close()
        server.wait()

    atexit.register(stop)
    return path


class ForkedProcess:
    """A program that a fork server started. pid: its process id. As `subprocess.Popen`."""

    def __init__(
        self,
        server: Path,
        request: Mapping[str, object],
        files: tuple[IO[bytes] | int, IO[bytes] | int, IO[bytes] | int],
    ) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.connect(str(server))
        with open(os.devnull, "rb") as nothing:
            numbers = [nothing.fileno() if file == subprocess.DEVNULL else file for file in files]
            descriptors = [one if isinstance(one, int) else one.fileno() for one in numbers]
            socket.send_fds(self._connection, [json.dumps(request).encode()], descriptors)
        self.pid = int(self._connection.recv(64))
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired if it does not end in time (seconds)."""
        if self._code is None:
            self._connection.settimeout(timeout)
            try:
                self._code = int(self._connection.recv(64))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("python", timeout or 0) from None
            self._connection.close()
        return self._code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
