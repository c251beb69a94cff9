"""The minimum data rate of request bodies: bounds the total time of a body that arrives slowly.

A timeout per read is not enough: a client that sends one byte before each timeout never hits it.
"""

from app.core.errors import SlowRequestError

# Bytes per second; the slowest links that people train over are a hundred times as fast.
MIN_RATE = 240
# The rate is measured over windows of this many body timeouts.
WINDOW_IN_TIMEOUTS = 4


class MinimumDataRate:
    """Measures the rate of one request body.

    body_timeout: the maximum time to wait for the next part of the body, in seconds.
    """

    def __init__(self, body_timeout: float) -> None:
        self._window = WINDOW_IN_TIMEOUTS * body_timeout
        self._waited = 0.0
        self._size = 0

    def record(self, size: int, waited: float) -> None:
        """Add a part of the body: its size in bytes, and how long it was waited for, in seconds.

        Only the time spent waiting for the client counts, not the time that MLflow takes to read.
        Raises SlowRequestError if the rate over a window was below MIN_RATE.
        """
        self._waited += waited
        self._size += size
        if self._waited < self._window:
            return
        if self._size < self._waited * MIN_RATE:
            raise SlowRequestError(
                f"The request's body arrives at less than {MIN_RATE} bytes a second. Send it again."
            )
        self._waited, self._size = 0.0, 0
