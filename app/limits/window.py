"""What a limit has left for somebody."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """The state of one counter after a hit.

    limit, remaining: requests in the window; reset: seconds until the window ends.
    """

    limit: int
    remaining: int
    reset: float
    allowed: bool
