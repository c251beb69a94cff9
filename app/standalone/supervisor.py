"""Restarts child servers that died, with increasing delays, and stops them at the end."""

import logging
import threading
import time
from collections.abc import Sequence

from app.standalone.managed_service import ManagedService

_logger = logging.getLogger("hokusai.standalone")

# Seconds between two checks of a server.
_CHECK_INTERVAL = 0.2
_MAX_DELAY = 30.0
# A server that ran this long, in seconds, counts as healthy, and delays start small again.
_HEALTHY_AFTER = 60.0


class Supervisor:
    """Watches servers in a thread of its own.

    services: in the order of their dependencies; they are stopped in the reverse order. A restarted
        server is a child of the supervisor's thread, and Linux sends a child its death signal when
        the thread that started it ends. So this thread also stops them, and ends after them.
    """

    def __init__(self, services: Sequence[ManagedService]) -> None:
        self._watches = [_Watch(service) for service in services]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop all servers, and return once none runs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        else:  # a signal arrived before the thread was started
            self._stop_services()

    def _run(self) -> None:
        while not self._stopping.wait(_CHECK_INTERVAL):
            for watch in self._watches:
                watch.restart_if_dead()
        self._stop_services()

    def _stop_services(self) -> None:
        for watch in reversed(self._watches):
            watch.service.stop()


class _Watch:
    """One server, and how many restarts in a row it needed."""

    def __init__(self, service: ManagedService) -> None:
        self.service = service
        self._failures = 0
        self._started = time.monotonic()
        self._restart_at: float | None = None

    def restart_if_dead(self) -> None:
        now = time.monotonic()
        if self.service.running:
            if self._failures and now - self._started > _HEALTHY_AFTER:
                self._failures = 0
            return
        if self._restart_at is None:
            delay = 0.0 if self._failures == 0 else min(2.0 ** (self._failures - 2), _MAX_DELAY)
            self._restart_at = now + delay
            _logger.warning("%s died; it restarts in %.1f seconds", self.service.name, delay)
        if now < self._restart_at:
            return
        self._failures += 1
        self._started = now
        self._restart_at = None
        try:
            self.service.restart()
        except Exception:
            # The next check tries again, after a longer delay.
            _logger.exception("%s could not be restarted", self.service.name)
