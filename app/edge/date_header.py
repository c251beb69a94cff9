"""The Date header that every response carries (RFC 9110, section 6.6.1)."""

import time
from email.utils import formatdate
from functools import lru_cache


def date_header() -> tuple[bytes, bytes]:
    """The current time as a header."""
    return _date_header(int(time.time()))


@lru_cache(maxsize=1)
def _date_header(second: int) -> tuple[bytes, bytes]:
    return b"date", formatdate(second, usegmt=True).encode()
