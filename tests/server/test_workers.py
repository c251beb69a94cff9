"""The parent of several workers leaves the signals of the terminal as they were."""

import subprocess
import sys

PROGRAM = """
import signal, uvicorn
from app.server.workers import Workers

before = signal.signal(signal.SIGHUP, handler := lambda *_: None)
config = uvicorn.Config("unused", workers=2)
Workers(config, sockets=[])
print(signal.getsignal(signal.SIGHUP) is handler)
"""


def test_a_closed_terminal_does_not_restart_the_workers() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout == "True\n", result.stderr
