"""A process that has imported modules, and forks: each fork runs a Python program, as a new
interpreter would that had them imported already.

`python -m tests.support.fork_server SOCKET MODULE` serves until its standard input ends. It imports
the module for the first program.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any

# Of one request: the arguments and the environment.
MAX_REQUEST = 1024**2


def serve(listener: socket.socket, module: str) -> None:
    """Fork for each connection until standard input ends."""
    imported = False
    waited: list[socket.socket | int] = [listener, 0]
    while True:
        ready, _, _ = select.select(waited, [], [])
        if 0 in ready:
            return
        connection, _ = listener.accept()
        if not imported:
            importlib.import_module(module)
            # Forks share these objects, as long as the collector does not touch them.
            gc.collect()
            gc.freeze()
            # Only now, since importing may start processes and wait for them.
            signal.signal(signal.SIGCHLD, _forget_ended)
            imported = True
        if os.fork() == 0:
            listener.close()
            _start(connection)
        connection.close()


def _forget_ended(*_: object) -> None:
    """Reap the processes that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _start(connection: socket.socket) -> None:
    """Start one program, send its process id, and once it has ended its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
    request = json.loads(message)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run(request, files)
    for file in files:
        os.close(file)
    connection.send(str(pid).encode())
    threading.Thread(target=_end_with, args=(connection, pid), daemon=True).start()
    _, status = os.waitpid(pid, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _end_with(connection: socket.socket, pid: int) -> None:
    """Terminate a program when the process that wanted it has ended."""
    if not connection.recv(1):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _run(request: dict[str, Any], files: list[int]) -> None:
    """Run a program as an interpreter does, from its arguments to its exit code."""
    if request["new_session"]:
        os.setsid()
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", 1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    code = 0
    try:
        _execute(request["arguments"])
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 120
    os._exit(code)


def _execute(arguments: list[str]) -> None:
    """Run `-c CODE ...` or `SCRIPT ...` as the main program."""
    if arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})  # noqa: S102
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def main() -> None:
    path, module = sys.argv[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        serve(listener, module)


if __name__ == "__main__":
    main()
