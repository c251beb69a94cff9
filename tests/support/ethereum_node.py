"""An Ethereum node under test: JSON-RPC over HTTP, with Hokusai's contracts and their tokens."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from tests.support.waiting import GENEROUS

REGISTRY = "0x" + "a1" * 20
VERIFIER = "0x" + "d5" * 20
ZERO = "0x" + "00" * 32


def _selector(signature: str) -> str:
    return f"0x{keccak(text=signature)[:4].hex()}"


class StandInNode:
    """Responds to eth_chainId and eth_call.

    models: the token's address and symbol, by model number. inactive: those that are deactivated;
    None for a registry that deactivates none. answer: replaces the next responses;
    it gets the request's method, and returns status, headers and body, or None for the usual one.
    requests: the methods of all requests. heads: of the DeltaVerifier, by model number; genesis: of
    the ModelRegistry; each 0x and 64 digits. threshold, attestors: of the DeltaVerifier; None: all
    addresses are. paused, processed, budgets, rate: of the DeltaVerifier: whether it is paused, the
    idempotency keys that it has processed, what is left of models' budgets (of others, 10**24), and
    the reward for a basis point, None for one that it does not compute. missing: the names of
    functions that the contracts do not have.
    """

    def __init__(self, chain_id: int = 1) -> None:
        self.chain_id = chain_id
        self.models: dict[int, tuple[str, str]] = {}
        self.inactive: set[int] | None = set()
        self.answer: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda _: None
        self.requests: list[str] = []
        self.heads: dict[int, str] = {}
        self.genesis: dict[int, str] = {}
        self.threshold = 1
        self.attestors: set[str] | None = None
        self.paused = False
        self.processed: set[str] = set()
        self.budgets: dict[int, int] = {}
        self.rate: int | None = 10**18
        self.missing: set[str] = set()
        self.url = ""

    def hold(self) -> tuple[threading.Event, threading.Event]:
        """Hold calls of contracts back: set when the first one is held; to be set to release."""
        held, release = threading.Event(), threading.Event()

        def answer(method: str) -> None:
            if method == "eth_call":
                held.set()
                release.wait(GENEROUS)

        self.answer = answer
        return held, release

    def result(self, method: str, params: list[Any]) -> str:
        """The result of a method. Raises KeyError for a call that reverts."""
        if method == "eth_chainId":
            return hex(self.chain_id)
        call = params[0]
        selector, argument = call["data"][:10], call["data"][10:]
        if call["to"].lower() == VERIFIER:
            if selector == _selector("currentModelHead(uint256)"):
                return self.heads.get(int(argument, 16), ZERO)
            if selector == _selector("attesterThreshold()"):
                return "0x" + encode(["uint256"], [self.threshold]).hex()
            if selector == _selector("isAttester(address)"):
                known = self.attestors is None or f"0x{argument[-40:]}" in self.attestors
                return "0x" + encode(["bool"], [known]).hex()
        if call["to"].lower() == VERIFIER:
            return self._mint_condition(selector, bytes.fromhex(argument))
        if call["to"].lower() == REGISTRY:
            number = int(argument or "0", 16)
            if selector == _selector("isRegistered(uint256)"):
                return "0x" + encode(["bool"], [number in self.models]).hex()
            if selector == _selector("isModelActive(uint256)") and self.inactive is not None:
                return "0x" + encode(["bool"], [number not in self.inactive]).hex()
            if selector == _selector("weightGenesis(uint256)"):
                return self.genesis.get(number, ZERO)
            if selector == _selector("getToken(uint256)"):
                return "0x" + encode(["address"], [self.models[number][0]]).hex()
        if selector == _selector("symbol()"):
            symbols = {address.lower(): symbol for address, symbol in self.models.values()}
            return "0x" + encode(["string"], [symbols[call["to"].lower()]]).hex()
        raise KeyError(selector)

    def _mint_condition(self, selector: str, arguments: bytes) -> str:
        """The result of what says whether the DeltaVerifier would mint."""

        def is_called(signature: str) -> bool:
            return selector == _selector(signature) and signature.split("(")[0] not in self.missing

        if is_called("paused()"):
            return "0x" + encode(["bool"], [self.paused]).hex()
        if is_called("processedIdempotencyKeys(bytes32)"):
            return "0x" + encode(["bool"], [f"0x{arguments.hex()}" in self.processed]).hex()
        if is_called("mintBudgetRemaining(uint256)"):
            (number,) = decode(["uint256"], arguments)
            return "0x" + encode(["uint256"], [self.budgets.get(number, 10**24)]).hex()
        if is_called("calculateRewardDynamic(string,uint256,uint256,uint256)"):
            text, delta, weight, _ = decode(["string", "uint256", "uint256", "uint256"], arguments)
            if self.rate is not None and int(text) in self.models:
                return "0x" + encode(["uint256"], [delta * self.rate * weight // 10_000]).hex()
        raise KeyError(selector)


@contextmanager
def ethereum_node(node: StandInNode) -> Iterator[StandInNode]:
    """Serves in a thread while the `with` block lasts; sets the node's url."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            node.requests.append(body["method"])
            scripted = node.answer(body["method"])
            if scripted is None:
                response: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
                try:
                    response["result"] = node.result(body["method"], body["params"])
                except KeyError:
                    response["error"] = {"code": 3, "message": "execution reverted"}
                scripted = (200, {}, json.dumps(response).encode())
            status, headers, content = scripted
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    node.url = f"http://127.0.0.1:{server.server_address[1]}/v3/SECRETKEY"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
