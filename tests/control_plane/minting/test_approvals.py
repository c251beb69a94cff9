"""Whose model it is: nothing is signed for a token without the wish of its holder."""

from typing import Any

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, attest, mint
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.wallet import Wallet

FIRST, SECOND = "0x" + "5a" * 20, "0x" + "6b" * 20


def approvals(market: TokenMarket, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = good(
        market.holder.client.get("/api/mint-approvals", params=query)
    )["items"]
    return found


def withdraw(market: TokenMarket, approval: dict[str, Any]) -> dict[str, Any]:
    path = f"/api/mint-approvals/{approval['id']}/withdraw"
    document: dict[str, Any] = good(market.holder.client.post(path))
    return document


def signatures(gateway: RunningGateway, token_id: str) -> list[tuple[Any, ...]]:
    statement = (
        "select subject, details from audit_events where action = 'mint_request.signed' and"
        " details->>'token_id' = %s order by id"
    )
    return sql(gateway, statement, token_id)


class WalletAuth(httpx.Auth):
    """Signs every request anew."""

    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers.update(self._wallet.headers())
        yield request


def test_a_new_wallet_cannot_mint_on_a_model_of_the_same_name(gateway: RunningGateway) -> None:
    """It registers under the victim's name, on its model, with metrics that it invented."""
    wallet = Wallet()
    with TokenMarket(gateway) as market, gateway.client() as client:
        client.auth = WalletAuth(wallet)
        attacker = Training(client, wallet.tenant)
        document = market.attested(
            attacker,
            0.999,
            name=market.token_id,
            data_contribution={"contributor": wallet.address},
        )
        for body in ({}, {"chain_model_id": market.number}):
            problem = refused(mint(attacker, document, **body), 403, "approval_missing")
            assert market.token_id in problem["message"]
        refused(mint(attacker, document, chain_model_id="7"), 409, "model_number_not_bound")
        body = {"token_id": market.token_id, "contributor": wallet.address}
        refused(client.post("/api/mint-approvals", json=body), 403, "permission_denied")
        assert signatures(gateway, market.token_id) == []
        assert sql(gateway, "select 1 from mint_requests where symbol = %s", market.token_id) == []


def test_the_holder_approves_one_improvement_and_takes_it_back(
    market: TokenMarket, improver: Training
) -> None:
    document = market.attested(improver)
    refused(mint(improver, document), 403, "approval_missing")

    approval = good(market.approve(model_id=document["data"]["model_id"]), 201)
    assert (approval["token_id"], approval["tenant"]) == (market.token_id, market.holder.tenant)
    assert approval["withdrawn_at"] is None
    assert approval in approvals(market, token=market.token_id.lower(), withdrawn=False)
    found = good(mint(improver, document))
    assert found["typed_data"]["message"]["modelId"] == market.number

    # Another improvement by the same tenant is not meant.
    refused(mint(improver, market.attested(improver, 0.9)), 403, "approval_missing")

    withdrawn = withdraw(market, approval)
    assert withdrawn["withdrawn_by"].startswith("key:")
    assert withdraw(market, approval) == withdrawn
    refused(mint(improver, document), 403, "approval_missing")
    assert withdrawn in approvals(market, withdrawn=True)
    assert withdrawn not in approvals(market, withdrawn=False)


def test_the_same_approval_is_recorded_once(market: TokenMarket, improver: Training) -> None:
    model_id = market.improve(improver)["model_id"]
    first = good(market.approve(model_id=model_id), 201)
    assert good(market.approve(model_id=model_id), 201) == first
    withdraw(market, first)
    again = good(market.approve(model_id=model_id), 201)
    assert again["id"] != first["id"]
    assert again["withdrawn_at"] is None


def test_an_approved_contributor_does_not_let_others_share(
    market: TokenMarket, improver: Training
) -> None:
    alone = market.attested(improver, 0.9, data_contribution={"contributor": FIRST})
    both = market.attested(
        improver,
        0.91,
        data_contribution=[
            {"contributor": FIRST, "weight_bps": 1},
            {"contributor": SECOND, "weight_bps": 9999},
        ],
    )
    refused(mint(improver, alone), 403, "approval_missing")
    first = good(market.approve(contributor=FIRST), 201)
    assert good(mint(improver, alone))
    refused(mint(improver, both), 403, "approval_missing")
    second = good(market.approve(contributor=SECOND.upper().replace("0X", "0x")), 201)
    good(mint(improver, both))
    for approval in (first, second):
        withdraw(market, approval)
    refused(mint(improver, alone), 403, "approval_missing")


def test_contributors_named_at_the_attestation_do_not_count(
    market: TokenMarket, improver: Training
) -> None:
    """The approval is for those that the registration names."""
    model = market.improve(improver, 0.92)
    good(market.approve(model_id=model["model_id"]), 201)
    response = improver.client.post(
        "/api/attestations",
        json={"model_id": model["model_id"], "data_contribution": {"contributor": SECOND}},
    )
    if response.status_code == 201:
        refused(mint(improver, response.json()), 409, "not_mintable")
    else:
        assert response.status_code == 422
    assert good(mint(improver, attest(improver, model["model_id"])))


def test_only_the_holder_approves_and_only_improvements_on_its_model(
    gateway: RunningGateway, market: TokenMarket, improver: Training
) -> None:
    own = {"token_id": market.token_id, "model_id": market.improve(improver)["model_id"]}
    refused(improver.client.post("/api/mint-approvals", json=own), 403, "permission_denied")
    refused(market.admin.post("/api/mint-approvals", json=own), 403, "permission_denied")
    refused(market.approve(model_id=market.model_id), 409, "conflict")
    refused(market.approve(model_id="hkm_none"), 404, "not_found")
    refused(market.approve(token_id="none", contributor=FIRST), 404, "not_found")
    refused(market.approve(), 422, "validation_failed")
    refused(market.approve(model_id="hkm_x", contributor=FIRST), 422, "validation_failed")
    with TokenMarket(gateway) as other:
        foreign = other.improve(improver)["model_id"]
        refused(market.approve(model_id=foreign), 409, "conflict")
        approval = good(other.approve(model_id=foreign), 201)
        path = f"/api/mint-approvals/{approval['id']}/withdraw"
        refused(market.holder.client.post(path), 404, "not_found")
        assert approval not in approvals(market)


def test_approvals_have_pages(market: TokenMarket) -> None:
    for number in range(3):
        good(market.approve(contributor=f"0x{number:040x}"), 201)
    page = good(market.holder.client.get("/api/mint-approvals", params={"limit": 2}))
    assert len(page["items"]) == 2
    query = {"limit": 1, "cursor": page["next"]}
    (third,) = good(market.holder.client.get("/api/mint-approvals", params=query))["items"]
    assert third["id"] < page["items"][1]["id"]


def test_a_new_holder_does_not_inherit_approvals(
    gateway: RunningGateway, improver: Training
) -> None:
    with TokenMarket(gateway) as market, Training.of(gateway) as heir:
        document = market.attested(improver)
        own = market.attested(market.holder, 0.9)
        good(market.approve(model_id=document["data"]["model_id"]), 201)
        body = {"tenant": heir.tenant, "reassign": True}
        good(market.admin.put(f"/api/admin/tokens/{market.token_id}", json=body))
        # Nor does the tenant that held it before mint on what it had registered.
        for tenant, attestation in ((improver, document), (market.holder, own)):
            refused(mint(tenant, attestation), 403, "approval_missing")
        approval = {"token_id": market.token_id, "model_id": document["data"]["model_id"]}
        good(heir.client.post("/api/mint-approvals", json=approval), 201)
        assert good(mint(improver, document))


def test_the_holders_wallet_message_is_spent_by_an_approval(gateway: RunningGateway) -> None:
    wallet = Wallet()
    with TokenMarket(gateway) as market, gateway.client() as client:
        path = f"/api/admin/tokens/{market.token_id}"
        good(market.admin.put(path, json={"tenant": wallet.tenant, "reassign": True}))
        headers = wallet.headers()
        body = {"token_id": market.token_id, "contributor": FIRST}
        good(client.post("/api/mint-approvals", json=body, headers=headers), 201)
        again = client.post("/api/mint-approvals", json=body, headers=headers)
        refused(again, 401, "signature_spent")


@pytest.mark.parametrize("action", ["mint_approval.given", "mint_approval.withdrawn"])
def test_approvals_are_in_the_audit_log(
    gateway: RunningGateway, market: TokenMarket, improver: Training, action: str
) -> None:
    model_id = market.improve(improver)["model_id"]
    approval = good(market.approve(model_id=model_id), 201)
    withdraw(market, approval)
    query = {"action": action, "subject": str(approval["id"])}
    (event,) = good(market.admin.get("/api/admin/audit", params=query))["items"]
    assert event["tenant"] == market.holder.tenant
    assert event["details"] == {
        "token_id": market.token_id,
        "model_id": model_id,
        "contributor": None,
    }


def test_the_holder_sees_what_was_signed_for_its_token(
    gateway: RunningGateway, improver: Training, stranger: Training
) -> None:
    def listed(tenant: Training, **query: Any) -> list[str]:
        found = good(tenant.client.get("/api/mint-requests", params=query))
        return [one["model_id"] for one in found["items"]]

    with TokenMarket(gateway) as market:
        own, others = (market.attested(tenant) for tenant in (market.holder, improver))
        good(mint(market.holder, own))
        refused(mint(improver, others), 403, "approval_missing")
        of_token = {"token": market.token_id.lower()}
        ids = [document["data"]["model_id"] for document in (own, others)]
        assert listed(market.holder, **of_token) == ids[:1]
        good(market.approve(model_id=ids[1]), 201)
        minted = good(mint(improver, others))
        assert listed(market.holder, **of_token) == ids[::-1]
        assert listed(market.holder) == ids[:1]
        assert listed(improver, **of_token) == ids[1:]
        assert listed(improver)[0] == ids[1]
        assert listed(stranger, **of_token) == listed(stranger) == []
        page = good(market.holder.client.get("/api/mint-requests", params=of_token | {"limit": 1}))
        (shown,) = page["items"]
        assert shown["tenant"] == improver.tenant
        for name in ("attestation", "chain_model_id", "digest", "deadline", "token_id"):
            assert shown[name] == minted[name]
        assert "signatures" not in shown
        assert listed(market.holder, **of_token, cursor=page["next"]) == ids[:1]
        # A former holder sees its own only.
        body = {"tenant": stranger.tenant, "reassign": True}
        good(market.admin.put(f"/api/admin/tokens/{market.token_id}", json=body))
        assert listed(market.holder, **of_token) == ids[:1]
        assert listed(stranger, **of_token) == ids[::-1]
