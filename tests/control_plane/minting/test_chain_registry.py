"""With HOKUSAI_RPC_URL, a binding is checked against the chain's registry."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from pydantic import SecretStr

from app.standalone.mlflow import ChildMLflow
from tests.support.ethereum_node import REGISTRY, StandInNode, ethereum_node
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket
from tests.support.responses import good, refused

ADDRESS = "0x" + "5a" * 20


@pytest.fixture(scope="module")
def node() -> Iterator[StandInNode]:
    with ethereum_node(StandInNode()) as running:
        yield running


@pytest.fixture(scope="module")
def market(
    node: StandInNode, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[TokenMarket]:
    """A token without a model number, on a gateway that can ask the chain."""
    url = SecretStr(node.url)
    settings: dict[str, Any] = {"rpc_url": url, "model_registry": REGISTRY}
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as gateway,
        TokenMarket(gateway, bound=False) as made,
    ):
        yield made


def bound(market: TokenMarket) -> Any:
    (token,) = good(market.admin.get("/api/admin/tokens"))["items"]
    return token["chain_model_id"]


def test_a_number_that_the_chain_does_not_have_is_refused(
    node: StandInNode, market: TokenMarket
) -> None:
    problem = refused(market.bind("28"), 409, "conflict")
    assert "28" in problem["message"]
    assert bound(market) is None


def test_the_number_of_another_token_is_refused(node: StandInNode, market: TokenMarket) -> None:
    node.models[30] = ("0x" + "6b" * 20, "OTHER")
    problem = refused(market.bind("30"), 409, "conflict")
    assert "OTHER" in problem["message"]
    assert bound(market) is None


def test_the_number_of_a_symbol_that_only_looks_the_same_is_refused(
    node: StandInNode, market: TokenMarket
) -> None:
    # The capital of the dotless i is I.
    name = market.token_id.replace("TOK", "TIK")
    good(market.admin.put(f"/api/admin/tokens/{name}", json={"tenant": None}))
    node.models[31] = ("0x" + "6c" * 20, name.replace("I", "\u0131"))
    refused(market.bind("31", name), 409, "conflict")
    market.admin.delete(f"/api/admin/tokens/{name}")


def test_a_number_that_the_registry_has_deactivated_is_refused(
    node: StandInNode, market: TokenMarket
) -> None:
    node.models[32], node.inactive = (ADDRESS, market.token_id), {32}
    problem = refused(market.bind("32"), 409, "conflict")
    assert "deactivated" in problem["message"]
    assert bound(market) is None
    # A registry that has no such function deactivates nothing.
    node.inactive = None
    good(market.bind("32"))
    path = f"/api/admin/tokens/{market.token_id}/model-number"
    assert market.admin.delete(path).status_code == 204
    node.inactive = set()


@pytest.mark.parametrize(
    "response",
    [(503, {}, b""), (200, {}, json.dumps({"result": "0x" + "ff" * 32}).encode())],
    ids=["node fails", "contract is another one"],
)
def test_nothing_is_bound_while_the_chain_cannot_be_asked(
    node: StandInNode, market: TokenMarket, response: Any
) -> None:
    node.models[27] = (ADDRESS, market.token_id.lower())
    node.answer = lambda method: response if method == "eth_call" else None
    problem = refused(market.bind("27"), 503, "chain_unavailable")
    assert "SECRETKEY" not in json.dumps(problem)
    assert bound(market) is None
    node.answer = lambda _: None


def test_the_number_of_the_token_is_bound_as_checked(
    node: StandInNode, market: TokenMarket
) -> None:
    node.models[27] = (ADDRESS, market.token_id.lower())
    token = good(market.bind("27"))
    assert token["chain_token"] == to_checksum_address(ADDRESS)
    assert token["checked_at"] is not None
    query: dict[str, Any] = {"action": "token.bound", "limit": 1}
    (event,) = good(market.admin.get("/api/admin/audit", params=query))["items"]
    assert event["details"]["checked"] is True
