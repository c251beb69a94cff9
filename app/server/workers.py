"""Several processes that serve, and the parent that replaces those that die."""

import signal
from multiprocessing import resource_tracker
from typing import Any

from uvicorn.supervisors import Multiprocess

from app.server.signals import terminal_signals_blocked


class Workers(Multiprocess):
    """uvicorn's supervisor of worker processes, without its own handling of terminal signals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        hung_up = signal.getsignal(signal.SIGHUP)
        super().__init__(*args, **kwargs)
        # uvicorn would restart the workers one by one, although their terminal has closed.
        signal.signal(signal.SIGHUP, hung_up)

    def init_processes(self) -> None:
        # It starts with the first worker otherwise, and unblocks these signals.
        resource_tracker.ensure_running()
        with terminal_signals_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        with terminal_signals_blocked():
            super().keep_subprocess_alive()
