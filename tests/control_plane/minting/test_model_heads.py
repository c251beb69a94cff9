"""With HOKUSAI_RPC_URL, the baseline has to be what the chain has as the model's newest weights."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from app.standalone.mlflow import ChildMLflow
from tests.support.ethereum_node import REGISTRY, VERIFIER, StandInNode, ethereum_node
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket, mint
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.waiting import GENEROUS

ADDRESS = "0x" + "5a" * 20
OTHER = "0x" + "12" * 32


@pytest.fixture(scope="module")
def node() -> Iterator[StandInNode]:
    with ethereum_node(StandInNode()) as running:
        yield running


@pytest.fixture(scope="module")
def chained(
    node: StandInNode, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[TokenMarket]:
    """A token with a model number, on a gateway that can ask the chain."""
    settings: dict[str, Any] = {
        "rpc_url": SecretStr(node.url),
        "verifying_contract": VERIFIER,
        "model_registry": REGISTRY,
        "rpc_timeout": 2,
        # One for changes: a transaction that waited for the node would hold it.
        "database_connections": 2,
    }
    with (
        RunningGateway(new_database(), mlflow_server.url, **settings) as gateway,
        TokenMarket(gateway, bound=False) as made,
    ):
        node.models[int(made.number)] = (ADDRESS, made.token_id)
        good(made.bind())
        yield made


@pytest.fixture
def improvement(node: StandInNode, chained: TokenMarket) -> dict[str, Any]:
    """An improvement on a baseline of its own; the chain has no weights of the model."""
    node.heads.clear()
    node.genesis.clear()
    root = chained.tokenize(chained.holder, 0.85)
    return chained.attested(chained.holder, baseline_model_id=root["model_id"])


def commitment(model: dict[str, Any]) -> str:
    return f"0x{model['files']['sha256_merkle_v1']}"


def requests_of(market: TokenMarket, attestation: dict[str, Any]) -> list[tuple[Any, ...]]:
    query = "select 1 from mint_requests where model_id = %s"
    return sql(market.gateway, query, attestation["data"]["model_id"])


@pytest.mark.parametrize("where", ["heads", "genesis"])
def test_the_baseline_is_what_the_chain_has(
    node: StandInNode, chained: TokenMarket, improvement: dict[str, Any], where: str
) -> None:
    baseline = commitment(improvement["data"]["baseline"])
    getattr(node, where)[int(chained.number)] = baseline
    found = good(mint(chained.holder, improvement))
    assert found["typed_data"]["message"]["payload"]["baselineCommitment"] == baseline
    # Once the chain has minted it, a repetition gets the same request, and no other is signed.
    node.heads[int(chained.number)] = commitment(improvement["data"])
    assert good(mint(chained.holder, improvement)) == found


def test_the_head_comes_before_the_genesis(
    node: StandInNode, chained: TokenMarket, improvement: dict[str, Any]
) -> None:
    node.genesis[int(chained.number)] = commitment(improvement["data"]["baseline"])
    node.heads[int(chained.number)] = OTHER
    problem = refused(mint(chained.holder, improvement), 409, "baseline_not_head")
    assert problem["head"] == OTHER
    assert problem["baseline_commitment"] in problem["message"]
    assert requests_of(chained, improvement) == []


def test_what_the_chain_has_minted_is_not_signed_again(
    node: StandInNode, chained: TokenMarket, improvement: dict[str, Any]
) -> None:
    node.heads[int(chained.number)] = commitment(improvement["data"])
    problem = refused(mint(chained.holder, improvement), 409, "baseline_not_head")
    assert "minted already" in problem["message"]


def test_a_model_without_weights_on_the_chain_mints_nothing(
    node: StandInNode, chained: TokenMarket, improvement: dict[str, Any]
) -> None:
    problem = refused(mint(chained.holder, improvement), 409, "baseline_not_head")
    assert "weightGenesis" in problem["message"]


@pytest.mark.parametrize(
    "response",
    [(503, {}, b""), (200, {}, json.dumps({"result": "0x"}).encode())],
    ids=["node fails", "contract is another one"],
)
def test_nothing_is_signed_while_the_chain_cannot_be_asked(
    node: StandInNode, chained: TokenMarket, improvement: dict[str, Any], response: Any
) -> None:
    node.answer = lambda method: response if method == "eth_call" else None
    try:
        problem = refused(mint(chained.holder, improvement), 503, "chain_unavailable")
    finally:
        node.answer = lambda _: None
    assert "SECRETKEY" not in json.dumps(problem)
    assert requests_of(chained, improvement) == []
    node.genesis[int(chained.number)] = commitment(improvement["data"]["baseline"])
    good(mint(chained.holder, improvement))


def test_no_connection_to_the_database_waits_for_the_node(
    node: StandInNode, chained: TokenMarket, improvement: dict[str, Any]
) -> None:
    """While more requests wait for the node than there are connections, others are served."""
    node.genesis[int(chained.number)] = commitment(improvement["data"]["baseline"])
    held, release = node.hold()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(mint, chained.holder, improvement) for _ in range(4)]
        assert held.wait(GENEROUS)
        good(chained.approve(contributor=ADDRESS), 201)
        release.set()
        digests = {good(one.result())["digest"] for one in waiting}
    assert len(digests) == 1
