"""A server that the gateway runs as its own child."""

from abc import ABC, abstractmethod
from typing import Self

from app.standalone.child_process import Child


class Supervised(ABC):
    """Runs for as long as a `with` block lasts; whoever needs more calls the methods."""

    name: str
    _child: Child

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
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.running

    @abstractmethod
    def start(self) -> None:
        """Start and wait until it is ready. Raises StartupError."""

    @abstractmethod
    def restart(self) -> None:
        """Start again what died, at the same address, without waiting until it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop within a bound."""
