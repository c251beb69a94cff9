"""Wallets that are contracts, with a stand-in for an Ethereum node: EIP-1271 and ERC-6492."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from eth_abi.abi import decode, encode
from eth_account.messages import defunct_hash_message
from eth_utils.crypto import keccak
from pydantic import SecretStr

from app.access.identity.contract_signatures import MULTICALL
from app.access.identity.contract_wallets import MAX_SIGNATURE
from app.access.identity.siwe import SIWEMessage
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.support.ethereum_node import StandInNode, ethereum_node
from tests.support.gateway import RunningGateway
from tests.support.redis import free_port
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
RUNS = "/api/mlflow/api/2.0/mlflow/runs/create"
HOST = "registry.example"
FACTORY = "0x" + "fa" * 20
SUFFIX = bytes.fromhex("6492" * 16)
# As the owners of a Safe sign together: 65 bytes for each.
TWO_OWNERS = bytes(range(130))


def selector(signature: str) -> bytes:
    return bytes(keccak(text=signature)[:4])


class WalletNode(StandInNode):
    """A node whose contracts accept one signature of whatever is asked.

    deployed: what each contract accepts, by its address in lower case. undeployed: the same, once
    the factory was called with the wallet's address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.deployed: dict[str, bytes] = {}
        self.undeployed: dict[str, bytes] = {}
        self.digests: list[bytes] = []
        self.has_multicall = True

    def result(self, method: str, params: list[Any]) -> str:
        if method != "eth_call":
            return super().result(method, params)
        call = params[0]
        data = bytes.fromhex(call["data"][2:])
        if call["to"] == MULTICALL:
            return "0x" + (self._batch(data[4:]) if self.has_multicall else b"").hex()
        return "0x" + self._ask(call["to"], data, self.deployed).hex()

    def _batch(self, data: bytes) -> bytes:
        (calls,) = decode(["(address,bool,bytes)[]"], data)
        state, results = dict(self.deployed), []
        for target, may_fail, inner in calls:
            assert may_fail
            if target == FACTORY:
                wallet = f"0x{inner[-20:].hex()}"
                if wallet in self.undeployed:
                    state[wallet] = self.undeployed[wallet]
                results.append((wallet in self.undeployed, b""))
                continue
            try:
                results.append((True, self._ask(target, inner, state)))
            except KeyError:
                results.append((False, b"no"))
        return encode(["(bool,bytes)[]"], [results])

    def _ask(self, address: str, data: bytes, state: dict[str, bytes]) -> bytes:
        if address.lower() not in state:
            return b""  # no code
        assert data[:4] == selector("isValidSignature(bytes32,bytes)")
        digest, signature = decode(["bytes32", "bytes"], data[4:])
        self.digests.append(digest)
        accepted = state[address.lower()]
        if accepted == b"reverts":
            raise KeyError(address)
        return bytes.fromhex("1626ba7e" if signature == accepted else "ffffffff") + bytes(28)


@pytest.fixture
def node() -> Iterator[WalletNode]:
    with ethereum_node(WalletNode()) as running:
        assert isinstance(running, WalletNode)
        yield running


@pytest.fixture
def start(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[Callable[..., RunningGateway]]:
    running = []

    def make(**settings: Any) -> RunningGateway:
        gateway = RunningGateway(new_database(), mlflow_server.url, **settings)
        gateway.__enter__()
        running.append(gateway)
        return gateway

    yield make
    for one in running:
        one.__exit__(None, None, None)


@pytest.fixture
def client(node: WalletNode, start: Callable[..., RunningGateway]) -> Iterator[httpx.Client]:
    url = f"https://{HOST}"
    with start(rpc_url=SecretStr(node.url), public_url=url).client() as client:
        yield client


def headers(address: str, signature: bytes) -> dict[str, str]:
    return {
        **Wallet().headers(),
        "X-ETH-Address": address,
        "X-ETH-Signature": f"0x{signature.hex()}",
    }


def wrapped(address: str, signature: bytes) -> bytes:
    """A signature as ERC-6492 wraps it; the factory's data ends with the wallet's address."""
    data = b"deploy" + bytes.fromhex(address[2:])
    return encode(["address", "bytes", "bytes"], [FACTORY, data, signature]) + SUFFIX


def test_a_deployed_contract_says_which_signature_is_its_own(
    client: httpx.Client, node: WalletNode
) -> None:
    address = Wallet().address
    node.deployed[address.lower()] = TWO_OWNERS
    sent = headers(address.lower(), TWO_OWNERS)
    identity = good(client.get(WHOAMI, headers=sent))
    assert (identity["address"], identity["tenant"]) == (address, address.lower())
    assert node.digests == [defunct_hash_message(text=sent["X-ETH-Message"])]
    # The same message again asks nothing: in either plane, and to change something.
    asked = len(node.requests)
    good(client.get(WHOAMI, headers=sent))
    good(client.post(RUNS, json={}, headers=sent))
    refused(client.post(RUNS, json={}, headers=sent), 401, "signature_spent")
    assert len(node.requests) == asked
    token = client.post("/api/auth/token", headers=headers(address, TWO_OWNERS))
    assert good(token, 201)["address"] == address


def test_a_signature_of_65_bytes_may_be_a_contracts_too(
    client: httpx.Client, node: WalletNode
) -> None:
    """A Safe with one owner: the owner's key signs, and the address is the Safe's."""
    owner, safe = Wallet(), Wallet().address
    sent = {**owner.headers(), "X-ETH-Address": safe}
    node.deployed[safe.lower()] = bytes.fromhex(sent["X-ETH-Signature"])
    assert good(client.get(WHOAMI, headers=sent))["address"] == safe
    # The key's own signature needs no node.
    asked = len(node.requests)
    assert good(client.get(WHOAMI, headers=owner.headers()))["address"] == owner.address
    assert len(node.requests) == asked


@pytest.mark.parametrize("deployed", [False, True])
def test_a_wallet_that_is_not_deployed_is_asked_as_if_it_were(
    client: httpx.Client, node: WalletNode, deployed: bool
) -> None:
    address = Wallet().address
    (node.deployed if deployed else node.undeployed)[address.lower()] = TWO_OWNERS
    sent = headers(address, wrapped(address, TWO_OWNERS))
    assert good(client.get(WHOAMI, headers=sent))["address"] == address
    other = headers(address, wrapped(address, TWO_OWNERS[::-1]))
    refused(client.get(WHOAMI, headers=other), 401, "signature_invalid")
    node.has_multicall = False
    refused(
        client.get(WHOAMI, headers=headers(address, wrapped(address, TWO_OWNERS))),
        401,
        "signature_invalid",
    )


def test_what_no_contract_accepts_is_refused_and_asked_once(
    client: httpx.Client, node: WalletNode
) -> None:
    address, reverting = Wallet().address, Wallet().address
    node.deployed |= {address.lower(): TWO_OWNERS, reverting.lower(): b"reverts"}
    for who, signature in (
        (address, TWO_OWNERS[:-1]),
        (reverting, TWO_OWNERS),
        (Wallet().address, TWO_OWNERS),  # no code at the address
        (address, SUFFIX),
        (address, bytes(96) + SUFFIX),
        (address, b"\xff" * 96 + SUFFIX),
        (address, bytes(31) + b"\1" + b"\xff" * 64 + SUFFIX),
        (address, bytes(MAX_SIGNATURE + 1)),
    ):
        sent = headers(who, signature)
        refused(client.get(WHOAMI, headers=sent), 401, "signature_invalid")
        asked = len(node.requests)
        refused(client.get(WHOAMI, headers=sent), 401, "signature_invalid")
        assert len(node.requests) == asked


def siwe(address: str, nonce: str, chain_id: int) -> dict[str, str]:
    message = SIWEMessage(
        domain=HOST,
        address=address,
        uri=f"https://{HOST}/api/auth/token",
        chain_id=chain_id,
        nonce=nonce,
        issued_at=datetime.now(UTC),
    )
    return {"message": message.text(), "signature": f"0x{TWO_OWNERS.hex()}"}


def test_a_contract_signs_in_with_a_siwe_message_of_its_chain(
    client: httpx.Client, node: WalletNode
) -> None:
    address = Wallet().address
    node.deployed[address.lower()] = TWO_OWNERS
    for chain_id in (5, 1):
        nonce = good(client.get("/api/auth/nonce"))["nonce"]
        response = client.post("/api/auth/token", json=siwe(address, nonce, chain_id))
        if chain_id == 1:
            assert good(response, 201)["address"] == address
        else:
            problem = refused(response, 401, "signature_invalid")
            assert "on the chain 1; the SIWE message names 5" in problem["message"]


def test_a_node_is_asked_while_no_database_connection_is_used(
    node: WalletNode, start: Callable[..., RunningGateway]
) -> None:
    running = start(rpc_url=SecretStr(node.url), public_url=f"https://{HOST}")
    wallet, database = Wallet(), running.service(Database)
    with running.client() as client:
        good(client.post("/api/keys", json={"name": "first"}, headers=wallet.headers()), 201)
        key = good(client.get("/api/keys", headers=wallet.headers()))["items"][0]["id"]
        used: list[int] = []
        node.answer = lambda _: used.append(database.usage()[0])
        bodies: dict[str, dict[str, Any]] = {
            "/api/keys": {"name": "a"},
            f"/api/keys/{key}/rotate": {},
        }
        for path, body in bodies.items():
            nonce = good(client.get("/api/auth/nonce"))["nonce"]
            # Not by its key, so that a contract might accept it.
            body["siwe"] = siwe(wallet.address, nonce, chain_id=1)
            response = client.post(path, json=body, headers=wallet.headers())
            refused(response, 401, "signature_invalid")
    assert used
    assert set(used) == {0}


def test_without_a_node_the_refusal_says_why(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        sent = headers(Wallet().address, TWO_OWNERS)
        for response in (
            client.get(WHOAMI, headers=sent),
            client.post(RUNS, json={}, headers=sent),
            client.post("/api/auth/token", headers=sent),
        ):
            problem = refused(response, 401, "contract_wallets_off")
            assert "HOKUSAI_RPC_URL" in problem["message"]
            assert "130 bytes" in problem["message"]
        other = {**Wallet().headers(), "X-ETH-Address": Wallet().address}
        problem = refused(client.get(WHOAMI, headers=other), 401, "signature_invalid")
        assert "EIP-1271" in problem["message"]


def test_a_node_that_fails_is_not_the_callers_fault(start: Callable[..., RunningGateway]) -> None:
    with start(rpc_url=SecretStr(f"http://127.0.0.1:{free_port()}/SECRETKEY")).client() as client:
        response = client.get(WHOAMI, headers=headers(Wallet().address, TWO_OWNERS))
        refused(response, 503, "chain_unavailable")
        assert response.headers["retry-after"] == "1"
        assert "SECRETKEY" not in response.text
        wallet = Wallet()
        assert good(client.get(WHOAMI, headers=wallet.headers()))["address"] == wallet.address


def test_only_the_configured_chains_may_be_named(start: Callable[..., RunningGateway]) -> None:
    running = start(public_url=f"https://{HOST}", siwe_chain_ids=(1, 8453))
    with running.client() as client:
        for chain_id, status in ((1, 201), (8453, 201), (5, 401)):
            nonce = good(client.get("/api/auth/nonce"))["nonce"]
            body = Wallet().siwe(HOST, nonce, chain_id=chain_id)
            response = client.post("/api/auth/token", json=body)
            assert response.status_code == status
        assert "names the chain 5. It must name 1 or 8453" in response.json()["message"]
