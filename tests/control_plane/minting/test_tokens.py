"""The operator reserves token ids and binds model numbers to them."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, mint
from tests.support.responses import good, refused
from tests.support.training import Training

TOKENS = "/api/admin/tokens"


@pytest.fixture
def token_id() -> str:
    return f"New-{secrets.token_hex(5)}"


@pytest.fixture
def fresh(gateway: RunningGateway) -> Iterator[TokenMarket]:
    """A token id without a model number."""
    with TokenMarket(gateway, bound=False) as made:
        yield made


def listed(admin: httpx.Client, token_id: str, **query: Any) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        page = good(admin.get(TOKENS, params={**query, **({"cursor": cursor} if cursor else {})}))
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return [item for item in found if item["token_id"] == token_id.upper()]


def register(tenant: Training, token_id: str) -> httpx.Response:
    return tenant.register(
        "tokenized",
        run_id=tenant.run(accuracy=0.8),
        model_name=token_id,
        token_id=token_id,
        metric_name="accuracy",
        baseline_value=0.5,
    )


def actions(admin: httpx.Client, token_id: str) -> list[str]:
    query = {"subject": token_id.upper()}
    items = good(admin.get("/api/admin/audit", params=query))["items"]
    return [event["action"] for event in reversed(items)]


def test_nothing_is_signed_for_a_token_without_a_model_number(fresh: TokenMarket) -> None:
    document = fresh.attested(fresh.holder)
    for body in ({}, {"chain_model_id": "7"}, {"chain_model_id": fresh.number}):
        problem = refused(mint(fresh.holder, document, **body), 409, "model_number_not_bound")
        assert fresh.token_id in problem["message"]
    bound = good(fresh.bind())
    assert (bound["chain_model_id"], bound["tenant"]) == (fresh.number, fresh.holder.tenant)
    # No HOKUSAI_RPC_URL is set.
    assert (bound["checked_at"], bound["chain_token"]) == (None, None)
    refused(mint(fresh.holder, document, chain_model_id="7"), 409, "model_number_not_bound")
    good(mint(fresh.holder, document, chain_model_id=fresh.number))
    good(mint(fresh.holder, document, chain_model_id=int(fresh.number)))
    path = f"{TOKENS}/{fresh.token_id}/model-number"
    assert fresh.admin.delete(path).status_code == 204
    refused(mint(fresh.holder, document), 409, "model_number_not_bound")
    refused(fresh.admin.delete(path), 404, "not_found")
    assert actions(fresh.admin, fresh.token_id) == ["token.bound", "token.unbound"]


def test_a_binding_is_listed_and_replaced(market: TokenMarket, fresh: TokenMarket) -> None:
    good(fresh.bind())
    number = str(2**256 - 1 - secrets.randbits(60))
    good(fresh.bind(number))
    (found,) = listed(fresh.admin, fresh.token_id, limit=1000)
    assert (found["chain_model_id"], found["reserved"]) == (number, True)
    assert listed(fresh.admin, fresh.token_id, tenant=fresh.holder.tenant, limit=1) == [found]
    assert listed(fresh.admin, market.token_id, tenant=fresh.holder.tenant) == []
    query = {"subject": fresh.token_id, "action": "token.bound"}
    event = good(fresh.admin.get("/api/admin/audit", params=query))["items"][0]
    assert event["details"] == {
        "chain_model_id": number,
        "chain_model_id_before": fresh.number,
        "chain_token": None,
        "checked": False,
    }


def test_a_model_number_is_bound_to_one_token_id(market: TokenMarket, fresh: TokenMarket) -> None:
    problem = refused(fresh.bind(market.number), 409, "conflict")
    assert market.token_id in problem["message"]


def test_of_two_token_ids_bound_to_one_number_at_once_one_is_refused(
    gateway: RunningGateway, fresh: TokenMarket
) -> None:
    with TokenMarket(gateway, bound=False) as other, ThreadPoolExecutor(8) as pool:
        ids = [fresh.token_id, other.token_id] * 4
        statuses = list(pool.map(lambda one: fresh.bind(fresh.number, one).status_code, ids))
        assert sorted(statuses) == [200] * 4 + [409] * 4


def test_a_token_id_that_nobody_holds_cannot_be_bound(admin: httpx.Client, token_id: str) -> None:
    path = f"{TOKENS}/{token_id}/model-number"
    body = {"chain_model_id": str(secrets.randbits(60))}
    assert "Reserve" in refused(admin.put(path, json=body), 404, "not_found")["message"]


@pytest.mark.parametrize(
    "number", ["", "-1", "01", "1.0", "x", str(2**256), 2**256, "9" * 200, None, True]
)
def test_a_model_number_has_256_bits(fresh: TokenMarket, number: Any) -> None:
    path = f"{TOKENS}/{fresh.token_id}/model-number"
    refused(fresh.admin.put(path, json={"chain_model_id": number}), 422, "validation_failed")


def test_a_reserved_token_id_is_refused_to_other_tenants(
    gateway: RunningGateway, admin: httpx.Client, token_id: str
) -> None:
    with Training.of(gateway) as chosen, Training.of(gateway) as other:
        reserved = good(admin.put(f"{TOKENS}/{token_id}", json={"tenant": chosen.tenant}))
        assert reserved["reserved"] is True
        assert reserved["tenant"] == chosen.tenant
        problem = refused(register(other, token_id.lower()), 409, "token_taken")
        assert "another tenant" in problem["message"]
        good(register(chosen, token_id), 201)


def test_a_token_id_reserved_for_nobody_is_refused_to_all(
    gateway: RunningGateway, admin: httpx.Client, token_id: str
) -> None:
    with Training.of(gateway) as tenant:
        good(admin.put(f"{TOKENS}/{token_id}", json={"tenant": None}))
        problem = refused(register(tenant, token_id), 409, "token_taken")
        assert "reserved" in problem["message"]
        # A refused registration does not end the reservation.
        refused(register(tenant, token_id), 409, "token_taken")
        good(admin.put(f"{TOKENS}/{token_id}", json={"tenant": tenant.tenant}))
        good(register(tenant, token_id), 201)
    assert actions(admin, token_id) == ["token.reserved", "token.reserved"]


def test_the_operator_can_take_a_token_id_from_its_holder(
    gateway: RunningGateway, fresh: TokenMarket
) -> None:
    path = f"{TOKENS}/{fresh.token_id}"
    problem = refused(fresh.admin.put(path, json={"tenant": None}), 409, "conflict")
    assert fresh.holder.tenant in problem["message"]
    good(fresh.admin.put(path, json={"tenant": None, "reassign": True}))
    refused(register(fresh.holder, fresh.token_id), 409, "token_taken")
    query = {"subject": fresh.token_id}
    (event,) = good(fresh.admin.get("/api/admin/audit", params=query))["items"]
    assert event["details"] == {"holder_before": fresh.holder.tenant}
    # Afterwards it is as free as one that nobody has registered.
    assert fresh.admin.delete(path).status_code == 204
    with Training.of(gateway) as next_one:
        good(register(next_one, fresh.token_id), 201)


def test_a_reservation_ends(gateway: RunningGateway, admin: httpx.Client, token_id: str) -> None:
    path = f"{TOKENS}/{token_id}"
    good(admin.put(path, json={"tenant": None}))
    assert admin.delete(path).status_code == 204
    assert listed(admin, token_id) == []
    refused(admin.delete(path), 404, "not_found")
    with Training.of(gateway) as tenant:
        good(register(tenant, token_id), 201)
        assert admin.delete(path).status_code == 204
        (kept,) = listed(admin, token_id)
        assert (kept["tenant"], kept["reserved"]) == (tenant.tenant, False)


def test_a_bound_token_id_stays_reserved(market: TokenMarket) -> None:
    response = market.admin.delete(f"{TOKENS}/{market.token_id}")
    assert "Unbind" in refused(response, 409, "conflict")["message"]


def test_a_token_id_can_be_bound_before_it_is_registered(
    admin: httpx.Client, gateway: RunningGateway, token_id: str
) -> None:
    path, number = f"{TOKENS}/{token_id}", str(secrets.randbits(60))
    good(admin.put(path, json={"tenant": None}))
    good(admin.put(f"{path}/model-number", json={"chain_model_id": number}))
    with Training.of(gateway) as tenant:
        refused(register(tenant, token_id), 409, "token_taken")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "/{}", {"tenant": None}),
        ("DELETE", "/{}", None),
        ("PUT", "/{}/model-number", {"chain_model_id": "1"}),
        ("DELETE", "/{}/model-number", None),
    ],
)
def test_only_admins_reserve_and_bind(
    market: TokenMarket, method: str, path: str, body: dict[str, Any] | None
) -> None:
    url = TOKENS + path.format(market.token_id)
    response = market.holder.client.request(method, url, json=body)
    refused(response, 403, "scope_missing")


def test_the_document_states_the_bounds_of_a_model_number(gateway: RunningGateway) -> None:
    with gateway.client() as anyone:
        schemas = good(anyone.get("/openapi.json"))["components"]["schemas"]
    text, number = schemas["BindingRequest"]["properties"]["chain_model_id"]["anyOf"]
    assert text["maxLength"] == len(str((1 << 256) - 1))
    assert (number["minimum"], number["exclusiveMaximum"]) == (1, 1 << 256)
