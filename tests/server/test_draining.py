"""Draining: after SIGTERM the gateway reports "not ready" before it stops."""

import subprocess
import sys

# `stop` stands for uvicorn's own handler. It ends the program.
PROGRAM = """
import asyncio, signal
from app.server.draining import drain_on_sigterm

async def main():
    state, stopped = {}, asyncio.Event()
    def stop(number, frame):
        print("stop", state)
        stopped.set()
    signal.signal(signal.SIGTERM, stop)
    drain_on_sigterm(state, DELAY)
    print("start", state)
    signal.raise_signal(signal.SIGTERM)
    print("signal", state)
    for _ in range(AGAIN):
        signal.raise_signal(signal.SIGTERM)
    await stopped.wait()

asyncio.run(main())
"""


def run(delay: float, again: int = 0) -> list[str]:
    """The lines of a program that gets SIGTERM, and `again` times more of them at once."""
    program = PROGRAM.replace("DELAY", repr(delay)).replace("AGAIN", repr(again))
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return [line for line in result.stdout.splitlines() if "server.draining" not in line]


def test_it_is_not_ready_before_it_stops() -> None:
    assert run(0.05) == ["start {}", "signal {'draining': True}", "stop {'draining': True}"]


def test_a_second_signal_ends_the_delay() -> None:
    assert run(3600, again=1)[-1] == "stop {'draining': True}"


def test_without_a_delay_it_stops_at_once() -> None:
    assert run(0) == ["start {}", "stop {}", "signal {}"]
