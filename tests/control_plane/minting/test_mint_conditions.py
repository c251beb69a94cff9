"""With HOKUSAI_RPC_URL, nothing is signed or given out that the contract would refuse now."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.standalone.mlflow import ChildMLflow
from tests.support.ethereum_node import REGISTRY, VERIFIER, StandInNode, ethereum_node
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, mint
from tests.support.responses import good, refused
from tests.support.sql import sql

ADDRESS = "0x" + "5a" * 20
KEY = SecretStr("a7" * 32)


@pytest.fixture(scope="module")
def running() -> Iterator[StandInNode]:
    with ethereum_node(StandInNode()) as started:
        yield started


@pytest.fixture(scope="module")
def market(
    running: StandInNode, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[TokenMarket]:
    settings: dict[str, Any] = {
        "rpc_url": SecretStr(running.url),
        "rpc_timeout": 2,
        "verifying_contract": VERIFIER,
        "model_registry": REGISTRY,
        "attestor_key": KEY,
        # One for changes: a transaction that waited for the node would hold it.
        "database_connections": 2,
    }
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as gateway,
        TokenMarket(gateway, bound=False) as made,
    ):
        running.models[int(made.number)] = (ADDRESS, made.token_id)
        good(made.bind())
        yield made


@pytest.fixture
def node(running: StandInNode) -> Iterator[StandInNode]:
    yield running
    running.paused, running.rate = False, 10**18
    running.processed, running.budgets, running.missing = set(), {}, set()
    running.inactive = set()
    running.answer = lambda _: None


@pytest.fixture
def improvement(node: StandInNode, market: TokenMarket) -> dict[str, Any]:
    """An improvement of 300 basis points whose baseline is what the chain has."""
    root = market.tokenize(market.holder, 0.85)
    document = market.attested(market.holder, baseline_model_id=root["model_id"])
    files = document["data"]["baseline"]["files"]
    node.genesis[int(market.number)] = f"0x{files['sha256_merkle_v1']}"
    return document


def message(market: TokenMarket, request: dict[str, Any]) -> httpx.Response:
    return market.holder.client.get(f"/api/mint-requests/{request['id']}/message")


def key_of(request: dict[str, Any]) -> str:
    anchors = request["typed_data"]["message"]["payload"]["anchors"]
    return str(anchors["idempotencyKey"])


def pause(node: StandInNode, number: int) -> None:
    node.paused = True


def deactivate(node: StandInNode, number: int) -> None:
    node.inactive = {number}


def spend(node: StandInNode, number: int) -> None:
    node.budgets[number] = 300 * 10**18 - 1


def pay_nothing(node: StandInNode, number: int) -> None:
    node.rate = 0


def compute_nothing(node: StandInNode, number: int) -> None:
    node.rate = None


@pytest.mark.parametrize(
    ("change", "condition", "words"),
    [
        (pause, "paused", "is paused"),
        (deactivate, "model_inactive", "has deactivated the model"),
        (spend, "budget_exceeded", "topUpMintBudget"),
        (pay_nothing, "no_reward", "300 basis points"),
        (compute_nothing, "no_reward_known", "does not compute a reward"),
    ],
)
def test_what_the_contract_would_refuse_is_neither_signed_nor_given_out(
    node: StandInNode,
    market: TokenMarket,
    improvement: dict[str, Any],
    change: Callable[[StandInNode, int], None],
    condition: str,
    words: str,
) -> None:
    change(node, int(market.number))
    problem = refused(mint(market.holder, improvement), 409, "contract_refuses")
    assert problem["condition"] == condition
    assert words in problem["message"]
    query = "select 1 from mint_requests where model_id = %s"
    assert sql(market.gateway, query, improvement["data"]["model_id"]) == []
    # Once it has ended, the same request succeeds, and the message waits for a later one.
    node.paused, node.rate, node.budgets, node.inactive = False, 10**18, {}, set()
    request = good(mint(market.holder, improvement))
    good(message(market, request))
    change(node, int(market.number))
    assert refused(message(market, request), 409, "contract_refuses")["condition"] == condition
    # What was signed is shown all the same.
    assert good(mint(market.holder, improvement)) == request
    assert good(market.holder.client.get(f"/api/mint-requests/{request['id']}")) == request


def test_the_budget_is_compared_exactly(
    node: StandInNode, market: TokenMarket, improvement: dict[str, Any]
) -> None:
    node.budgets[int(market.number)] = 300 * 10**18 - 1
    problem = refused(mint(market.holder, improvement), 409, "contract_refuses")
    assert problem["reward"] == str(300 * 10**18)
    assert problem["budget_remaining"] == str(300 * 10**18 - 1)
    node.budgets[int(market.number)] += 1
    good(mint(market.holder, improvement))


def test_what_was_minted_is_not_given_out_again_and_not_signed_anew(
    node: StandInNode, market: TokenMarket, improvement: dict[str, Any]
) -> None:
    request = good(mint(market.holder, improvement))
    node.processed.add(key_of(request))
    problem = refused(message(market, request), 409, "contract_refuses")
    assert problem["condition"] == "already_processed"
    assert key_of(request) in problem["message"]
    # After its deadline a new one would have the same key, by whichever attestation.
    statement = "update mint_requests set deadline = now() where number = %s"
    sql(market.gateway, statement, request["id"])
    problem = refused(mint(market.holder, improvement), 409, "contract_refuses")
    assert problem["condition"] == "already_processed"


def test_functions_that_a_contract_does_not_have_are_left_out(
    node: StandInNode, market: TokenMarket, improvement: dict[str, Any]
) -> None:
    node.missing = {"paused", "processedIdempotencyKeys", "mintBudgetRemaining"}
    node.rate, node.inactive = None, None
    good(message(market, good(mint(market.holder, improvement))))


@pytest.mark.parametrize(
    "response",
    [(503, {}, b""), (200, {}, json.dumps({"result": "0x"}).encode())],
    ids=["node fails", "contract is another one"],
)
def test_no_message_is_given_out_while_the_chain_cannot_be_asked(
    node: StandInNode, market: TokenMarket, improvement: dict[str, Any], response: Any
) -> None:
    request = good(mint(market.holder, improvement))
    good(message(market, request))
    # The attestors are known for a minute.
    node.answer = lambda method: response if method == "eth_call" else None
    problem = refused(message(market, request), 503, "chain_unavailable")
    assert "SECRETKEY" not in json.dumps(problem)
    node.answer = lambda _: None
    good(message(market, request))
