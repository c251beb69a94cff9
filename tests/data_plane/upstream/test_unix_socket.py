"""An upstream on a Unix socket: requests, large bodies in both directions, and its absence."""

import hashlib
from pathlib import Path

import httpx
import pytest

from app.core.errors import UpstreamUnreachableError
from app.data_plane.upstream.client import UpstreamClient
from tests.data_plane.upstream.forwarding_app import Forwarding, all_event_loops_and_copy_modes
from tests.data_plane.upstream.received_request import ReceivedRequest
from tests.support.scripted_upstream import UpstreamConnection, scripted_upstream

# Large enough to be spliced.
BODY = bytes(range(256)) * 16384


async def serve(connection: UpstreamConnection) -> None:
    """Respond with the digest of what was received, or with BODY to a request without one."""
    while True:
        received = ReceivedRequest()
        await received.read(connection)
        if not received.complete:
            return
        assert received.headers[b"host"] == b"localhost"
        body = hashlib.sha256(received.body).hexdigest().encode() if received.body else BODY
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


@all_event_loops_and_copy_modes
async def test_small_and_large_bodies_pass(forwarding: Forwarding, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.sock"
    async with scripted_upstream(serve, path=path), forwarding.app(f"unix://{path}") as app:
        response = await app.get()
        assert response.body == BODY
        head = b"PUT /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n\r\n"
        for body in (b"small", BODY):
            response = await app.send(head % len(body) + body)
            assert response.body.decode() == hashlib.sha256(body).hexdigest()
        if forwarding.splicing:
            assert app.spliced
            assert sum(app.spliced) > len(BODY)


async def test_it_is_a_transport_of_httpx(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.sock"
    limits = {"queue_timeout": 5, "connect_timeout": 5, "read_timeout": 5, "body_timeout": 5}
    upstream = UpstreamClient(f"unix://{path}", max_connections=2, **limits)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=upstream, base_url=upstream.base_url) as http:
        with pytest.raises(UpstreamUnreachableError):
            await http.get("/health")
        async with scripted_upstream(serve, path=path):
            assert (await http.get("/health")).content == BODY
