"""What the upstream client needs of its callers, as `typing.Protocol`s for annotations.

`app.edge.http1.zero_copy` implements them. Nothing is checked at run time.
"""

import asyncio
from typing import Protocol


class ZeroCopyChannel(Protocol):
    """The client's connection, for bodies that go past the HTTP parser; see the implementation."""

    @property
    def transport(self) -> asyncio.Transport: ...

    def hold_body(self) -> bool: ...

    def count_body(self, size: int) -> None: ...

    def end_body(self) -> None: ...

    def can_splice(self, size: int) -> bool: ...

    async def flush(self) -> None: ...

    def count_response(self, size: int) -> None: ...

    def check_send_timeout(self, silent: float) -> None: ...

    def client_gone(self) -> None: ...
