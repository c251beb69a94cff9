"""Request bodies that are too large, too slow, left unread, or refused."""

import http.client
import json
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from app.edge.http1 import lingering_transport, protocol
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.raw_http import RawConnection, request, send_raw

ARTIFACT = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model.bin"


@pytest.fixture(scope="module")
def impatient(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway with a body timeout of one second."""
    with RunningGateway(new_database(), mlflow_server.url, body_timeout=1) as running:
        yield running


def bearer(gateway: RunningGateway) -> str:
    return f"Authorization: Bearer {gateway.key()}"


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/keys", 16 * 1024),
        ("/api/auth/token", 16 * 1024),
        ("/api/attestations", 2 * 1024**2),
        ("/api/attestations/verify", 2 * 1024**2),
        ("/api/models/baseline", 2 * 1024**2),
    ],
)
@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/x+json"])
def test_a_document_has_a_maximum_size(
    gateway: RunningGateway, path: str, most: int, media_type: str
) -> None:
    with gateway.client(gateway.key(), **{"Content-Type": media_type}) as client:
        content = b'{"name": "large"}'
        response = client.post(path, content=content + b" " * (most - len(content)))
        assert response.status_code != 413, response.text
        for body in (b" " * (most + 1), iter([b" " * most, b" "])):
            response = client.post(path, content=body)
            assert (response.status_code, response.json()["reason"]) == (413, "body_too_large")
            assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("line", "framing", "part"),
    [
        ("POST /api/keys HTTP/1.1", "Content-Length: 10", b"1234"),
        (f"PUT {ARTIFACT} HTTP/1.1", "Transfer-Encoding: chunked", b"5\r\n"),
        (
            "POST /api/mlflow/api/2.0/mlflow/experiments/create HTTP/1.1",
            "Content-Length: 10",
            b"1234",
        ),
    ],
)
def test_a_body_that_stalls_is_refused(
    impatient: RunningGateway, line: str, framing: str, part: bytes
) -> None:
    with RawConnection(impatient) as connection:
        headers = (bearer(impatient), "Content-Type: application/json", framing)
        connection.send(request(line, *headers, body=part))
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (400, "slow_request")
        assert response.headers["connection"] == "close"
        assert connection.closed_by_gateway


def test_a_slow_body_that_continues_is_accepted(impatient: RunningGateway) -> None:
    with RawConnection(impatient) as connection:
        body = b'{"name": "slow"}'  # at 0.08 seconds a byte, it takes longer than the body timeout
        headers = (bearer(impatient), "Content-Type: application/json")
        connection.send(
            request("POST /api/keys HTTP/1.1", *headers, f"Content-Length: {len(body)}")
        )
        for byte in body:
            connection.send(bytes([byte]))
            time.sleep(0.08)
        assert connection.read_response().status == 201


def test_a_slow_head_is_refused(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    with RawConnection(gateway) as connection:
        connection.send(b"GET /livez HT")
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (400, "slow_request")
        assert connection.closed_by_gateway
    # The same on a connection after an earlier request.
    with RawConnection(gateway) as connection:
        connection.send(request())
        assert connection.read_response().status == 200
        connection.send(b"GET /livez HTTP/1.1\r\nHost: ")
        assert connection.read_response().document["reason"] == "slow_request"


def test_an_unused_connection_is_closed(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    with RawConnection(gateway) as connection:
        assert connection.closed_by_gateway
    with RawConnection(gateway) as connection:
        connection.send(request())
        assert connection.read_response().status == 200
        connection.send(b"\r\n")
        assert connection.closed_by_gateway


def test_a_refusal_discards_a_small_body_and_keeps_the_connection(
    gateway: RunningGateway,
) -> None:
    with RawConnection(gateway) as connection:
        for body in (b"", b"a" * 1000, b"a" * 200_000):
            connection.send(
                request("POST /api/keys HTTP/1.1", f"Content-Length: {len(body)}", body=body)
            )
            response = connection.read_response()
            assert (response.status, response.document["reason"]) == (401, "credentials_missing")
            assert "connection" not in response.headers
        chunks = b"5\r\nhello\r\n0\r\n\r\n"
        connection.send(
            request("POST /api/keys HTTP/1.1", "Transfer-Encoding: chunked", body=chunks)
        )
        assert "connection" not in connection.read_response().headers
        connection.send(request())
        assert connection.read_response().status == 200


def test_a_refusal_of_a_large_body_ends_the_connection(gateway: RunningGateway) -> None:
    with RawConnection(gateway) as connection:
        connection.send(
            request(f"PUT {ARTIFACT} HTTP/1.1", "Content-Length: 1000000000", body=b"a" * 10)
        )
        response = connection.read_response()
        assert (response.status, response.headers["connection"]) == (401, "close")
        assert connection.closed_by_gateway


def test_an_anonymous_caller_gets_no_100_continue(gateway: RunningGateway) -> None:
    for headers in ((), ("Authorization: Bearer wrong",)):
        with RawConnection(gateway) as connection:
            length = "Content-Length: 1000"
            connection.send(
                request(f"PUT {ARTIFACT} HTTP/1.1", "Expect: 100-continue", length, *headers)
            )
            response = connection.read_response()
            assert (response.status, response.headers["connection"]) == (401, "close")
            assert connection.closed_by_gateway


def test_an_authenticated_caller_gets_100_continue(gateway: RunningGateway) -> None:
    with RawConnection(gateway) as connection:
        body = b'{"name": "continued"}'
        headers = (bearer(gateway), "Content-Type: application/json", "Expect: 100-continue")
        connection.send(
            request("POST /api/keys HTTP/1.1", *headers, f"Content-Length: {len(body)}")
        )
        assert connection.read_response().status == 100
        connection.send(body)
        assert connection.read_response().status == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_the_refusal_of_an_upload_is_readable_for_requests(
    gateway: RunningGateway, chunked: bool
) -> None:
    """requests, which MLflow's client uses, reads the response only after the complete body."""
    piece = b"a" * 1_000_000
    response = requests.put(
        gateway.url + ARTIFACT,
        data=(piece for _ in range(30)) if chunked else piece * 30,
        headers={"Authorization": "Bearer wrong"},
        timeout=60,
    )
    assert (response.status_code, response.json()["reason"]) == (401, "key_invalid")


def test_the_refusal_of_an_upload_is_readable_for_http_client(
    gateway: RunningGateway,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    connection.request("PUT", ARTIFACT, body=b"a" * 30_000_000)
    response = connection.getresponse()
    assert (response.status, json.load(response)["reason"]) == (401, "credentials_missing")
    connection.close()


def test_the_refusal_of_a_slow_upload_is_readable(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering_transport, "LINGER_TIMEOUT", 0.1)

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"a" * 300_000
            time.sleep(0.03)

    response = requests.put(
        gateway.url + ARTIFACT,
        data=pieces(),
        headers={"Authorization": "Bearer wrong"},
        timeout=60,
    )
    assert response.status_code == 401


def test_a_body_with_invalid_framing_is_refused(gateway: RunningGateway) -> None:
    raw = request(
        "POST /api/keys HTTP/1.1",
        bearer(gateway),
        "Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\nnonsense\r\n",
    )
    response = send_raw(gateway, raw)
    assert (response.status, response.document["reason"]) == (400, "malformed_request")
