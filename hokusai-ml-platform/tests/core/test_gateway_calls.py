"""The methods of `ModelRegistry` that only call the gateway."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from hokusai.core import ModelRegistry
from scripted import KEY, Response, ScriptedServer

pytestmark = pytest.mark.usefixtures("isolated_mlflow")


@pytest.fixture
def registry(server: ScriptedServer) -> ModelRegistry:
    return ModelRegistry(server.url, api_key=KEY)


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda registry: registry.model("hkm_1"), "/api/models/hkm_1"),
        (lambda registry: registry.lineage("hkm_1"), "/api/models/hkm_1/lineage"),
        (lambda registry: registry.attestation("9f"), "/api/attestations/9f"),
        (lambda registry: registry.fetch_mint_request(9), "/api/mint-requests/9"),
        (lambda registry: registry.mint_message(9), "/api/mint-requests/9/message"),
        (lambda registry: registry.limits(), "/api/limits"),
        (lambda registry: registry.whoami(), "/api/auth/whoami"),
    ],
)
def test_a_call_returns_the_response(
    registry: ModelRegistry,
    server: ScriptedServer,
    call: Callable[[ModelRegistry], Any],
    path: str,
) -> None:
    server.respond_with(Response(document={"member": 1}))

    assert call(registry).member == 1
    assert [(request.method, request.path) for request in server.requests] == [("GET", path)]


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda registry: registry.mint_request("9f"), "/api/attestations/9f/mint-request"),
        (lambda registry: registry.approve_mint("tok", model_id="m"), "/api/mint-approvals"),
        (lambda registry: registry.withdraw_mint_approval(7), "/api/mint-approvals/7/withdraw"),
        (lambda registry: registry.add_mint_signature(9, "0x"), "/api/mint-requests/9/signatures"),
    ],
)
def test_a_change_returns_the_response(
    registry: ModelRegistry,
    server: ScriptedServer,
    call: Callable[[ModelRegistry], Any],
    path: str,
) -> None:
    server.respond_with(Response(document={"member": 1}))

    assert call(registry).member == 1
    assert [(request.method, request.path) for request in server.requests] == [("POST", path)]


def test_mint_approvals_iterates_over_pages(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    server.respond_with(Response(document={"items": [{"id": 7}], "next": None}))

    assert [approval.id for approval in registry.mint_approvals(token="tok")] == [7]
    assert server.requests[0].path == "/api/mint-approvals?token=tok"


def test_mint_requests_iterates_over_pages(registry: ModelRegistry, server: ScriptedServer) -> None:
    server.respond_with(Response(document={"items": [{"id": 9}], "next": None}))

    assert [request.id for request in registry.mint_requests(token="tok")] == [9]
    assert server.requests[0].path == "/api/mint-requests?token=tok"


def test_models_iterates_over_pages(registry: ModelRegistry, server: ScriptedServer) -> None:
    server.respond_with(
        Response(document={"items": [{"model_id": "a"}], "next": "c"}),
        Response(document={"items": [{"model_id": "b"}], "next": None}),
    )

    assert [model.model_id for model in registry.models(tenant="acme", limit=3)] == ["a", "b"]
    assert server.requests[0].path == "/api/models?tenant=acme&limit=3"


def test_withdraw_sends_the_reason(registry: ModelRegistry, server: ScriptedServer) -> None:
    server.respond_with(Response(document={"model_id": "hkm_1", "withdrawn": {"at": "a"}}))

    assert registry.withdraw("hkm_1", "Wrong shares.").withdrawn == {"at": "a"}
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/models/hkm_1/withdraw")
    assert request.json == {"reason": "Wrong shares."}


def test_attest_sends_the_arguments_that_are_given(
    registry: ModelRegistry, server: ScriptedServer
) -> None:
    server.respond_with(Response(201, {"hash": "9f", "kind": "witnessed"}))
    attestation = registry.attest(
        improved_run_id="i",
        baseline_run_id="b",
        metrics={"f1": 0.5},
        data_contribution={"samples": 1},
        higher_is_better={"f1": True},
        idempotency_key="mine",
    )

    assert attestation.kind == "witnessed"
    (request,) = server.requests
    assert (request.path, request.headers["Idempotency-Key"]) == ("/api/attestations", "mine")
    assert request.json == {
        "improved_run_id": "i",
        "baseline_run_id": "b",
        "metrics": {"f1": 0.5},
        "data_contribution": {"samples": 1},
        "higher_is_better": {"f1": True},
    }
