"""The HTTP client's retries after faults, and its waits for the rate limit."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
import requests

from hokusai.client import FIRST_CONTACT_SECONDS, GatewayClient
from hokusai.errors import (
    AuthenticationError,
    InProgressError,
    RateLimitedError,
    ServerError,
    UnreachableError,
    gateway_error,
)
from hokusai.gateway_url import GatewayURL
from hokusai.rate_limit import RateLimiter
from scripted import (
    ConnectionReset,
    FakeClock,
    Request,
    Response,
    ScriptedServer,
    TruncatedResponse,
    make_client,
    problem,
)

SUCCESS = Response(201, {"model_id": "hkm_1"})
LIMIT_USED_UP = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}


def post(client: GatewayClient, **options: Any) -> Any:
    return client.request("POST", "/models/baseline", json={"a": 1}, **options)


# --- retries after faults ---


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionReset(),
        TruncatedResponse(),
        problem(502, "upstream_unreachable"),
        problem(503, "upstream_busy", Retry_After="3"),
        problem(504, "upstream_timeout"),
        Response(502, text="<html>Bad Gateway</html>"),
    ],
    ids=["reset", "truncated", "502", "503", "504", "html"],
)
def test_a_fault_is_retried_with_the_same_idempotency_key(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock, fault: Any
) -> None:
    server.respond_with(fault, fault, SUCCESS)

    assert post(client, idempotency_key="k") == {"model_id": "hkm_1"}
    assert [request.headers["Idempotency-Key"] for request in server.requests] == ["k"] * 3
    assert len(clock.slept) == 2


def test_retry_after_of_a_fault_is_respected(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(problem(503, "unavailable", Retry_After="7"), SUCCESS)
    post(client, idempotency_key="k")

    assert clock.slept == [7]


def test_a_post_without_an_idempotency_key_is_sent_once(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(ConnectionReset(), SUCCESS)
    with pytest.raises(UnreachableError):
        post(client)
    server.respond_with(problem(502, "upstream_failed"), SUCCESS)
    with pytest.raises(ServerError):
        post(client)

    assert len(server.requests) == 2


def test_retrying_ends_after_retry_seconds(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(ConnectionReset())
    with pytest.raises(UnreachableError, match="the connection failed"):
        client.request("GET", "/limits")

    assert 60 < sum(clock.slept) <= 90
    assert len(server.requests) == len(clock.slept) + 1
    assert max(clock.slept) <= 20


def test_after_the_last_attempt_the_gateways_own_error_is_raised(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(problem(503, "database_unavailable"))

    with pytest.raises(ServerError, match=r"It was database_unavailable.*request r-1"):
        client.request("GET", "/limits")


def test_a_timeout_is_retried(server: ScriptedServer, clock: FakeClock) -> None:
    released = threading.Event()

    def hang(_: Request) -> Response:
        released.wait(30)
        return SUCCESS

    server.respond_with(hang, SUCCESS)
    client = make_client(server, clock, timeout=(5.0, 0.2))
    try:
        assert client.request("GET", "/limits") == {"model_id": "hkm_1"}
    finally:
        released.set()
    assert len(server.requests) >= 2  # on a busy machine, also the next one may take too long


@pytest.mark.parametrize(
    ("error", "description", "is_retried"),
    [
        (requests.exceptions.SSLError("x"), "the TLS connection failed", False),
        (requests.exceptions.InvalidURL("x"), "InvalidURL", False),
        (requests.exceptions.ConnectTimeout("x"), "connecting took too long", True),
        (requests.exceptions.ReadTimeout("x"), "the connection was silent for too long", True),
        (requests.exceptions.ProxyError("x"), "the proxy failed", True),
        (requests.exceptions.ConnectionError("x"), "the connection failed", True),
        (requests.exceptions.ChunkedEncodingError("x"), "ChunkedEncodingError", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_connection_error_is_described_without_its_own_text(
    client: GatewayClient,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    description: str,
    is_retried: bool,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(UnreachableError) as raised:
        client.request("GET", "/limits")

    assert str(raised.value) == f"No response from {client.url.origin}: {description}."
    assert bool(clock.slept) is is_retried


# --- rate limits, and requests in progress ---


def test_a_429_is_waited_for_also_without_an_idempotency_key(
    client: GatewayClient,
    server: ScriptedServer,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hokusai")
    server.respond_with(problem(429, "rate_limited", Retry_After="23"), SUCCESS)

    assert post(client) == {"model_id": "hkm_1"}
    assert clock.slept == [23]
    assert caplog.messages == ["Waiting 23 seconds: the gateway's rate limit is used up."]


def test_a_429_that_asks_for_too_long_a_wait_is_raised(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(problem(429, "rate_limited", Retry_After="86400"))

    with pytest.raises(RateLimitedError):
        post(client)
    assert clock.slept == []


def test_repeated_429s_are_raised_after_wait_seconds(
    server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(problem(429, "rate_limited", Retry_After="0"))
    client = make_client(server, clock, wait_seconds=5)

    with pytest.raises(RateLimitedError):
        post(client)
    assert clock.slept == [1] * 5


def test_the_rate_limit_headers_delay_the_next_request(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(Response(200, {}, LIMIT_USED_UP), SUCCESS)
    client.request("GET", "/limits")
    client.request("GET", "/limits")

    assert clock.slept == [9]


def test_the_rate_limit_headers_of_a_401_are_ignored(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    refused = problem(401, "key_invalid")
    server.respond_with(Response(401, refused.document, LIMIT_USED_UP), SUCCESS)
    with pytest.raises(AuthenticationError):
        client.request("GET", "/limits")
    client.request("GET", "/limits")

    assert clock.slept == []


def test_the_rate_limit_headers_of_an_anonymous_request_are_ignored(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(Response(200, {}, LIMIT_USED_UP), SUCCESS)
    client.request("GET", "/attestations/log", anonymous=True)
    client.request("GET", "/limits")

    assert clock.slept == []
    assert "Authorization" not in server.requests[0].headers


def test_a_request_in_progress_is_sent_again(
    client: GatewayClient, server: ScriptedServer, clock: FakeClock
) -> None:
    server.respond_with(problem(409, "in_progress", Retry_After="1"), SUCCESS)

    assert post(client, idempotency_key="k") == {"model_id": "hkm_1"}
    assert clock.slept == [1]


def test_a_request_that_stays_in_progress_is_raised(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.respond_with(problem(409, "in_progress", Retry_After="100"))

    with pytest.raises(InProgressError):
        post(client, idempotency_key="k")
    assert len(server.requests) == 7


# --- addresses at which there is no gateway ---


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1:9", "nothing listens"),
        ("no-such-host.invalid", "no such host"),
    ],
)
def test_a_wrong_address_fails_soon_and_says_why(clock: FakeClock, host: str, words: str) -> None:
    limiter = RateLimiter(sleep=clock.sleep, clock=clock.time)
    client = GatewayClient(GatewayURL.parse(f"http://{host}"), rate_limiter=limiter)
    with pytest.raises(UnreachableError, match=words):
        client.request("GET", "/limits", anonymous=True)
    assert sum(clock.slept) <= FIRST_CONTACT_SECONDS


def test_a_gateway_that_has_responded_is_waited_for(clock: FakeClock) -> None:
    with ScriptedServer() as server:
        client = make_client(server, clock)
        client.request("GET", "/limits")
        client._session_of_process().close()
    with pytest.raises(UnreachableError, match="nothing listens"):
        client.request("GET", "/limits")
    assert sum(clock.slept) > FIRST_CONTACT_SECONDS


def test_a_rate_limit_error_says_what_helps() -> None:
    limited = gateway_error(429, {"reason": "rate_limited", "message": "Too many."})
    assert "MLFLOW_ENABLE_ASYNC_LOGGING=true" in str(limited)
    other = gateway_error(429, {"reason": "too_many_failures", "message": "Too many."})
    assert "ASYNC" not in str(other)
