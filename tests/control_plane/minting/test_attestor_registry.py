"""With HOKUSAI_RPC_URL, the contract says whose signatures count, and how many are needed."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import SecretStr

from app.control_plane.minting import attestor_registry
from app.standalone.mlflow import ChildMLflow
from tests.support.ethereum_node import REGISTRY, VERIFIER, StandInNode, ethereum_node
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, mint, sign_typed
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.waiting import GENEROUS

ADDRESS = "0x" + "5a" * 20
KEY, LATER_KEY = SecretStr("a7" * 32), SecretStr("b8" * 32)
OWN = Account.from_key(KEY.get_secret_value()).address


@pytest.fixture(scope="module", autouse=True)
def _uncached() -> Iterator[None]:
    """The gateway reads the contract at each request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attestor_registry, "CACHE_SECONDS", -1.0)
        patch.setattr(attestor_registry, "PAUSE_SECONDS", -1.0)
        yield


@pytest.fixture(scope="module")
def further() -> list[LocalAccount]:
    """The attestors that the settings name besides the gateway."""
    return [Account.from_key(bytes([number]) * 32) for number in range(1, 4)]


@pytest.fixture(scope="module")
def running() -> Iterator[StandInNode]:
    with ethereum_node(StandInNode()) as started:
        yield started


@pytest.fixture(scope="module")
def settings(running: StandInNode, further: list[LocalAccount]) -> dict[str, Any]:
    return {
        "rpc_url": SecretStr(running.url),
        "rpc_timeout": 2,
        "verifying_contract": VERIFIER,
        "model_registry": REGISTRY,
        "mint_signers": tuple(one.address for one in further),
        "attestor_key": KEY,
    }


@pytest.fixture(scope="module")
def market(
    running: StandInNode,
    settings: dict[str, Any],
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
) -> Iterator[TokenMarket]:
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as gateway,
        TokenMarket(gateway, bound=False) as made,
    ):
        running.models[int(made.number)] = (ADDRESS, made.token_id)
        good(made.bind())
        yield made


@pytest.fixture
def node(running: StandInNode, further: list[LocalAccount]) -> Iterator[StandInNode]:
    """A contract that needs two signatures, of the gateway and the further attestors but one."""
    running.threshold = 2
    running.attestors = {OWN.lower(), *(one.address.lower() for one in further[:2])}
    yield running
    running.answer = lambda _: None


@pytest.fixture
def improvement(node: StandInNode, market: TokenMarket) -> dict[str, Any]:
    """An improvement whose baseline is what the chain has."""
    root = market.tokenize(market.holder, 0.85)
    document = market.attested(market.holder, baseline_model_id=root["model_id"])
    files = document["data"]["baseline"]["files"]
    node.genesis[int(market.number)] = f"0x{files['sha256_merkle_v1']}"
    return document


def database_url(market: TokenMarket) -> str:
    url = market.gateway.settings.database_url
    assert url is not None
    return url.get_secret_value()


def add(client: httpx.Client, request: dict[str, Any], account: LocalAccount) -> httpx.Response:
    signature = sign_typed(account, request["typed_data"])
    path = f"/api/mint-requests/{request['id']}/signatures"
    return client.post(path, json={"signature": signature})


def shown(market: TokenMarket, request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = good(market.holder.client.get(f"/api/mint-requests/{request['id']}"))
    return found


def message(market: TokenMarket, request: dict[str, Any]) -> httpx.Response:
    return market.holder.client.get(f"/api/mint-requests/{request['id']}/message")


def warnings(request: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in request["warnings"]]


def test_the_contract_says_who_counts_and_how_many_are_needed(
    market: TokenMarket, improvement: dict[str, Any], further: list[LocalAccount]
) -> None:
    request = good(mint(market.holder, improvement))
    assert (request["required"], request["missing"], request["complete"]) == (2, 1, False)
    assert {one["address"]: (one["signed"], one["counts"]) for one in request["attestors"]} == {
        OWN: (True, True),
        further[0].address: (False, True),
        further[1].address: (False, True),
        further[2].address: (False, False),
    }
    problem = refused(add(market.holder.client, request, further[2]), 422, "signer_unknown")
    assert further[2].address in problem["message"]
    assert "isAttester" in problem["message"]
    refused(message(market, request), 409, "mint_request_incomplete")
    complete = good(add(market.holder.client, request, further[0]))
    assert (complete["missing"], complete["complete"], complete["warnings"]) == (0, True, [])
    assert good(message(market, request))["attester_signatures"] == complete["signatures"]


def test_an_attestor_that_the_contract_has_removed_no_longer_counts(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    further: list[LocalAccount],
) -> None:
    """Its signature would have the contract refuse the whole request."""
    request = good(mint(market.holder, improvement))
    complete = good(add(market.holder.client, request, further[0]))
    assert node.attestors is not None
    node.attestors.remove(further[0].address.lower())
    fewer = shown(market, request)
    assert (fewer["signers"], fewer["signatures"]) == (request["signers"], request["signatures"])
    assert (fewer["missing"], fewer["complete"]) == (1, False)
    (gone,) = [one for one in fewer["attestors"] if one["address"] == further[0].address]
    assert gone == {"address": further[0].address, "signed": True, "counts": False}
    refused(message(market, request), 409, "mint_request_incomplete")
    again = good(add(market.holder.client, request, further[1]))
    assert again["complete"]
    assert further[0].address not in again["signers"]
    assert len(good(message(market, request))["attester_signatures"]) == 2
    node.attestors.add(further[0].address.lower())
    assert set(shown(market, request)["signers"]) == {*complete["signers"], *again["signers"]}


def test_the_threshold_may_change_until_the_request_is_sent(
    node: StandInNode, market: TokenMarket, improvement: dict[str, Any]
) -> None:
    request = good(mint(market.holder, improvement))
    node.threshold = 1
    assert shown(market, request)["complete"]
    good(message(market, request))
    node.threshold = 3
    listed = good(market.holder.client.get("/api/mint-requests", params={"limit": 1}))["items"][0]
    assert (listed["id"], listed["required"], listed["missing"]) == (request["id"], 3, 2)
    refused(message(market, request), 409, "mint_request_incomplete")


@pytest.mark.parametrize(
    ("threshold", "removed", "expected"),
    [(0, [], "attesterThreshold"), (2, [OWN], OWN), (4, [], "HOKUSAI_MINT_SIGNERS")],
    ids=["no threshold", "gateway unknown", "too few can sign"],
)
def test_nothing_is_signed_that_the_contract_would_refuse(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    threshold: int,
    removed: list[str],
    expected: str,
) -> None:
    request = good(mint(market.holder, improvement))
    assert node.attestors is not None
    node.threshold = threshold
    node.attestors -= {one.lower() for one in removed}
    other = market.attested(
        market.holder, 0.9, baseline_model_id=improvement["data"]["baseline"]["model_id"]
    )
    problem = refused(mint(market.holder, other), 503, "attestors_disagree")
    assert expected in problem["message"]
    query = "select 1 from mint_requests where model_id = %s"
    assert sql(market.gateway, query, other["data"]["model_id"]) == []
    # What was signed before is shown with what is wrong, and is not given out.
    assert warnings(shown(market, request)) == ["attestors_disagree"]
    assert not shown(market, request)["complete"]
    refused(message(market, request), 503, "attestors_disagree")


@pytest.mark.parametrize(
    "response",
    [(503, {}, b""), (200, {}, json.dumps({"result": "0x"}).encode())],
    ids=["node fails", "contract is another one"],
)
def test_while_the_chain_cannot_be_asked_nothing_is_completed(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    further: list[LocalAccount],
    response: Any,
) -> None:
    request = good(mint(market.holder, improvement))
    node.answer = lambda method: response if method == "eth_call" else None
    client = market.holder.client
    refused(add(client, request, further[0]), 503, "chain_unavailable")
    refused(message(market, request), 503, "chain_unavailable")
    # It still shows, and a repetition still gets it, without what only the chain knows.
    for found in (shown(market, request), good(mint(market.holder, improvement))):
        assert (found["required"], found["missing"], found["complete"]) == (None, None, False)
        assert warnings(found) == ["chain_unavailable"]
        assert found["signatures"] == request["signatures"]
        assert {one["counts"] for one in found["attestors"]} == {None}
    listed = good(client.get("/api/mint-requests", params={"limit": 1}))["items"][0]
    assert (listed["id"], listed["required"]) == (request["id"], None)
    node.answer = lambda _: None
    assert good(add(client, request, further[0]))["complete"]


def test_one_reading_serves_many(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = good(mint(market.holder, improvement))
    held, release = node.hold()
    node.requests.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(shown, market, request)]
        assert held.wait(GENEROUS)
        monkeypatch.setattr(attestor_registry, "CACHE_SECONDS", 60.0)
        waiting += [pool.submit(shown, market, request) for _ in range(7)]
        release.set()
        assert {json.dumps(one.result()) for one in waiting} == {json.dumps(request)}
    reading = ["eth_call"] * (1 + len(request["attestors"]))
    assert node.requests == reading
    # Kept, until it is too old.
    node.threshold = 1
    assert shown(market, request) == request
    assert node.requests == reading
    monkeypatch.setattr(attestor_registry, "CACHE_SECONDS", -1.0)
    assert shown(market, request)["required"] == 1


def test_lists_do_not_wait_for_a_node_that_failed_a_moment_ago(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    further: list[LocalAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = good(mint(market.holder, improvement))
    monkeypatch.setattr(attestor_registry, "PAUSE_SECONDS", 60.0)
    node.answer = lambda method: (503, {}, b"")
    node.requests.clear()
    assert shown(market, request)["required"] is None
    assert len(node.requests) == 1
    assert shown(market, request)["required"] is None
    assert len(node.requests) == 1
    # What has to know asks all the same.
    node.answer = lambda _: None
    assert good(add(market.holder.client, request, further[0]))["required"] == 2


def test_a_number_in_the_settings_has_to_be_the_contracts(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    settings: dict[str, Any],
    mlflow_server: ChildMLflow,
) -> None:
    request = good(mint(market.holder, improvement))
    path = f"/api/mint-requests/{request['id']}"
    with (
        RunningGateway(
            database_url(market),
            mlflow_server.url,
            **settings | {"mint_signatures": 1},
        ) as gateway,
        gateway.client(gateway.key(market.holder.tenant)) as client,
    ):
        assert warnings(good(client.get(path))) == ["attestors_disagree"]
        problem = refused(client.get(f"{path}/message"), 503, "attestors_disagree")
        assert "HOKUSAI_MINT_SIGNATURES is 1, and the contract needs 2" in problem["message"]
        node.threshold = 1
        good(client.get(f"{path}/message"))


def test_a_new_key_of_the_gateway_signs_what_a_former_one_signed(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    settings: dict[str, Any],
    mlflow_server: ChildMLflow,
) -> None:
    """The same message, so that nothing is minted twice; two keys of one signer are not two."""
    request = good(mint(market.holder, improvement))
    later = Account.from_key(LATER_KEY.get_secret_value()).address
    assert node.attestors is not None
    node.attestors.add(later.lower())
    node.threshold = 1
    with (
        RunningGateway(
            database_url(market),
            mlflow_server.url,
            **settings | {"attestor_key": LATER_KEY, "retired_attestors": (OWN,)},
        ) as gateway,
        gateway.client(gateway.key(market.holder.tenant)) as client,
    ):
        path = f"/api/mint-requests/{request['id']}"
        before = good(client.get(path))
        assert (before["signers"], before["missing"]) == ([], 1)
        for _ in range(2):
            found = good(client.post(f"/api/attestations/{improvement['hash']}/mint-request"))
            assert (found["signers"], found["complete"]) == ([later], True)
        assert found["digest"] == request["digest"]
        node.threshold = 2
        assert good(client.get(path))["missing"] == 1
