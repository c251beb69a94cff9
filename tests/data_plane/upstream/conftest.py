"""Each asynchronous test here runs on both event loops.

Production runs on uvloop; the two differ in which callbacks a protocol gets, and when.
"""

from typing import Any

import pytest

from tests.data_plane.upstream.forwarding_app import Forwarding

EventLoop = tuple[str, dict[str, Any]]


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> EventLoop:
    """The event loop, as anyio's pytest plugin reads it."""
    event_loop: EventLoop = request.param
    return event_loop


@pytest.fixture
def splicing(anyio_backend: EventLoop) -> bool:
    """Whether large bodies are spliced from socket to socket, or copied through the process.

    One mode per event loop, the production's pair among them; all four combinations run where a
    test is marked with `all_event_loops_and_copy_modes`.
    """
    spliced: bool = anyio_backend[1]["use_uvloop"]
    return spliced


@pytest.fixture
def forwarding(splicing: bool) -> Forwarding:
    """Starts the upstream client in an ASGI app, in front of an upstream with a script."""
    return Forwarding(splicing)
