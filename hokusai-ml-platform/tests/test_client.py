"""The HTTP client among faults, limits and things that only look like a gateway."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from conftest import make_client
from hokusai.client import GatewayClient, derived_key
from hokusai.credentials import Credential, store_credential
from hokusai.errors import (
    AnswerError,
    AuthenticationError,
    ClaimDisagreesError,
    ConflictError,
    CredentialError,
    GatewayError,
    InProgressError,
    InputError,
    InsecureConnectionWarning,
    NotFoundError,
    NotMintableError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TokenTakenError,
    UnreachableError,
    ValidationError,
)
from hokusai.gateway_url import GatewayURL
from scripted import Answer, HalfAnswer, Pause, Request, Reset, ScriptedServer, problem

GOOD = Answer(201, {"model_id": "hkm_1"})


def post(client: GatewayClient, **options: Any) -> Any:
    return client.request("POST", "/models/baseline", json={"a": 1}, **options)


def test_a_request_has_the_credential_the_key_and_a_body(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.answers(GOOD)

    assert post(client, idempotency_key="k") == {"model_id": "hkm_1"}
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/models/baseline")
    assert request.headers["Authorization"] == "Bearer hk_live_of_the_tests"
    assert request.headers["Idempotency-Key"] == "k"
    assert request.headers["User-Agent"].startswith("hokusai-python/")
    assert request.json == {"a": 1}


@pytest.mark.parametrize(
    "fault",
    [
        Reset(),
        HalfAnswer(),
        problem(502, "upstream_unreachable"),
        problem(503, "upstream_busy", Retry_After="3"),
        problem(504, "upstream_read_timeout"),
        Answer(502, text="<html>Bad Gateway</html>"),
    ],
    ids=["reset", "half", "502", "503", "504", "html"],
)
def test_a_fault_is_repeated_with_the_same_key(
    client: GatewayClient, server: ScriptedServer, pause: Pause, fault: Any
) -> None:
    server.answers(fault, fault, GOOD)

    assert post(client, idempotency_key="k") == {"model_id": "hkm_1"}
    assert [request.headers["Idempotency-Key"] for request in server.requests] == ["k"] * 3
    assert len(pause.slept) == 2


def test_retry_after_of_a_fault_is_waited_out(
    client: GatewayClient, server: ScriptedServer, pause: Pause
) -> None:
    server.answers(problem(503, "unavailable", Retry_After="7"), GOOD)
    post(client, idempotency_key="k")

    assert pause.slept == [7]


def test_a_post_without_a_key_is_sent_once(client: GatewayClient, server: ScriptedServer) -> None:
    server.answers(Reset(), GOOD)
    with pytest.raises(UnreachableError):
        post(client)
    server.answers(problem(502, "upstream_failed"), GOOD)
    with pytest.raises(ServerError):
        post(client)

    assert len(server.requests) == 2


def test_repeating_ends(client: GatewayClient, server: ScriptedServer, pause: Pause) -> None:
    server.answers(Reset())
    with pytest.raises(UnreachableError, match="the connection failed"):
        client.request("GET", "/limits")

    assert 60 < sum(pause.slept) <= 90
    assert len(server.requests) == len(pause.slept) + 1
    # Longer each time, but for the jitter.
    assert max(pause.slept) <= 20


def test_a_lasting_fault_is_told_as_the_gateway_tells_it(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.answers(problem(503, "database_unavailable"))

    with pytest.raises(ServerError, match=r"It was database_unavailable.*request r-1"):
        client.request("GET", "/limits")


def test_silence_is_a_fault_too(server: ScriptedServer, pause: Pause) -> None:
    released = threading.Event()

    def hang(_: Request) -> Answer:
        released.wait(30)
        return GOOD

    server.answers(hang, GOOD)
    client = make_client(server, pause, {"timeout": (5.0, 0.2)})
    try:
        assert client.request("GET", "/limits") == {"model_id": "hkm_1"}
    finally:
        released.set()
    assert len(server.requests) == 2


def test_a_429_is_waited_out_also_without_a_key(
    client: GatewayClient,
    server: ScriptedServer,
    pause: Pause,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hokusai")
    server.answers(problem(429, "rate_limited", Retry_After="23"), GOOD)

    assert post(client) == {"model_id": "hkm_1"}
    assert pause.slept == [23]
    assert caplog.messages == ["Waiting 23 seconds: the gateway's rate limit is used up."]


def test_a_wait_beyond_all_patience_is_an_error(
    client: GatewayClient, server: ScriptedServer, pause: Pause
) -> None:
    server.answers(problem(429, "rate_limited", Retry_After="86400"))

    with pytest.raises(RateLimitedError):
        post(client)
    assert pause.slept == []


def test_a_429_that_never_ends_is_an_error(server: ScriptedServer, pause: Pause) -> None:
    server.answers(problem(429, "rate_limited", Retry_After="0"))
    client = make_client(server, pause, {"wait_seconds": 5})

    with pytest.raises(RateLimitedError):
        post(client)
    assert pause.slept == [1] * 5


def test_the_limits_headers_slow_the_next_request_down(
    client: GatewayClient, server: ScriptedServer, pause: Pause
) -> None:
    left = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}
    server.answers(Answer(200, {}, left), GOOD)
    client.request("GET", "/limits")
    client.request("GET", "/limits")

    assert pause.slept == [9]


def test_a_refused_authentications_limit_is_not_the_callers(
    client: GatewayClient, server: ScriptedServer, pause: Pause
) -> None:
    left = {"RateLimit_Limit": "20", "RateLimit_Remaining": "0", "RateLimit_Reset": "9"}
    server.answers(problem(401, "key_invalid", **left), GOOD)
    with pytest.raises(AuthenticationError):
        client.request("GET", "/limits")
    client.request("GET", "/limits")

    assert pause.slept == []


def test_the_limit_of_strangers_is_not_the_callers(
    client: GatewayClient, server: ScriptedServer, pause: Pause
) -> None:
    left = {"RateLimit-Limit": "20", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}
    server.answers(Answer(200, {}, left), GOOD)
    client.request("GET", "/attestations/log", anonymous=True)
    client.request("GET", "/limits")

    assert pause.slept == []
    assert "Authorization" not in server.requests[0].headers


def test_what_is_in_progress_is_asked_for_again(
    client: GatewayClient, server: ScriptedServer, pause: Pause
) -> None:
    server.answers(problem(409, "in_progress", Retry_After="1"), GOOD)

    assert post(client, idempotency_key="k") == {"model_id": "hkm_1"}
    assert pause.slept == [1]


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "key_expired", AuthenticationError),
        (403, "scope_missing", PermissionDeniedError),
        (404, "not_found", NotFoundError),
        (409, "conflict", ConflictError),
        (409, "token_taken", TokenTakenError),
        (409, "improvement_too_small", NotMintableError),
        (422, "validation_failed", ValidationError),
        (422, "claim_disagrees", ClaimDisagreesError),
        (418, "of_a_newer_gateway", GatewayError),
    ],
)
def test_a_refusal_is_told_at_once(
    client: GatewayClient,
    server: ScriptedServer,
    pause: Pause,
    status: int,
    reason: str,
    kind: type[GatewayError],
) -> None:
    server.answers(problem(status, reason))

    with pytest.raises(kind) as refused:
        post(client, idempotency_key="k")
    error = refused.value
    assert type(error) is kind or kind is GatewayError
    assert (error.status, error.reason, error.request_id) == (status, reason, "r-1")
    assert str(error) == f"It was {reason}. ({status} {reason}, request r-1)"
    assert len(server.requests) == 1
    assert pause.slept == []


def test_an_unfinished_registration_ends_as_in_progress(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.answers(problem(409, "in_progress", Retry_After="100"))

    with pytest.raises(InProgressError):
        post(client, idempotency_key="k")
    assert len(server.requests) == 7


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(
    client: GatewayClient, server: ScriptedServer, status: int
) -> None:
    with ScriptedServer() as other:
        to = {"Location": f"{other.origin}/api/limits?token=secret"}
        server.answers(Answer(status, {}, to))
        with pytest.raises(AnswerError, match="redirects to") as refused:
            client.request("GET", "/limits")

        assert other.requests == []
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "answer", [Answer(200, text="<html>"), Answer(404, text="<html>"), Answer(200, text="")]
)
def test_what_is_no_gateway_is_told(
    client: GatewayClient, server: ScriptedServer, answer: Answer
) -> None:
    server.answers(answer)

    with pytest.raises(AnswerError, match="Is the URL right"):
        client.request("GET", "/limits")


def test_a_load_balancers_own_401_is_still_one(
    client: GatewayClient, server: ScriptedServer
) -> None:
    server.answers(Answer(401, text="<html>"))

    with pytest.raises(AuthenticationError, match="status 401"):
        client.request("GET", "/limits")


def test_without_a_credential_nothing_is_sent(server: ScriptedServer) -> None:
    client = GatewayClient.connect(server.url)

    with pytest.raises(CredentialError, match="HOKUSAI_API_KEY"):
        client.request("GET", "/limits")
    assert server.requests == []


def test_a_stored_key_of_another_gateway_is_not_sent(server: ScriptedServer) -> None:
    store_credential("http://127.0.0.1:1", "hk_live_of_another")

    with pytest.raises(CredentialError):
        GatewayClient.connect(server.url).request("GET", "/limits")
    assert server.requests == []


def test_a_netrc_file_does_not_replace_the_credential(
    client: GatewayClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.request("GET", "/limits")

    assert server.requests[0].headers["Authorization"] == "Bearer hk_live_of_the_tests"


def test_no_cookie_is_kept(client: GatewayClient, server: ScriptedServer) -> None:
    server.answers(Answer(200, {}, {"Set-Cookie": "sid=1; Path=/"}))
    client.request("GET", "/limits")
    client.request("GET", "/limits")

    assert "Cookie" not in server.requests[1].headers


def test_what_json_cannot_hold_is_not_sent(client: GatewayClient, server: ScriptedServer) -> None:
    with pytest.raises(InputError, match="only finite"):
        client.request("POST", "/models/baseline", json={"accuracy": float("nan")})

    assert server.requests == []


def test_plain_http_to_another_machine_is_warned_of() -> None:
    with pytest.warns(InsecureConnectionWarning, match=r"plain HTTP to gateway\.example"):
        GatewayClient(
            GatewayURL.parse("http://gateway.example/api"), Credential("k", False, "a test")
        )


def test_the_secret_is_in_no_error(server: ScriptedServer, pause: Pause) -> None:
    client = make_client(server, pause)
    told = []
    for step in (Reset(), problem(401, "key_invalid"), Answer(404, text="x")):
        server.answers(step)
        with pytest.raises(Exception, match=r"\w") as refused:
            client.request("GET", "/limits", retry_seconds=0)
        told.append(f"{refused.value!r} {refused.value}")

    assert not any("hk_live" in text for text in told)


def test_a_derived_key_is_the_requests_own() -> None:
    key = derived_key("/a", {"x": 1, "y": 2})

    assert key == derived_key("/a", {"y": 2, "x": 1})
    assert len({key, derived_key("/b", {"x": 1, "y": 2}), derived_key("/a", {"x": 1})}) == 3
