"""The signals that end a command which serves, from its first moment on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What a terminal sends to all that runs in it, when it is asked to or goes away.
_OF_TERMINALS = (signal.SIGINT, signal.SIGHUP)
_ALL = (*_OF_TERMINALS, signal.SIGTERM)


class ShutdownRequested(SystemExit):
    """A signal asked for the end, which is a clean one.

    No KeyboardInterrupt: one that passes through `exec` of a text, as an import that makes a
    dataclass or a named tuple does, leaves a mark by which Python ends itself with SIGINT at the
    end, although it was caught.
    """


def stop_on_signals() -> None:
    """Raise Stopped at SIGINT, SIGTERM and SIGHUP, wherever the main thread is by then."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    # A terminal that closes ends it too, unless `nohup` asked for the opposite. uvicorn takes over
    # the other two for as long as it serves, and would drain for SIGTERM only.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def ignore_signals() -> None:
    """From here on nothing interrupts the cleaning up, which is bounded in time."""
    for number in _ALL:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """What is started meanwhile never gets a terminal's signals; they wait here for the end of it.

    They reach every process of the terminal, and a child is to be told by its parent alone.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise ShutdownRequested
