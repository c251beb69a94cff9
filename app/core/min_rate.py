"""The data rate that the body of a request must have at least."""

from app.core.errors import SlowRequestError

# Bytes a second. The slowest links that models are trained over are a hundred times as fast.
MIN_RATE = 240
# The rate is taken over a window of so many body timeouts.
WINDOW_IN_TIMEOUTS = 4


class MinimumDataRate:
    """Watches the data rate of one body."""

    def __init__(self, body_timeout: float) -> None:
        """body_timeout: seconds for which the client may be silent within the body."""
        self._window = WINDOW_IN_TIMEOUTS * body_timeout
        self._waited = 0.0
        self._size = 0

    def record(self, size: int, waited: float) -> None:
        """Count `size` bytes for which the client was waited for, in seconds.

        The time that MLflow needs to accept them is not counted. Raises SlowRequestError at the end
        of a window in which less than MIN_RATE was received.
        """
        self._waited += waited
        self._size += size
        if self._waited < self._window:
            return
        if self._size < self._waited * MIN_RATE:
            raise SlowRequestError(
                f"The request's body was sent with less than {MIN_RATE} bytes a second. Send the "
                "request again."
            )
        self._waited, self._size = 0.0, 0
