"""Several attestors sign one mint request, and the platform's message has all their signatures."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, mint, sign_typed, signer_of
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.wallet import Wallet

# The order of the curve secp256k1 (SEC 2, section 2.4.1).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MAINNET_VERIFIER = "0xE9D40B96703391464bc6b0ea0b4F0404399AaCE7"


@pytest.fixture(scope="module")
def attestors() -> list[LocalAccount]:
    """Further attestors, who sign outside of the gateway."""
    return [Account.from_key(bytes([number]) * 32) for number in range(1, 10)]


@pytest.fixture(scope="module")
def settings(attestors: list[LocalAccount]) -> dict[str, Any]:
    return {
        "chain": "mainnet",
        "mint_signers": tuple(one.address.lower() for one in attestors),
        "mint_signatures": 3,
    }


@pytest.fixture(scope="module")
def market(
    settings: dict[str, Any], new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[TokenMarket]:
    """A token on a gateway of the mainnet that needs three signatures."""
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as gateway,
        TokenMarket(gateway) as made,
    ):
        yield made


@pytest.fixture
def request_(market: TokenMarket) -> dict[str, Any]:
    """A mint request that only the gateway has signed."""
    found: dict[str, Any] = good(mint(market.holder, market.attested(market.holder)))
    return found


@pytest.fixture(scope="module")
def unchanged(market: TokenMarket) -> dict[str, Any]:
    """The same for tests that add nothing to it."""
    found: dict[str, Any] = good(mint(market.holder, market.attested(market.holder)))
    return found


@contextmanager
def restarted(
    market: TokenMarket, mlflow_server: ChildMLflow, settings: dict[str, Any]
) -> Iterator[httpx.Client]:
    """A client of the token's holder, at a gateway of the same database with other settings."""
    url = market.gateway.settings.database_url
    assert url is not None
    with (
        RunningGateway(url.get_secret_value(), mlflow_server.url, **settings) as gateway,
        gateway.client(gateway.key(market.holder.tenant)) as client,
    ):
        yield client


def add(client: httpx.Client, request: dict[str, Any], signature: str) -> httpx.Response:
    path = f"/api/mint-requests/{request['id']}/signatures"
    return client.post(path, json={"signature": signature})


def message(market: TokenMarket, request: dict[str, Any]) -> httpx.Response:
    return market.holder.client.get(f"/api/mint-requests/{request['id']}/message")


def test_attestors_sign_outside_and_attach(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    client = market.holder.client
    assert (request_["complete"], request_["required"]) == (False, 3)
    assert request_["warnings"] == []
    assert request_["typed_data"]["domain"]["verifyingContract"] == MAINNET_VERIFIER
    refused(message(market, request_), 409, "mint_request_incomplete")
    built = good(client.get(f"/api/mint-requests/{request_['id']}"))
    assert built == request_
    for place, account in enumerate(attestors[:2], 2):
        found = good(add(client, request_, sign_typed(account, built["typed_data"])))
        assert len(found["signatures"]) == place
    assert found["complete"]
    assert found["digest"] == request_["digest"]
    # By ascending address, as the contract expects them, each recovered by another library.
    signers = [signer_of(found["typed_data"], one) for one in found["signatures"]]
    assert signers == found["signers"] == sorted(signers, key=str.lower)
    assert {one.address for one in attestors[:2]} < set(signers)
    assert good(mint(market.holder, {"hash": request_["attestation"]})) == found


def test_the_message_of_the_platform(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    for account in attestors[:2]:
        request = good(
            add(market.holder.client, request_, sign_typed(account, request_["typed_data"]))
        )
    found = good(message(market, request))
    assert found == good(message(market, request))
    typed = request["typed_data"]["message"]
    payload = typed["payload"]
    assert found["attester_signatures"] == request["signatures"]
    assert (found["message_type"], found["schema_version"]) == ("mint_request", "1.0")
    assert found["model_id_uint"] == market.number
    assert found["eval_id"] == payload["pipelineRunId"]
    assert found["idempotency_key"] == payload["anchors"]["idempotencyKey"]
    assert found["totalSamples"] == found["evaluation"]["sample_size_candidate"]
    assert found["deadline"] == int(datetime.fromisoformat(request["deadline"]).timestamp())
    evaluation = found["evaluation"]
    assert (evaluation["baseline_score_bps"], evaluation["new_score_bps"]) == (8500, 8800)
    assert (evaluation["effect_size_bps"], evaluation["statistical_reason"]) == (300, "accepted")
    assert 0 < evaluation["ci_low_bps"] < 300 < evaluation["ci_high_bps"]
    assert 0 <= evaluation["p_value"] < 0.05
    (contributor,) = found["contributors"]
    assert contributor == {
        "wallet_address": typed["contributors"][0]["walletAddress"].lower(),
        "weight_bps": 10_000,
    }


def test_a_signature_is_counted_once(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    signature = sign_typed(attestors[0], request_["typed_data"])
    first = good(add(market.holder.client, request_, signature))
    # The forms in which wallets write the same signature.
    recovery = f"{int(signature[-2:], 16) - 27:02x}"
    for form in (signature, signature[2:].upper(), signature[:-2] + recovery):
        assert good(add(market.holder.client, request_, form)) == first
    assert len(first["signatures"]) == 2
    query: dict[str, Any] = {"action": "mint_request.signature_added", "limit": 1}
    (event,) = good(market.admin.get("/api/admin/audit", params=query))["items"]
    assert event["details"]["signer"] == attestors[0].address
    assert event["details"]["digest"] == request_["digest"]


def test_signatures_at_the_same_time_are_all_kept(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    signatures = [sign_typed(one, request_["typed_data"]) for one in attestors[:4]] * 2
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: good(add(market.holder.client, request_, one)), signatures))
    found = good(market.holder.client.get(f"/api/mint-requests/{request_['id']}"))
    assert len(found["signatures"]) == 5
    assert found["signers"] == sorted(found["signers"], key=str.lower)


def test_there_are_no_more_signatures_than_the_platform_takes(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    client = market.holder.client
    for account in attestors[:7]:
        good(add(client, request_, sign_typed(account, request_["typed_data"])))
    eighth = sign_typed(attestors[7], request_["typed_data"])
    assert "8 signatures" in refused(add(client, request_, eighth), 409, "conflict")["message"]


def test_only_signatures_of_named_attestors_of_this_message_count(
    market: TokenMarket, unchanged: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    client = market.holder.client
    stranger = sign_typed(Account.create(), unchanged["typed_data"])
    other_payload = dict(unchanged["typed_data"]["message"]["payload"], deadline=2**40)
    changed = unchanged["typed_data"] | {
        "message": unchanged["typed_data"]["message"] | {"payload": other_payload}
    }
    of_another_message = sign_typed(attestors[0], changed)
    for signature in (stranger, of_another_message):
        refused(add(client, unchanged, signature), 422, "signer_unknown")
    assert good(client.get(f"/api/mint-requests/{unchanged['id']}")) == unchanged


def malformed(signature: str) -> dict[str, str]:
    """Other forms of a signature, of which no contract accepts any."""
    s, v = int(signature[66:130], 16), int(signature[130:], 16)
    return {
        "high s": f"{signature[:66]}{ORDER - s:064x}{55 - v:02x}",
        "other v": f"{signature[:130]}1d",
        "EIP-2098": signature[:130],
        "too long": signature + "00",
        "no key": "0x" + "00" * 64 + "1b",
        "no hexadecimal": "0x" + "zz" * 65,
        "empty": "",
    }


@pytest.mark.parametrize("form", malformed("0x" + "11" * 65))
def test_a_malformed_signature_is_refused(
    market: TokenMarket, unchanged: dict[str, Any], attestors: list[LocalAccount], form: str
) -> None:
    signature = malformed(sign_typed(attestors[0], unchanged["typed_data"]))[form]
    refused(add(market.holder.client, unchanged, signature), 422, "validation_failed")


def test_nothing_is_completed_that_is_no_longer_agreed_to(
    market: TokenMarket, attestors: list[LocalAccount]
) -> None:
    with Training.of(market.gateway) as improver:
        document = market.attested(improver)
        approval = good(market.approve(model_id=document["data"]["model_id"]), 201)
        request = good(mint(improver, document))
        signature = sign_typed(attestors[0], request["typed_data"])
        good(market.holder.client.post(f"/api/mint-approvals/{approval['id']}/withdraw"))
        refused(add(improver.client, request, signature), 403, "approval_missing")
        good(market.approve(model_id=document["data"]["model_id"]), 201)
        good(add(improver.client, request, signature))
        path = f"/api/attestations/{document['hash']}/revoke"
        good(improver.client.post(path, json={"reason": "wrong test set"}))
        later = sign_typed(attestors[1], request["typed_data"])
        refused(add(improver.client, request, later), 409, "not_mintable")


def test_nothing_is_given_out_that_is_no_longer_agreed_to(
    market: TokenMarket, attestors: list[LocalAccount]
) -> None:
    with Training.of(market.gateway) as improver:
        document = market.attested(improver)
        approval = good(market.approve(model_id=document["data"]["model_id"]), 201)
        request = good(mint(improver, document))
        for account in attestors[:2]:
            good(add(improver.client, request, sign_typed(account, request["typed_data"])))
        path = f"/api/mint-requests/{request['id']}/message"
        good(improver.client.get(path))
        good(market.holder.client.post(f"/api/mint-approvals/{approval['id']}/withdraw"))
        refused(improver.client.get(path), 403, "approval_missing")


def test_an_attestor_that_the_operator_no_longer_names_does_not_count(
    market: TokenMarket,
    request_: dict[str, Any],
    attestors: list[LocalAccount],
    settings: dict[str, Any],
    mlflow_server: ChildMLflow,
) -> None:
    for account in attestors[:2]:
        good(add(market.holder.client, request_, sign_typed(account, request_["typed_data"])))
    fewer = {"mint_signers": settings["mint_signers"][1:]}
    path = f"/api/mint-requests/{request_['id']}"
    with restarted(market, mlflow_server, settings | fewer) as client:
        found = good(client.get(path))
        assert attestors[0].address not in found["signers"]
        assert (found["missing"], found["complete"]) == (1, False)
        refused(client.get(f"{path}/message"), 409, "mint_request_incomplete")
        late = sign_typed(attestors[0], request_["typed_data"])
        refused(add(client, request_, late), 422, "signer_unknown")
        other = sign_typed(attestors[2], request_["typed_data"])
        assert good(add(client, request_, other))["complete"]
        sent = good(client.get(f"{path}/message"))["attester_signatures"]
        assert len(sent) == 3
        assert sign_typed(attestors[0], request_["typed_data"]) not in sent
        for account in attestors[3:8]:
            good(add(client, request_, sign_typed(account, request_["typed_data"])))
    # Where it is named it counts again, as the ninth of eight that the platform takes.
    found = good(market.holder.client.get(path))
    sent = good(message(market, request_))["attester_signatures"]
    assert len(sent) == 8
    assert found["signatures"] == sent
    assert found["signers"] == sorted(found["signers"], key=str.lower)


def test_what_was_signed_for_another_contract_is_requested_anew(
    market: TokenMarket,
    request_: dict[str, Any],
    attestors: list[LocalAccount],
    settings: dict[str, Any],
    mlflow_server: ChildMLflow,
) -> None:
    path = f"/api/mint-requests/{request_['id']}"
    other = {"chain": None, "chain_id": 11155111, "verifying_contract": MAINNET_VERIFIER}
    with restarted(market, mlflow_server, settings | other) as client:
        codes = [warning["code"] for warning in good(client.get(path))["warnings"]]
        assert codes == ["other_contract"]
        signature = sign_typed(attestors[0], request_["typed_data"])
        problem = refused(add(client, request_, signature), 409, "not_mintable")
        assert MAINNET_VERIFIER in problem["message"]
        refused(client.get(f"{path}/message"), 409, "not_mintable")
        again = good(client.post(f"/api/attestations/{request_['attestation']}/mint-request"))
    assert (again["id"], again["warnings"]) == (request_["id"], [])
    assert again["typed_data"]["domain"]["chainId"] == 11155111
    keys = [
        one["typed_data"]["message"]["payload"]["anchors"]["idempotencyKey"]
        for one in (request_, again)
    ]
    assert keys[0] == keys[1]


def test_an_expired_request_takes_no_signature_and_has_no_message(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    for account in attestors[:2]:
        good(add(market.holder.client, request_, sign_typed(account, request_["typed_data"])))
    statement = "update mint_requests set deadline = now() - interval '1 hour' where number = %s"
    sql(market.gateway, statement, request_["id"])
    late = sign_typed(attestors[2], request_["typed_data"])
    refused(add(market.holder.client, request_, late), 409, "not_mintable")
    refused(message(market, request_), 409, "not_mintable")
    # A new one is signed anew, by everybody.
    again = good(mint(market.holder, {"hash": request_["attestation"]}))
    assert (again["id"], len(again["signatures"])) == (request_["id"], 1)
    assert again["signed_at"] > request_["signed_at"]


def test_who_sees_a_mint_request(
    market: TokenMarket, request_: dict[str, Any], attestors: list[LocalAccount]
) -> None:
    path = f"/api/mint-requests/{request_['id']}"
    query = {"token": market.token_id}
    with (
        Training.of(market.gateway) as stranger,
        market.gateway.client() as wallets,
    ):
        refused(stranger.client.get(path), 404, "not_found")
        signature = sign_typed(attestors[0], request_["typed_data"])
        refused(add(stranger.client, request_, signature), 404, "not_found")
        assert good(stranger.client.get("/api/mint-requests", params=query))["items"] == []
        refused(wallets.get(path, headers=Wallet().headers()), 404, "not_found")
        # A further attestor, with its wallet, and an admin.
        attestor = Wallet(attestors[1].key.hex())
        assert good(wallets.get(path, headers=attestor.headers())) == request_
        listed = good(wallets.get("/api/mint-requests", params=query, headers=attestor.headers()))
        assert request_["id"] in [one["id"] for one in listed["items"]]
        added = sign_typed(attestors[1], request_["typed_data"])
        headers = attestor.headers()
        post = f"{path}/signatures"
        good(wallets.post(post, json={"signature": added}, headers=headers))
        again = wallets.post(post, json={"signature": added}, headers=headers)
        refused(again, 401, "signature_spent")
    assert good(market.admin.get(path))["signers"] != request_["signers"]
    refused(market.admin.get("/api/mint-requests/999999999"), 404, "not_found")
