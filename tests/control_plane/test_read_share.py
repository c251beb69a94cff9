"""The reads of one client address wait for each other, and for nobody else."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.control_plane.read_share import AT_ONCE, ReadShare
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead


class Reads:
    """An application whose responses are held back until `released` is set."""

    def __init__(self) -> None:
        self.running = self.most = self.done = 0
        self.released = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.released.wait()
        self.running -= 1
        self.done += 1


def scope(client: str, method: str = "GET", path: str = "/api/models") -> dict[str, Any]:
    head = RequestHead([], {}, client)
    return {"method": method, "path": path, "context": RequestContext("id", head)}


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def nothing(*_: Any) -> Any:
    return None


FLOODS = {"IPv4": ["1.1.1.1"] * 50, "an IPv6 /64": [f"2001:db8::{n:x}" for n in range(1, 51)]}


@pytest.mark.parametrize("flood_of", FLOODS)
async def test_an_address_has_a_bounded_number_of_reads_in_progress(flood_of: str) -> None:
    reads = Reads()
    share = ReadShare(reads, frozenset({("GET", "/livez")}))
    addresses = FLOODS[flood_of]
    flood = [asyncio.create_task(share(scope(one), nothing, nothing)) for one in addresses]
    await settle()
    assert reads.running == AT_ONCE
    # Another address, a change, and a probe do not wait.
    others = [
        asyncio.create_task(share(one, nothing, nothing))
        for one in (
            scope("2.2.2.2"),
            scope("2001:db8:0:1::1"),
            scope(addresses[0], "POST"),
            scope(addresses[0], path="/livez"),
        )
    ]
    await settle()
    assert reads.running == AT_ONCE + len(others)
    reads.released.set()
    await asyncio.gather(*flood, *others)
    assert (reads.done, reads.running, share._places) == (54, 0, {})
