"""What the upstream client needs of whoever calls it, as `typing.Protocol`s.

The HTTP/1.1 server implements them (app/edge/http1/zero_copy.py); the client does not import it.
"""

import asyncio
from typing import Protocol


class ZeroCopyChannel(Protocol):
    """The client's connection, for bodies that go past the HTTP parser."""

    @property
    def transport(self) -> asyncio.Transport: ...

    def hold_body(self) -> bool: ...

    def count_body(self, size: int) -> None: ...

    def end_body(self) -> None: ...

    def takes(self, size: int) -> bool: ...

    async def flush(self) -> None: ...

    def count_answer(self, size: int) -> None: ...

    def unread(self, seconds: float) -> None: ...

    def leave(self) -> None: ...
