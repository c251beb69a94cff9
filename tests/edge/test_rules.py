"""The rules for every request, tested with raw bytes on a socket."""

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gateway import RunningGateway
from tests.support.raw_http import RawConnection, request, send_raw

POST = "POST /api/keys HTTP/1.1"
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

# Requests that two parsers could read differently.
MALFORMED = {
    "length and chunks": request(
        POST, "Content-Length: 5", "Transfer-Encoding: chunked", body=CHUNKED
    ),
    "chunks and length": request(
        POST, "Transfer-Encoding: chunked", "Content-Length: 5", body=CHUNKED
    ),
    "gzip before chunked": request(POST, "Transfer-Encoding: gzip, chunked", body=CHUNKED),
    "chunked twice": request(POST, "Transfer-Encoding: chunked, chunked", body=CHUNKED),
    "chunked in two headers": request(
        POST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKED
    ),
    "identity": request(POST, "Transfer-Encoding: identity"),
    "no word for chunked": request(POST, "Transfer-Encoding: xchunked", body=CHUNKED),
    "chunks in HTTP/1.0": request(
        "POST /api/keys HTTP/1.0", "Transfer-Encoding: chunked", body=CHUNKED
    ),
    "negative length": request(POST, "Content-Length: -1"),
    "signed length": request(POST, "Content-Length: +5", body=b"hello"),
    "hexadecimal length": request(POST, "Content-Length: 0x5", body=b"hello"),
    "length in words": request(POST, "Content-Length: five"),
    "empty length": request(POST, "Content-Length:"),
    "endless length": request(POST, "Content-Length: " + "9" * 30),
    "two lengths": request(POST, "Content-Length: 5", "Content-Length: 6", body=b"hello"),
    "the same length twice": request(POST, "Content-Length: 5", "Content-Length: 5", body=b"hello"),
    "a list of lengths": request(POST, "Content-Length: 5, 5", body=b"hello"),
    "no host": request(host=""),
    "empty host": request(host="Host:"),
    "two hosts": request("GET /livez HTTP/1.1", "Host: other"),
    "absolute target": request("GET http://other/livez HTTP/1.1"),
    "target of a tunnel": request("CONNECT other:443 HTTP/1.1"),
    "asterisk": request("OPTIONS * HTTP/1.1"),
    "fragment": request("GET /livez#part HTTP/1.1"),
    "bytes outside ASCII in a path": request("GET /livez\xff HTTP/1.1"),
    "underscore in a name": request("GET /livez HTTP/1.1", "X_API_Key: a"),
    "no such method": request("BREW /livez HTTP/1.1"),
    "HTTP/0.9": request("GET /livez HTTP/0.9"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000fc0303"[:-1]) + b"\r\n\r\n",
    "folded header": request("GET /livez HTTP/1.1", "X-Long: a", " b"),
    "space before the colon": request("GET /livez HTTP/1.1", "X-Space : a"),
    "bare line feeds": b"GET /livez HTTP/1.1\nHost: gateway\n\n",
    "chunk size that is none": request(POST, "Transfer-Encoding: chunked", body=b"zz\r\nhello"),
    "websocket": request(
        "GET /livez HTTP/1.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
    ),
    "upgrade with a body": request(
        POST,
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "Content-Length: 5",
        body=b"hello",
    ),
}
for _name in (
    "Authorization",
    "X-API-Key",
    "X-ETH-Address",
    "X-ETH-Message",
    "X-ETH-Signature",
    "Content-Type",
    "Content-Encoding",
    "X-Request-ID",
    "Expect",
    "Idempotency-Key",
):
    MALFORMED[f"{_name} twice"] = request("GET /livez HTTP/1.1", f"{_name}: a", f"{_name}: a")


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_refused_and_closes_the_connection(
    gateway: RunningGateway, raw: bytes
) -> None:
    with RawConnection(gateway) as connection:
        connection.send(raw)
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (400, "malformed_request")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-request-id"] == response.document["request_id"]
        assert response.headers["connection"] == "close"
        assert "date" in response.headers
        assert connection.closed_by_gateway


@pytest.mark.parametrize("method", ["PROPFIND", "TRACE", "LOCK", "PURGE"])
def test_methods_of_other_protocols_are_refused(gateway: RunningGateway, method: str) -> None:
    response = send_raw(gateway, request(f"{method} /livez HTTP/1.1"))
    assert (response.status, response.document["reason"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def test_the_limits_of_a_request_head(gateway: RunningGateway) -> None:
    many = [f"X-{number}: a" for number in range(99)]
    assert send_raw(gateway, request("GET /livez HTTP/1.1", *many)).status == 200
    response = send_raw(gateway, request("GET /livez HTTP/1.1", *many, "X-Last: a"))
    assert (response.status, response.document["reason"]) == (431, "headers_too_large")

    assert send_raw(gateway, request("GET /livez HTTP/1.1", "X: " + "a" * 32_000)).status == 200
    response = send_raw(gateway, request("GET /livez HTTP/1.1", "X: " + "a" * 32_769))
    assert (response.status, response.document["reason"]) == (431, "headers_too_large")

    # The target is not too long; what it asks for is unknown.
    assert send_raw(gateway, request(f"GET /livez?{'a' * 8000} HTTP/1.1")).status == 422
    for target in (f"/livez?{'a' * 8190}", "/" + "a" * 8192):
        response = send_raw(gateway, request(f"GET {target} HTTP/1.1"))
        assert (response.status, response.document["reason"]) == (414, "target_too_long")


def test_a_head_that_never_ends_is_refused_before_its_end(gateway: RunningGateway) -> None:
    with RawConnection(gateway) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nHost: gateway\r\nX: ")
        for _ in range(20):
            connection.send(b"a" * 65_536)
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (431, "headers_too_large")


def test_trailers_do_not_become_headers(gateway: RunningGateway) -> None:
    key = gateway.key()
    raw = request(
        "POST /api/keys HTTP/1.1",
        "Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\n0\r\nAuthorization: Bearer %b\r\nX-Other: a\r\n\r\n" % key.encode(),
    )
    response = send_raw(gateway, raw)
    assert (response.status, response.document["reason"]) == (401, "credentials_missing")


def test_endless_trailers_are_refused_before_their_end(gateway: RunningGateway) -> None:
    with RawConnection(gateway) as connection:
        connection.send(request("POST /api/auth/token HTTP/1.1", "Transfer-Encoding: chunked"))
        connection.send(b"0\r\nX: ")
        for _ in range(20):
            connection.send(b"a" * 65_536)
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (431, "headers_too_large")


def test_what_follows_a_refused_upgrade_is_not_another_request(gateway: RunningGateway) -> None:
    smuggled = request("GET /version HTTP/1.1")
    raw = request(
        "POST /api/keys HTTP/1.1",
        "Connection: Upgrade",
        "Upgrade: h2c",
        f"Content-Length: {len(smuggled)}",
    )
    with RawConnection(gateway) as connection:
        connection.send(raw)
        assert connection.read_response().status == 400
        connection.send(smuggled)
        assert connection.closed_by_gateway


def test_an_upgrade_without_a_body_is_ignored(gateway: RunningGateway) -> None:
    # `curl --http2` and Java's client send this on connections without TLS.
    raw = request(
        "GET /livez HTTP/1.1",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    )
    with RawConnection(gateway) as connection:
        connection.send(raw + request("GET /version HTTP/1.1"))
        assert connection.read_response().status == 200
        assert connection.closed_by_gateway


def test_pipelined_requests_are_served_in_order(gateway: RunningGateway) -> None:
    body = b'{"name": "a"}' + b" " * 15_000
    post = request(
        "POST /api/keys HTTP/1.1",
        f"Authorization: Bearer {gateway.key()}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        body=body,
    )
    with RawConnection(gateway) as connection:
        connection.send(b"\r\n" + request() + post + request("GET /version HTTP/1.1"))
        assert [connection.read_response().status for _ in range(3)] == [200, 201, 200]
        connection.send(request())
        assert connection.read_response().status == 200


def test_other_repeated_headers_are_joined(gateway: RunningGateway) -> None:
    assert (
        send_raw(gateway, request("GET /livez HTTP/1.1", "Accept: a/b", "Accept: c/d")).status
        == 200
    )


def test_a_response_to_head_has_no_body(gateway: RunningGateway) -> None:
    with RawConnection(gateway) as connection:
        connection.send(request("HEAD /api/limits HTTP/1.1"))
        response = connection.read_response(head_only=True)
        assert (response.status, response.headers["content-type"]) == (
            401,
            "application/problem+json",
        )
        connection.send(request())
        assert connection.read_response().status == 200


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_ignored(gateway: RunningGateway, noise: bytes) -> None:
    with RawConnection(gateway) as connection:
        connection.send(noise + b"\r\n\r\n")
        connection.socket.shutdown(1)
        with suppress(EOFError):
            assert 400 <= connection.read_response().status < 500
    assert httpx.get(f"{gateway.url}/livez", trust_env=False).status_code == 200


HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=80
)


@given(
    name=st.sampled_from(
        [
            "Authorization",
            "X-API-Key",
            "X-ETH-Address",
            "Content-Length",
            "Transfer-Encoding",
            "X-Forwarded-For",
            "X-Request-ID",
            "Content-Type",
            "Origin",
            "Expect",
            "Connection",
        ]
    ),
    value=HEADER_VALUES,
)
def test_no_header_value_breaks_the_gateway(gateway: RunningGateway, name: str, value: str) -> None:
    raw = request("GET /api/limits HTTP/1.1", f"{name}: {value}")
    response = send_raw(gateway, raw)
    assert response.status in (400, 401)
    assert response.document["request_id"] == response.headers["x-request-id"]
