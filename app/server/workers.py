"""Worker processes that serve, and the parent that replaces those that die."""

import signal
from multiprocessing import resource_tracker
from typing import Any

from uvicorn.supervisors import Multiprocess

from app.server.signals import terminal_signals_blocked


class Workers(Multiprocess):
    """uvicorn's supervisor of worker processes, with different handling of terminal signals."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        on_hangup = signal.getsignal(signal.SIGHUP)
        super().__init__(*args, **kwargs)
        # uvicorn's handler would restart the workers, although their terminal has closed.
        signal.signal(signal.SIGHUP, on_hangup)

    def init_processes(self) -> None:
        # Otherwise it starts with the first worker, and unblocks these signals.
        resource_tracker.ensure_running()
        with terminal_signals_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        with terminal_signals_blocked():
            super().keep_subprocess_alive()
