"""What a limit has left for somebody."""

from typing import NamedTuple


class Quota(NamedTuple):
    """The state of one counter after a request was counted, or refused.

    limit, remaining: requests in the window; reset: seconds until the window ends, above 0.
    """

    limit: int
    remaining: int
    reset: float
    allowed: bool
