"""The interface of a server that the gateway runs as its own child process."""

from abc import ABC, abstractmethod
from typing import Self

from app.standalone.child_process import ChildProcess


class ManagedService(ABC):
    """A server with a start, a restart and a stop.

    As a context manager it runs for as long as the `with` block.
    """

    name: str
    _child: ChildProcess

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id, None while the server does not run."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the server's process runs."""
        return self._child.running

    @abstractmethod
    def start(self) -> None:
        """Start the server and wait until it is ready. Raises StartupError."""

    @abstractmethod
    def restart(self) -> None:
        """Start the server again at the same address after it died; return before it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server; by force if it does not stop within a time limit."""
