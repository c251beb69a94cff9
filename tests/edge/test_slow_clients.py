"""Clients that are slow on purpose are gone after their limits; honest ones notice nothing."""

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
from tests.support.answers import good
from tests.support.gateway import RunningGateway
from tests.support.wire import request

ARTIFACT = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model.bin"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
BODY_GAP = 0.5
# Between two drops, in seconds: never a silence that is too long.
PAUSE = 0.2
# Enough of it to fill every buffer on the way to a client that does not read.
PIPELINED = 10


@pytest.fixture(scope="module")
def besieged(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), mlflow_server.url, body_timeout=BODY_GAP) as running:
        yield running


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 2.0)
    monkeypatch.setattr(lingering_transport, "SEND_TIMEOUT", 2.0)


@pytest.fixture
def honest_key(besieged: RunningGateway) -> str:
    """A key of a tenant that keeps to every limit."""
    return besieged.key()


@pytest.fixture
def slow_key(besieged: RunningGateway) -> str:
    """A key of another tenant, which the gateway has in its cache."""
    key = besieged.key()
    with besieged.client(key) as client:
        good(client.get(SEARCH))
    return key


async def drip(port: int, first: bytes) -> bytes:
    """Send the first bytes, and then one after the other until the gateway ends it: its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    answer = asyncio.create_task(reader.read())
    while not (await asyncio.wait([answer], timeout=PAUSE))[0]:
        writer.write(b"a")
    writer.close()
    return await answer


async def honest(
    gateway: RunningGateway, key: str, besieging: "asyncio.Future[list[bytes]]"
) -> int:
    """Call the gateway and MLflow behind it for as long as the siege lasts: how often."""
    calls = 0
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=headers, timeout=60, trust_env=False
    ) as client:
        while calls < 3 or not besieging.done():
            for path in ("/livez", "/api/limits", SEARCH):
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
            calls += 1
    return calls


async def siege(gateway: RunningGateway, key: str, first: bytes, many: int) -> list[bytes]:
    slow = asyncio.gather(*(drip(gateway.port, first) for _ in range(many)))
    assert await honest(gateway, key, slow) >= 3
    return await slow


@pytest.mark.parametrize("kind", ["head", "document", "artifact"])
async def test_who_drips_is_refused_and_gone(
    besieged: RunningGateway, slow_key: str, honest_key: str, kind: str
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
    for answer in await siege(besieged, honest_key, first, 200):
        head, _, body = answer.partition(b"\r\n\r\n")
        reason = json.loads(body)["reason"]
        reasons[reason] += 1
        assert head.startswith(b"HTTP/1.1 400 " if reason == "slow_request" else b"HTTP/1.1 503 ")
    # An artifact's body holds a connection to MLflow, of which one tenant has its share; the others
    # of its requests wait for one, and drip as well.
    assert set(reasons) <= {"slow_request", "upstream_busy"}
    assert reasons["slow_request"] >= (50 if kind == "artifact" else 200)


async def test_who_does_not_read_is_gone(
    besieged: RunningGateway, honest_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = protocol.StrictProtocol.connection_made

    def with_little_room(self: protocol.StrictProtocol, transport: asyncio.Transport) -> None:
        # The kernel would take megabytes for each of them before the gateway notices.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made(self, transport)

    monkeypatch.setattr(protocol.StrictProtocol, "connection_made", with_little_room)

    async def unread() -> socket.socket:
        # The window is what the client says before it is connected.
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", besieged.port))
        await loop.sock_sendall(connection, request("GET /docs HTTP/1.1") * PIPELINED)
        return connection

    async def gone(many: int) -> list[bytes]:
        connections = await asyncio.gather(*(unread() for _ in range(many)))
        assert besieged.connections > 0
        try:
            async with asyncio.timeout(60):
                # The caller beside them has one.
                while besieged.connections > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            for connection in connections:
                connection.close()
        return []

    slow = asyncio.ensure_future(gone(200))
    try:
        assert await honest(besieged, honest_key, slow) >= 3
    finally:
        await slow


def test_a_pace_counts_only_the_time_that_the_client_was_waited_for() -> None:
    pace = MinimumDataRate(1.0)
    for _ in range(10_000):
        pace.record(1, 0.0)
    pace.record(1, WINDOW_IN_TIMEOUTS * 1.0)
    # The next window begins anew: what came before buys no rest.
    with pytest.raises(SlowRequestError, match="less than"):
        pace.record(int(WINDOW_IN_TIMEOUTS * MIN_RATE) - 1, WINDOW_IN_TIMEOUTS * 1.0)
