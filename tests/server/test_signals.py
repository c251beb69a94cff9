"""The signals of `serve`. Each test runs a program of its own, whose signals it can change."""

import subprocess
import sys

import pytest

NUMBERS = ["SIGINT", "SIGTERM", "SIGHUP"]


def run(program: str) -> subprocess.CompletedProcess[str]:
    """The result of a program that has imported the module and `signal`."""
    head = "import os, signal, subprocess, sys\nfrom app.server.signals import *\n"
    head += "from app.server.signals import ShutdownRequested\n"
    return subprocess.run(
        [sys.executable, "-c", head + program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", NUMBERS)
def test_a_signal_to_stop_ends_the_process_cleanly(name: str) -> None:
    result = run(
        "stop_on_signals()\n"
        "try:\n"
        f"    signal.raise_signal(signal.{name})\n"
        "finally:\n"
        "    print('cleaned up')\n"
        "print('not reached')\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "cleaned up\n", "")


def test_nohup_keeps_the_process_when_its_terminal_closes() -> None:
    result = run(
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "stop_on_signals()\n"
        "signal.raise_signal(signal.SIGHUP)\n"
        "print('still here')\n"
    )
    assert (result.returncode, result.stdout) == (0, "still here\n")


@pytest.mark.parametrize("name", NUMBERS)
def test_signals_are_ignored_during_the_clean_up(name: str) -> None:
    result = run(f"ignore_signals()\nsignal.raise_signal(signal.{name})\nprint('finished')\n")
    assert (result.returncode, result.stdout) == (0, "finished\n")


def test_children_inherit_blocked_terminal_signals_and_their_parent_gets_them_later() -> None:
    child = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))"
    result = run(
        "stop_on_signals()\n"
        "try:\n"
        "    with terminal_signals_blocked():\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        f"        subprocess.run([sys.executable, '-c', {child!r}])\n"
        "    print('not reached')\n"
        "except ShutdownRequested:\n"
        "    print('stopped', sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))\n"
    )
    assert result.stdout == "[1, 2]\nstopped []\n", result.stderr
