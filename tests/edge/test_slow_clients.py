"""Clients that are slow on purpose are closed after a time limit, without harm to others."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest

from app.core.errors import SlowRequestError
from app.core.min_rate import MIN_RATE, WINDOW_IN_TIMEOUTS, MinimumDataRate
from app.edge.http1 import lingering_transport, protocol
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.raw_http import request
from tests.support.responses import good

ARTIFACT = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model.bin"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
BODY_GAP = 0.5
# Seconds between two bytes: no single pause reaches the body timeout.
PAUSE = 0.2
# Enough pipelined requests to fill every buffer between gateway and client.
PIPELINED = 10


@pytest.fixture(scope="module")
def attacked(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), mlflow_server.url, body_timeout=BODY_GAP) as running:
        yield running


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 2.0)
    monkeypatch.setattr(lingering_transport, "SEND_TIMEOUT", 2.0)


@pytest.fixture
def honest_key(attacked: RunningGateway) -> str:
    """A key of the tenant that stays within all limits."""
    return attacked.key()


@pytest.fixture
def slow_key(attacked: RunningGateway) -> str:
    """A key of another tenant, which is in the gateway's cache."""
    key = attacked.key()
    with attacked.client(key) as client:
        good(client.get(SEARCH))
    return key


async def send_slowly(port: int, first: bytes) -> bytes:
    """The response after `first` and then single bytes, until the gateway closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    response = asyncio.create_task(reader.read())
    while not (await asyncio.wait([response], timeout=PAUSE))[0]:
        writer.write(b"a")
    writer.close()
    return await response


async def call_until_done(
    gateway: RunningGateway, key: str, attack: "asyncio.Future[list[bytes]]"
) -> int:
    """Call the gateway and MLflow while the attack lasts; returns the number of rounds."""
    calls = 0
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=headers, timeout=60, trust_env=False
    ) as client:
        while calls < 3 or not attack.done():
            for path in ("/livez", "/api/limits", SEARCH):
                response = await client.get(path)
                assert response.status_code == 200, response.text
            calls += 1
    return calls


async def attack_beside_honest_caller(
    gateway: RunningGateway, key: str, first: bytes, many: int
) -> list[bytes]:
    slow = asyncio.gather(*(send_slowly(gateway.port, first) for _ in range(many)))
    assert await call_until_done(gateway, key, slow) >= 3
    return await slow


@pytest.mark.parametrize("kind", ["head", "document", "artifact"])
async def test_clients_that_send_too_slowly_are_refused_and_closed(
    attacked: RunningGateway, slow_key: str, honest_key: str, kind: str
) -> None:
    bearer = f"Authorization: Bearer {slow_key}"
    first = {
        "head": b"GET /livez HTTP/1.1\r\nHost: gateway\r\nX-Slow: ",
        "document": request(
            "POST /api/keys HTTP/1.1",
            bearer,
            "Content-Type: application/json",
            "Content-Length: 100000",
            body=b"{",
        ),
        "artifact": request(
            f"PUT {ARTIFACT} HTTP/1.1", bearer, "Content-Length: 100000", body=b"a"
        ),
    }[kind]
    reasons: Counter[str] = Counter()
    for response in await attack_beside_honest_caller(attacked, honest_key, first, 200):
        head, _, body = response.partition(b"\r\n\r\n")
        reason = json.loads(body)["reason"]
        reasons[reason] += 1
        assert head.startswith(b"HTTP/1.1 400 " if reason == "slow_request" else b"HTTP/1.1 503 ")
    # An upload holds a connection to MLflow, and one tenant has only a share of those. The other
    # uploads wait for a connection, and send slowly as well.
    assert set(reasons) <= {"slow_request", "upstream_busy"}
    assert reasons["slow_request"] >= (50 if kind == "artifact" else 200)


async def test_clients_that_do_not_read_are_closed(
    attacked: RunningGateway, honest_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = protocol.StrictProtocol.connection_made

    def with_little_room(self: protocol.StrictProtocol, transport: asyncio.Transport) -> None:
        # Otherwise the kernel would buffer megabytes for each before the gateway notices.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made(self, transport)

    monkeypatch.setattr(protocol.StrictProtocol, "connection_made", with_little_room)

    async def unread(number: int) -> socket.socket:
        # The receive window follows from the buffer before the connection.
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # Of one address only few large responses are under way at once.
        connection.bind((f"127.0.0.{2 + number % 100}", 0))
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", attacked.port))
        await loop.sock_sendall(connection, request("GET /docs HTTP/1.1") * PIPELINED)
        return connection

    async def gone(many: int) -> list[bytes]:
        connections = await asyncio.gather(*(unread(number) for number in range(many)))
        assert attacked.connections > 0
        try:
            async with asyncio.timeout(60):
                # One connection is the honest caller's.
                while attacked.connections > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            for connection in connections:
                connection.close()
        return []

    slow = asyncio.ensure_future(gone(200))
    try:
        assert await call_until_done(attacked, honest_key, slow) >= 3
    finally:
        await slow


def test_the_minimum_rate_counts_only_time_spent_waiting_for_the_client() -> None:
    rate = MinimumDataRate(1.0)
    for _ in range(10_000):
        rate.record(1, 0.0)
    rate.record(1, WINDOW_IN_TIMEOUTS * 1.0)
    # The next window is measured alone: earlier bytes do not count.
    with pytest.raises(SlowRequestError, match="less than"):
        rate.record(int(WINDOW_IN_TIMEOUTS * MIN_RATE) - 1, WINDOW_IN_TIMEOUTS * 1.0)
