"""Signal handling of `serve`: a signal leads to a clean stop at any moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# The signals that a terminal sends to all its processes: at Ctrl-C, and when it closes.
_TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)
_ALL = (*_TERMINAL_SIGNALS, signal.SIGTERM)


class ShutdownRequested(SystemExit):
    """Raised in the main thread by a signal that asks for a clean shutdown.

    Not a KeyboardInterrupt: when one passes through an `exec` of source text, as in an import that
    creates a dataclass or a named tuple, Python kills itself with SIGINT at exit even though the
    exception was caught.
    """


def stop_on_signals() -> None:
    """Raise ShutdownRequested in the main thread at SIGINT, SIGTERM and SIGHUP."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    # A closing terminal stops the process too, except under `nohup`, which ignores SIGHUP. It is
    # raised again as SIGTERM, which uvicorn handles while it serves, and for which it drains.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def ignore_signals() -> None:
    """Ignore these signals from now on, so that the clean-up finishes; it has a time limit."""
    for number in _ALL:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGHUP, so that child processes that are started inherit the mask.

    A terminal sends these signals to all its processes, but only the parent may stop a child.
    Signals that arrive during the block are delivered to this process at its end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise ShutdownRequested
