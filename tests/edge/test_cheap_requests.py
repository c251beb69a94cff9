"""Requests of a few bytes that would keep the gateway busy, or fill its memory, are refused."""

from collections.abc import Callable, Iterator

import pytest

from app.edge.http1.protocol import ANY_CHUNKS, MAX_PIPELINED, MIN_CHUNK
from tests.support.gateway import RunningGateway
from tests.support.raw_http import RawConnection, request

# Nothing listens there, and nothing here needs it.
NO_MLFLOW = "http://127.0.0.1:1"
LIVE, LIMITS = request(), request("GET /api/limits HTTP/1.1")
VERIFY = "POST /api/attestations/verify HTTP/1.1"
SEARCH = "POST /api/mlflow/api/2.0/mlflow/experiments/search HTTP/1.1"
ARTIFACT = "PUT /api/mlflow/api/2.0/mlflow-artifacts/artifacts/a HTTP/1.1"


@pytest.fixture(scope="module")
def gateway(new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), NO_MLFLOW) as running:
        yield running


def statuses(connection: RawConnection) -> list[int]:
    """Those of all responses until the gateway closes the connection."""
    found = []
    while True:
        try:
            found.append(connection.read_response().status)
        except EOFError:
            return found


@pytest.mark.parametrize("one", [LIVE, LIMITS])
def test_few_requests_wait_behind_another(gateway: RunningGateway, one: bytes) -> None:
    with RawConnection(gateway) as connection:
        connection.send(one * 5000)
        *served, last = statuses(connection)
    # All that came before the refused one have their responses, in order.
    assert (len(served), last) == (1 + MAX_PIPELINED, 429)
    assert set(served) == ({200} if one == LIVE else {401})


def test_as_many_as_may_wait_are_served(gateway: RunningGateway) -> None:
    with RawConnection(gateway) as connection:
        for _ in range(3):
            connection.send(LIVE * (1 + MAX_PIPELINED))
            served = [connection.read_response().status for _ in range(1 + MAX_PIPELINED)]
            assert set(served) == {200}


def chunked(gateway: RunningGateway, line: str, chunks: bytes, *headers: str) -> bytes:
    return request(
        line, "Transfer-Encoding: chunked", f"X-API-Key: {gateway.key()}", *headers, body=chunks
    )


@pytest.mark.parametrize("line", [VERIFY, SEARCH, ARTIFACT, "GET /livez HTTP/1.1"])
def test_a_body_of_tiny_chunks_is_refused(gateway: RunningGateway, line: str) -> None:
    with RawConnection(gateway) as connection:
        connection.send(chunked(gateway, line, b"1\r\na\r\n" * 100_000))
        found = connection.read_response()
        assert (found.status, found.document["reason"]) == (400, "malformed_request")
        assert "larger chunks" in found.document["message"]
        assert connection.take_unread() == b""


@pytest.mark.parametrize(
    ("count", "size"), [(ANY_CHUNKS, 1), (3 * ANY_CHUNKS, MIN_CHUNK), (2 * ANY_CHUNKS, 1000)]
)
def test_a_body_of_other_chunks_is_read(gateway: RunningGateway, count: int, size: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b" " * size)
    with RawConnection(gateway) as connection:
        # One of its own for each request of a connection.
        for _ in range(2):
            json = "Content-Type: application/json"
            connection.send(chunked(gateway, VERIFY, chunk * count + b"0\r\n\r\n", json))
            found = connection.read_response()
            # All of it is white space.
            assert (found.status, found.document["reason"]) == (400, "invalid_parameter")
