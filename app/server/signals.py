"""Signal handling of `serve`: from its first moment on, a signal to stop is a clean stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What a terminal sends to all its processes: at Ctrl-C, and when it closes.
_OF_TERMINALS = (signal.SIGINT, signal.SIGHUP)
_ALL = (*_OF_TERMINALS, signal.SIGTERM)


class ShutdownRequested(SystemExit):
    """Raised in the main thread by a signal that asks for a clean shutdown.

    Not a KeyboardInterrupt: if one passes through `exec` of source text, as in an import that
    creates a dataclass or a named tuple, Python ends itself with SIGINT at exit although the
    exception was caught.
    """


def stop_on_signals() -> None:
    """Raise ShutdownRequested in the main thread at SIGINT, SIGTERM and SIGHUP."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    # A terminal that closes stops it too, except under `nohup`, which ignores SIGHUP. Raised as
    # SIGTERM, because uvicorn handles SIGINT and SIGTERM while it serves, and drains for SIGTERM.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def ignore_signals() -> None:
    """Ignore these signals from now on: the clean-up is bounded in time and must finish."""
    for number in _ALL:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGHUP, so that child processes started meanwhile inherit the mask.

    A terminal sends them to all its processes, and a child must be stopped by its parent alone.
    Signals that arrive meanwhile are delivered to this process at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise ShutdownRequested
