"""How slowly a request's body may come, all in all: drops of it are no sign of life for ever."""

from app.core.errors import SlowRequestError

# Bytes a second; the slowest links that people train over are a hundred times as fast.
MIN_RATE = 240
# The pace is looked at each time that so many of the longest silences have been waited for.
WINDOW_IN_TIMEOUTS = 4


class MinimumDataRate:
    """Watches one body. gap: the longest silence allowed in it, in seconds."""

    def __init__(self, gap: float) -> None:
        self._window = WINDOW_IN_TIMEOUTS * gap
        self._waited = 0.0
        self._size = 0

    def came(self, size: int, waited: float) -> None:
        """Note `size` bytes for which the client was waited for, in seconds.

        Only that time counts, and not what MLflow needs to take them. Raises SlowRequestError
        where a window brought less than MIN_RATE.
        """
        self._waited += waited
        self._size += size
        if self._waited < self._window:
            return
        if self._size < self._waited * MIN_RATE:
            raise SlowRequestError(
                f"The request's body comes with less than {MIN_RATE} bytes a second. Send it again."
            )
        self._waited, self._size = 0.0, 0
