"""Keeps clients from filling the log with refusals, of which they can cause any number."""

import time

# Client addresses that are logged in one second.
MAX_LOGGED = 100


class LoggedClients:
    """The client addresses of which a refusal was logged in this second."""

    def __init__(self) -> None:
        self._second = 0
        self._logged: set[str] = set()

    def is_first(self, client: str) -> bool:
        """Whether a refusal of a client address is its first in this second, and to be logged."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._logged.clear()
        if client in self._logged or len(self._logged) >= MAX_LOGGED:
            return False
        self._logged.add(client)
        return True
