"""The client of an Ethereum node: what it sends, and what a node can do wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from app.chain import node as chain
from app.chain.node import EthereumNode, RevertedError
from app.core.errors import ChainUnavailableError
from app.core.settings import Settings
from tests.support.ethereum_node import REGISTRY, StandInNode, ethereum_node
from tests.support.redis import free_port

IS_REGISTERED = bytes.fromhex("579a6988") + (27).to_bytes(32, "big")
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def stand_in() -> Iterator[StandInNode]:
    with ethereum_node(StandInNode()) as running:
        running.models[27] = ("0x" + "5a" * 20, "HROUT")
        yield running


@pytest.fixture
async def node(stand_in: StandInNode) -> AsyncIterator[EthereumNode]:
    made = EthereumNode(stand_in.url, 1, timeout=30)
    yield made
    await made.close()


async def test_a_call_returns_the_result(stand_in: StandInNode, node: EthereumNode) -> None:
    for _ in range(2):
        assert await node.call(REGISTRY, IS_REGISTERED) == (1).to_bytes(32, "big")
    # The chain is checked once.
    assert stand_in.requests == ["eth_chainId", "eth_call", "eth_call"]


async def test_a_refusal_by_the_contract_is_no_fault_of_the_node(node: EthereumNode) -> None:
    with pytest.raises(RevertedError):
        await node.call(REGISTRY, b"\x00" * 4)


async def test_a_node_of_another_chain_is_not_used(
    stand_in: StandInNode, node: EthereumNode
) -> None:
    stand_in.chain_id = 11155111
    with pytest.raises(ChainUnavailableError, match="11155111") as raised:
        await node.call(REGISTRY, IS_REGISTERED)
    assert "eth_call" not in stand_in.requests
    assert "SECRETKEY" not in raised.value.message


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"no JSON"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (200, {}, b'{"result": 1}'),
        (200, {}, b'{"result": "0x1"}'),
        (200, {}, b'{"result": "0xzz"}'),
        (200, {}, b'{"error": {"code": -32005, "message": "limit exceeded"}}'),
        (200, {}, b"[" * 60_000),
        (200, {}, b" " * (chain.MAX_RESPONSE + 1)),
        (200, {"content-encoding": "gzip"}, b'{"result": "0x"}'[:-1]),
        (302, {"location": "http://127.0.0.1:9/"}, b""),
        (503, {}, b"busy"),
    ],
)
async def test_a_response_that_cannot_be_used_is_a_503_after_which_it_works(
    stand_in: StandInNode, node: EthereumNode, answer: Answer
) -> None:
    stand_in.answer = lambda method: answer if method == "eth_call" else None
    with pytest.raises(ChainUnavailableError) as raised:
        await node.call(REGISTRY, IS_REGISTERED)
    assert raised.value.status == 503
    assert "SECRETKEY" not in raised.value.message
    stand_in.answer = lambda _: None
    assert await node.call(REGISTRY, IS_REGISTERED)


async def test_a_silent_node_is_a_503(stand_in: StandInNode) -> None:
    async def read_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(read_only, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    silent = EthereumNode(f"http://127.0.0.1:{port}", 1, timeout=0.05)
    with pytest.raises(ChainUnavailableError, match=r"within 0\.05 seconds"):
        await silent.call(REGISTRY, IS_REGISTERED)
    await silent.close()
    listener.close()
    await listener.wait_closed()


async def test_a_node_that_does_not_listen_is_a_503() -> None:
    absent = EthereumNode(f"http://127.0.0.1:{free_port()}", 1, timeout=30)
    with pytest.raises(ChainUnavailableError, match="cannot be reached"):
        await absent.call(REGISTRY, IS_REGISTERED)
    await absent.close()


async def test_the_node_is_that_of_the_settings() -> None:
    assert EthereumNode.from_settings(Settings()) is None
    made = EthereumNode.from_settings(Settings(rpc_url=SecretStr("https://node.example")))
    assert made is not None
    await made.close()
