"""The fast path: responses and failures of MLflow."""

import asyncio
import gzip
import json

import pytest

from tests.data_plane.fast_path.harness import (
    GET,
    MLflowRequest,
    StartHarness,
    echo,
    ok,
    remaining,
)
from tests.support.waiting import wait_until


def test_pipelined_requests_get_responses_in_order(start_harness: StartHarness) -> None:
    async def slow_first(request: MLflowRequest) -> None:
        if request.name == b"first":
            await asyncio.sleep(0.05)
        await request.connection.send(ok(request.name))

    harness = start_harness(slow_first)
    with harness.connect() as connection:
        connection.send(
            harness.get("first")
            + harness.post("second")
            + harness.raw("GET", "/livez")
            + harness.raw("GET", "/api/mlflow/none")
            + harness.get("third", "Expect: 100-continue")
            + harness.get("fourth")
        )
        responses = [connection.read_response() for _ in range(6)]
        assert [r.status for r in responses] == [200, 200, 200, 404, 200, 200]
        assert responses[0].body == b"first"
        assert json.loads(responses[1].body) == {"name": "second"}
        assert [r.body for r in responses[4:]] == [b"third", b"fourth"]
        # The connection returns to the fast path.
        harness.handled.clear()
        for name in ("fifth", "sixth"):
            connection.send(harness.get(name))
            assert connection.read_response().body == name.encode()
        assert harness.handled == [True, True]


def test_a_response_of_the_fast_path_waits_for_one_of_the_asgi_path(
    start_harness: StartHarness,
) -> None:
    harness = start_harness(echo)
    with harness.connect() as connection:
        connection.send(harness.raw("GET", "/livez") + harness.get("a") + harness.get("b"))
        assert [connection.read_response().body for _ in range(3)][1:] == [b"a", b"b"]


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Broken"])
def test_an_error_of_mlflow_is_counted_once(start_harness: StartHarness, status: bytes) -> None:
    async def refuse(request: MLflowRequest) -> None:
        body = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No."}'
        await request.connection.send(ok(body, b"content-type: application/json", status=status))

    harness = start_harness(refuse)
    left = remaining(harness.send(harness.get("warm")))
    response = harness.send(harness.get("a"))
    number = int(status[:3])
    assert response.status == number
    assert response.headers["content-type"] == "application/problem+json"
    assert remaining(response) == left - 1
    assert len(harness.mlflow.requests) == 1
    harness.wait_for_count(1, status=number)
    assert remaining(harness.send(harness.get("warm"))) == left - 2


def test_a_chunked_response_is_framed(start_harness: StartHarness) -> None:
    async def chunks(request: MLflowRequest) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        if request.name == b"parts":
            await request.connection.send(head + b"2\r\nab\r\n")
            await asyncio.sleep(0.05)
            await request.connection.send(b"1\r\nc\r\n0\r\n\r\n")
        else:
            await request.connection.send(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

    harness = start_harness(chunks)
    with harness.connect() as connection:
        connection.send(harness.get("whole"))
        response = connection.read_response()
        assert (response.body, response.headers["content-length"]) == (b"abc", "3")
        connection.send(harness.get("parts"))
        response = connection.read_response()
        assert response.headers["transfer-encoding"] == "chunked"
        rest = connection.take_unread()
        while not rest.endswith(b"0\r\n\r\n"):
            rest += connection.socket.recv(1000)
        assert rest == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert harness.handled == [True, True]


def test_interim_responses_cookies_and_trailers_of_mlflow_are_removed(
    start_harness: StartHarness,
) -> None:
    packed = gzip.compress(b"abc")

    async def beside(request: MLflowRequest) -> None:
        await request.connection.send(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nserver: mlflow\r\ncontent-encoding: gzip\r\n"
            b"transfer-encoding: chunked\r\ntrailer: set-cookie\r\n\r\n"
            b"%x\r\n%b\r\n0\r\nset-cookie: c=d\r\nx-end: 1\r\n\r\n" % (len(packed), packed)
        )

    harness = start_harness(beside)
    with harness.connect() as connection:
        for _ in range(2):
            connection.send(harness.get("a"))
            response = connection.read_response()
            assert (response.status, response.body) == (200, packed)
            assert response.headers["content-encoding"] == "gzip"
            assert not {"set-cookie", "server", "link", "x-end", "trailer"} & set(response.headers)
    assert harness.handled == [True, True]


def test_a_response_whose_length_is_hop_by_hop_is_framed(start_harness: StartHarness) -> None:
    async def nominate(request: MLflowRequest) -> None:
        await request.connection.send(ok(b"abc", b"connection: content-length"))

    harness = start_harness(nominate)
    response = harness.send(harness.get("a"))
    assert (response.body, response.headers["content-length"]) == (b"abc", "3")


def test_a_response_to_head_gets_no_added_length(start_harness: StartHarness) -> None:
    async def chunked(request: MLflowRequest) -> None:
        if request.name == b"known":
            await request.connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")
        else:
            await request.connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

    harness = start_harness(chunked)
    assert "content-length" not in harness.send(harness.raw("HEAD", GET + "a")).headers
    response = harness.send(harness.raw("HEAD", GET + "known"))
    assert (response.headers["content-length"], response.body) == ("7", b"")


@pytest.mark.parametrize("size", [65_000, 65_537, 3_000_000])
def test_a_large_response_arrives_complete(start_harness: StartHarness, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def large(request: MLflowRequest) -> None:
        await request.connection.send(ok(body))

    harness = start_harness(large)
    with harness.connect() as connection:
        for _ in range(3):
            connection.send(harness.get("a"))
            assert connection.read_response().body == body
    assert harness.handled == [True] * 3
    wait_until(harness.is_idle)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_response_without_a_body(start_harness: StartHarness, status: bytes) -> None:
    async def empty(request: MLflowRequest) -> None:
        await request.connection.send(b"HTTP/1.1 %b\r\netag: x\r\n\r\n" % status)

    harness = start_harness(empty)
    with harness.connect() as connection:
        for _ in range(2):
            connection.send(harness.get("a"))
            response = connection.read_response(head_only=True)
            assert response.status == int(status[:3])
            assert not {"content-length", "transfer-encoding"} & set(response.headers)
    assert harness.handled == [True, True]


# --- MLflow fails ---


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nmore",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000,
        b"nonsense\r\n\r\n",
    ],
)
def test_an_invalid_response_gives_502(start_harness: StartHarness, data: bytes) -> None:
    async def broken(request: MLflowRequest) -> None:
        await request.connection.send(data)
        raise ConnectionError

    harness = start_harness(broken)
    response = harness.send(harness.get("a"))
    assert (response.status, response.document["reason"]) == (502, "upstream_protocol")
    assert len(harness.mlflow.requests) == 1
    # A response is counted after it was sent.
    harness.wait_for_count(1, status=502)
    wait_until(harness.is_idle)
    harness.warm_up()


def test_a_truncated_long_response_never_looks_complete(start_harness: StartHarness) -> None:
    async def half(request: MLflowRequest) -> None:
        await request.connection.send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + bytes(500_000)
        )
        request.connection.reset()

    harness = start_harness(half)
    with harness.connect() as connection:
        connection.send(harness.get("a"))
        with pytest.raises(EOFError):
            connection.read_response()
    wait_until(harness.is_idle)
    harness.warm_up()


def test_a_pooled_connection_that_was_closed(start_harness: StartHarness) -> None:
    async def once(request: MLflowRequest) -> None:
        if len(harness.mlflow.requests) == 1:
            raise ConnectionError  # closes the connection without a response
        await request.connection.send(ok(request.name))

    harness = start_harness(once)
    # A GET is retried on a new connection, once.
    left = remaining(harness.send(harness.get("warm")))
    response = harness.send(harness.get("a"))
    assert (response.status, response.body, remaining(response)) == (200, b"a", left - 1)
    assert [request.connection.number for request in harness.mlflow.requests] == [0, 1]
    # A request that MLflow may have carried out is not.
    harness.mlflow.requests.clear()
    response = harness.send(harness.post("b"))
    assert (response.status, len(harness.mlflow.requests)) == (502, 1)
    wait_until(harness.is_idle)


def test_a_silent_mlflow_gives_504(start_harness: StartHarness) -> None:
    harness = start_harness(
        lambda request: request.connection.wait_closed(), upstream_read_timeout=0.3
    )
    response = harness.send(harness.get("a"))
    assert (response.status, response.document["reason"]) == (504, "upstream_timeout")
    harness.wait_for_count(1, status=504)
    wait_until(harness.is_idle)


def test_the_json_body_of_a_get_is_inspected_on_either_path(start_harness: StartHarness) -> None:
    async def name_the_body(request: MLflowRequest) -> None:
        await request.connection.send(ok(request.body))

    harness = start_harness(name_the_body)
    path, body = "/api/mlflow/api/2.0/mlflow/runs/get", b'{"run_id": "b"}'
    assert harness.send(harness.raw("GET", path, body=body)).body == body
    closing = harness.raw("GET", path, "Connection: close", body=body)
    assert harness.send(closing, fast=False).body == body
    assert len(harness.mlflow.requests) == 2
    for refused in (
        harness.raw("GET", path + "?run_id=a", body=body),
        harness.raw("GET", path, body=b'{"run_id": "b", "run_id": "a"}'),
    ):
        assert harness.send(refused, fast=False).status == 400
    assert len(harness.mlflow.requests) == 2
