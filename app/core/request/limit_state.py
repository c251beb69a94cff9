"""The state of one rate-limit counter."""

import math
from typing import NamedTuple


class LimitState(NamedTuple):
    """A counter's state after it has counted a request, or refused to.

    limit: requests allowed per window. remaining: requests left in this window.
    reset: seconds until the window ends, above 0. allowed: whether this request was within the
    limit. shared: whether it is the counter of all wallets at the client's address, and not that of
    the caller alone.
    """

    limit: int
    remaining: int
    reset: float
    allowed: bool
    shared: bool = False

    @property
    def reset_seconds(self) -> int:
        """`reset` rounded up to whole seconds, as headers and error messages give it."""
        return math.ceil(self.reset)
