"""The requests that each method sends."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from hokusai.api import GatewayAPI
from hokusai.client import GatewayClient, derived_key
from hokusai.errors import InputError, RegistrationWarning
from hokusai.results import (
    Attestation,
    Identity,
    Lineage,
    MintApproval,
    MintRequest,
    RateLimit,
    RegisteredModel,
)
from scripted import Request, Response, ScriptedServer


@pytest.fixture
def api(client: GatewayClient) -> GatewayAPI:
    return GatewayAPI(client)


@pytest.mark.parametrize(
    ("call", "path", "kind"),
    [
        (lambda api: api.model("hkm_1"), "/api/models/hkm_1", RegisteredModel),
        (lambda api: api.lineage("hkm_1"), "/api/models/hkm_1/lineage", Lineage),
        (
            lambda api: api.lineage("hkm_1", cursor="c"),
            "/api/models/hkm_1/lineage?cursor=c",
            Lineage,
        ),
        (lambda api: api.contributor("0xab"), "/api/contributors/0xab", object),
        (lambda api: api.attestation("9f"), "/api/attestations/9f", Attestation),
        (lambda api: api.attestation_bundle("9f"), "/api/attestations/9f/bundle", dict),
        (lambda api: api.limits(), "/api/limits", RateLimit),
        (lambda api: api.whoami(), "/api/auth/whoami", Identity),
        # An id must not address another route.
        (lambda api: api.model("a/../b?c"), "/api/models/a%2F..%2Fb%3Fc", RegisteredModel),
    ],
)
def test_a_get_returns_the_response_as_a_result(
    api: GatewayAPI,
    server: ScriptedServer,
    call: Callable[[GatewayAPI], Any],
    path: str,
    kind: type,
) -> None:
    server.respond_with(Response(document={"member": 1}))
    result = call(api)

    assert isinstance(result, kind)
    assert result == {"member": 1}
    assert [(request.method, request.path) for request in server.requests] == [("GET", path)]


@pytest.mark.parametrize("model_id", ["", ".", ".."])
def test_a_missing_id_is_rejected(api: GatewayAPI, server: ScriptedServer, model_id: str) -> None:
    with pytest.raises(InputError, match="An id is missing"):
        api.model(model_id)
    assert server.requests == []


def test_register_sends_the_members_that_have_a_value(
    api: GatewayAPI, server: ScriptedServer
) -> None:
    server.respond_with(Response(201, {"model_id": "hkm_1", "warnings": []}))
    model = api.register("baseline", {"model_type": "t", "name": None})

    assert model.model_id == "hkm_1"
    (request,) = server.requests
    assert (request.path, request.json) == ("/api/models/baseline", {"model_type": "t"})
    assert request.headers["Idempotency-Key"] == derived_key(
        "/models/baseline", {"model_type": "t"}
    )


def test_register_uses_the_callers_idempotency_key(api: GatewayAPI, server: ScriptedServer) -> None:
    api.register("improved", {"name": "n"}, "mine")

    assert server.requests[0].headers["Idempotency-Key"] == "mine"


def test_warnings_of_a_registration_are_raised_as_warnings(
    api: GatewayAPI, server: ScriptedServer
) -> None:
    server.respond_with(Response(201, {"warnings": [{"code": "c", "message": "Look at it."}]}))

    with pytest.warns(RegistrationWarning, match="Look at it"):
        api.register("tokenized", {})


def test_an_unknown_kind_is_rejected(api: GatewayAPI, server: ScriptedServer) -> None:
    with pytest.raises(InputError, match="baseline, improved, tokenized, not final"):
        api.register("final", {})
    assert server.requests == []


def test_attest_posts_the_body(api: GatewayAPI, server: ScriptedServer) -> None:
    server.respond_with(Response(201, {"hash": "9f"}))

    assert api.attest({"model_id": "hkm_1", "kind": None}).hash == "9f"
    assert server.requests[0].path == "/api/attestations"
    assert server.requests[0].json == {"model_id": "hkm_1"}


@pytest.mark.parametrize(
    ("call", "path", "body", "kind"),
    [
        (
            lambda api: api.mint_request("9f", chain_model_id=7, deadline=None),
            "/api/attestations/9f/mint-request",
            {"chain_model_id": 7},
            MintRequest,
        ),
        (
            lambda api: api.approve_mint("tok", contributor="0xab"),
            "/api/mint-approvals",
            {"token_id": "tok", "contributor": "0xab"},
            MintApproval,
        ),
        (
            lambda api: api.withdraw_mint_approval(7),
            "/api/mint-approvals/7/withdraw",
            None,
            MintApproval,
        ),
    ],
)
def test_a_post_about_minting_is_sent_again_after_a_fault(
    api: GatewayAPI,
    server: ScriptedServer,
    call: Callable[[GatewayAPI], Any],
    path: str,
    body: Any,
    kind: type,
) -> None:
    server.respond_with(Response(503), Response(document={"member": 1}))
    result = call(api)

    assert isinstance(result, kind)
    assert result == {"member": 1}
    assert [(request.method, request.path) for request in server.requests] == [("POST", path)] * 2
    if body is not None:
        assert server.requests[1].json == body


def test_models_fetches_each_page_when_it_is_reached(
    api: GatewayAPI, server: ScriptedServer
) -> None:
    def page(request: Request) -> Response:
        if "cursor=2" in request.path:
            return Response(document={"items": [{"model_id": "c"}], "next": None})
        return Response(document={"items": [{"model_id": "a"}, {"model_id": "b"}], "next": "2"})

    server.respond_with(page)
    models = api.models(kind="baseline")

    assert server.requests == []
    assert [next(models).model_id, next(models).model_id] == ["a", "b"]
    assert len(server.requests) == 1
    assert [model.model_id for model in models] == ["c"]
    assert [request.path for request in server.requests] == [
        "/api/models?kind=baseline",
        "/api/models?kind=baseline&cursor=2",
    ]


@pytest.mark.parametrize(
    ("limit", "ids", "paths"),
    [
        (0, [], []),
        (1, ["a"], ["?limit=1"]),
        (3, ["a", "b", "a"], ["?limit=3", "?limit=3&cursor=c"]),
        (250, ["a", "b"] * 125, ["?limit=100"] + ["?limit=100&cursor=c"] * 124),
    ],
)
def test_models_yields_no_more_than_the_limit(
    api: GatewayAPI, server: ScriptedServer, limit: int, ids: list[str], paths: list[str]
) -> None:
    items = [{"model_id": "a"}, {"model_id": "b"}]
    server.respond_with(Response(document={"items": items, "next": "c"}))

    assert [model.model_id for model in api.models(limit=limit)] == ids
    assert [request.path.partition("/api/models")[2] for request in server.requests] == paths


def test_a_negative_limit_is_rejected(api: GatewayAPI, server: ScriptedServer) -> None:
    with pytest.raises(InputError, match="limit is -1"):
        api.models(limit=-1)
    assert server.requests == []


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda api: api.contributors(limit=3), "/api/contributors?limit=3"),
        (lambda api: api.contributions("0xab"), "/api/contributors/0xab/contributions"),
        (
            lambda api: api.attestations(contributor="0xab", limit=2),
            "/api/attestations?contributor=0xab&limit=2",
        ),
    ],
)
def test_a_list_is_iterated_over(
    api: GatewayAPI, server: ScriptedServer, call: Callable[[GatewayAPI], Any], path: str
) -> None:
    server.respond_with(
        Response(document={"items": [{"member": 1}], "next": "c"}),
        Response(document={"items": [{"member": 2}], "next": None}),
    )

    assert [item.member for item in call(api)] == [1, 2]
    assert [request.path.partition("cursor=")[0].rstrip("?&") for request in server.requests] == [
        path,
        path,
    ]
