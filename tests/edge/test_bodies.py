"""Bodies: too large, too slow, unread, or not wanted."""

import http.client
import json
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from app.edge.http1 import lingering_transport, protocol
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.wire import Wire, ask, request

ARTIFACT = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model.bin"


@pytest.fixture(scope="module")
def impatient(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that waits a second for the rest of a body."""
    with RunningGateway(new_database(), mlflow_server.url, body_timeout=1) as running:
        yield running


def bearer(gateway: RunningGateway) -> str:
    return f"Authorization: Bearer {gateway.key()}"


def test_a_document_has_two_mebibytes_at_most(gateway: RunningGateway) -> None:
    key = gateway.key()
    with gateway.client(key) as client:
        content = b'{"name": "large"}'
        answer = client.post(
            "/api/keys",
            content=content + b" " * (2 * 1024**2 - len(content)),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 201, answer.text
        for body in (b" " * (2 * 1024**2 + 1), iter([b" " * 1024**2] * 3)):
            answer = client.post(
                "/api/keys", content=body, headers={"Content-Type": "application/json"}
            )
            assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")
            assert answer.headers["connection"] == "close"


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
def test_a_body_that_stops_is_refused(
    impatient: RunningGateway, line: str, framing: str, part: bytes
) -> None:
    with Wire(impatient) as wire:
        headers = (bearer(impatient), "Content-Type: application/json", framing)
        wire.send(request(line, *headers, body=part))
        answer = wire.answer()
        assert (answer.status, answer.document["reason"]) == (400, "slow_request")
        assert answer.headers["connection"] == "close"
        assert wire.ended


def test_a_slow_body_that_goes_on_is_taken(impatient: RunningGateway) -> None:
    with Wire(impatient) as wire:
        body = b'{"name": "slow"}'  # a byte each 0.08 seconds takes longer than the gap
        headers = (bearer(impatient), "Content-Type: application/json")
        wire.send(request("POST /api/keys HTTP/1.1", *headers, f"Content-Length: {len(body)}"))
        for byte in body:
            wire.send(bytes([byte]))
            time.sleep(0.08)
        assert wire.answer().status == 201


def test_a_slow_head_is_refused(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    with Wire(gateway) as wire:
        wire.send(b"GET /livez HT")
        answer = wire.answer()
        assert (answer.status, answer.document["reason"]) == (400, "slow_request")
        assert wire.ended
    # The same on a connection that has carried a request before.
    with Wire(gateway) as wire:
        wire.send(request())
        assert wire.answer().status == 200
        wire.send(b"GET /livez HTTP/1.1\r\nHost: ")
        assert wire.answer().document["reason"] == "slow_request"


def test_a_connection_on_which_nothing_is_asked_is_closed(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    with Wire(gateway) as wire:
        assert wire.ended
    with Wire(gateway) as wire:
        wire.send(request())
        assert wire.answer().status == 200
        wire.send(b"\r\n")
        assert wire.ended


def test_a_refusal_reads_a_small_body_out_and_keeps_the_connection(
    gateway: RunningGateway,
) -> None:
    with Wire(gateway) as wire:
        for body in (b"", b"a" * 1000, b"a" * 200_000):
            wire.send(request("POST /api/keys HTTP/1.1", f"Content-Length: {len(body)}", body=body))
            answer = wire.answer()
            assert (answer.status, answer.document["reason"]) == (401, "credentials_missing")
            assert "connection" not in answer.headers
        chunks = b"5\r\nhello\r\n0\r\n\r\n"
        wire.send(request("POST /api/keys HTTP/1.1", "Transfer-Encoding: chunked", body=chunks))
        assert "connection" not in wire.answer().headers
        wire.send(request())
        assert wire.answer().status == 200


def test_a_refusal_of_a_large_body_ends_the_connection(gateway: RunningGateway) -> None:
    with Wire(gateway) as wire:
        wire.send(request(f"PUT {ARTIFACT} HTTP/1.1", "Content-Length: 1000000000", body=b"a" * 10))
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert wire.ended


def test_a_stranger_is_not_asked_for_the_body(gateway: RunningGateway) -> None:
    for headers in ((), ("Authorization: Bearer wrong",)):
        with Wire(gateway) as wire:
            length = "Content-Length: 1000"
            wire.send(request(f"PUT {ARTIFACT} HTTP/1.1", "Expect: 100-continue", length, *headers))
            answer = wire.answer()
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            assert wire.ended


def test_a_caller_is_asked_for_the_body(gateway: RunningGateway) -> None:
    with Wire(gateway) as wire:
        body = b'{"name": "asked"}'
        headers = (bearer(gateway), "Content-Type: application/json", "Expect: 100-continue")
        wire.send(request("POST /api/keys HTTP/1.1", *headers, f"Content-Length: {len(body)}"))
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().status == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_a_refused_upload_is_readable_for_a_stock_client(
    gateway: RunningGateway, chunked: bool
) -> None:
    """requests, which MLflow's client stands on, looks for an answer only when it has sent all."""
    piece = b"a" * 1_000_000
    answer = requests.put(
        gateway.url + ARTIFACT,
        data=(piece for _ in range(30)) if chunked else piece * 30,
        headers={"Authorization": "Bearer wrong"},
        timeout=60,
    )
    assert (answer.status_code, answer.json()["reason"]) == (401, "key_invalid")


def test_a_refused_upload_is_readable_for_a_client_that_fears_a_reset(
    gateway: RunningGateway,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    connection.request("PUT", ARTIFACT, body=b"a" * 30_000_000)
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["reason"]) == (401, "credentials_missing")
    connection.close()


def test_an_upload_that_is_slower_than_the_gateway_waits_still_reads_its_refusal(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering_transport, "LINGER_TIMEOUT", 0.1)

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"a" * 300_000
            time.sleep(0.03)

    answer = requests.put(
        gateway.url + ARTIFACT,
        data=pieces(),
        headers={"Authorization": "Bearer wrong"},
        timeout=60,
    )
    assert answer.status_code == 401


def test_a_body_that_breaks_off_in_its_framing_is_refused(gateway: RunningGateway) -> None:
    raw = request(
        "POST /api/keys HTTP/1.1",
        bearer(gateway),
        "Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\nnonsense\r\n",
    )
    answer = ask(gateway, raw)
    assert (answer.status, answer.document["reason"]) == (400, "malformed_request")
