"""Restarts children that died, with growing pauses, and stops them at the end."""

import logging
import threading
import time
from collections.abc import Sequence

from app.standalone.managed_service import Supervised

_logger = logging.getLogger("hokusai.standalone")

# How often a child is looked at, in seconds.
_INTERVAL = 0.2
_LONGEST_PAUSE = 30.0
# A child that ran this long, in seconds, counts as healthy: the next pause starts small again.
_HEALTHY = 60.0


class Supervisor:
    """Watches children, in the order in which they depend on each other.

    The children stop in this thread, last first: Linux ties the signal that a child gets at the
    death of its parent to the thread that started it, so this thread must outlive them.
    """

    def __init__(self, children: Sequence[Supervised]) -> None:
        self._children = [_Watch(child) for child in children]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop all children, and return when none is left."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        else:  # a signal came before it began
            self._stop_children()

    def _run(self) -> None:
        while not self._ending.wait(_INTERVAL):
            for watch in self._children:
                watch.look()
        self._stop_children()

    def _stop_children(self) -> None:
        for watch in reversed(self._children):
            watch.child.stop()


class _Watch:
    """One child, and how often it had to be restarted in a row."""

    def __init__(self, child: Supervised) -> None:
        self.child = child
        self._failures = 0
        self._started = time.monotonic()
        self._due: float | None = None

    def look(self) -> None:
        now = time.monotonic()
        if self.child.running:
            if self._failures and now - self._started > _HEALTHY:
                self._failures = 0
            return
        if self._due is None:
            pause = 0.0 if self._failures == 0 else min(2.0 ** (self._failures - 2), _LONGEST_PAUSE)
            self._due = now + pause
            _logger.warning("%s died; it restarts in %.1f seconds", self.child.name, pause)
        if now < self._due:
            return
        self._failures += 1
        self._started = now
        self._due = None
        try:
            self.child.restart()
        except Exception:
            # Whatever it was, the next look tries again after a longer pause.
            _logger.exception("%s could not be restarted", self.child.name)
