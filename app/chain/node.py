"""An Ethereum node, whose JSON-RPC API reads contracts (execution-apis: eth_call, eth_chainId).

A node may be slow or down: each request has a timeout and a bound on its response, and only a few
run at a time.
"""

import asyncio
import json
import re
from typing import Any, Self

import httpx
import structlog

from app.core.errors import ChainUnavailableError
from app.core.settings import Settings

log = structlog.get_logger()

# The longest response that is read, in bytes, and how many requests run at a time.
MAX_RESPONSE = 64 * 1024
MAX_REQUESTS = 4
# JSON-RPC's error code for a call that the contract itself refused.
_REVERTED = 3
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


class RevertedError(Exception):
    """The contract refused the call, or there is no such function."""


class EthereumNode:
    """Reads contracts of one chain.

    url: of the node; it may contain a key, so no message and no log line repeats it.
    chain_id: of the chain that the node has to be on (EIP-155).
    timeout: seconds for a request, including the wait for other requests.
    """

    def __init__(self, url: str, chain_id: int, timeout: float) -> None:
        self._url = url
        self._chain_id = chain_id
        self._timeout = timeout
        # `trust_env` off: a proxy variable in the environment must not reroute the requests.
        self._http = httpx.AsyncClient(trust_env=False, headers={"Accept-Encoding": "identity"})
        self._requests = asyncio.Semaphore(MAX_REQUESTS)
        self._is_checked = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """The node of HOKUSAI_RPC_URL; None without one."""
        if settings.rpc_url is None:
            return None
        return cls(settings.rpc_url.get_secret_value(), settings.chain_id, settings.rpc_timeout)

    async def call(self, contract: str, data: bytes) -> bytes:
        """The result of calling a contract's function as of the newest block.

        contract: its address. data: as `abi.encode_call` makes it.

        Raises RevertedError where the contract refuses the call, and ChainUnavailableError where
        the node fails, or is one of another chain.
        """
        if not self._is_checked:
            await self._check_chain()
        call = {"to": contract, "data": f"0x{data.hex()}"}
        return bytes.fromhex((await self._request("eth_call", call, "latest"))[2:])

    async def close(self) -> None:
        await self._http.aclose()

    async def _check_chain(self) -> None:
        found = await self._request("eth_chainId", quantity=True)
        if int(found, 16) != self._chain_id:
            raise ChainUnavailableError(
                f"HOKUSAI_RPC_URL is a node of the chain {int(found, 16)}, and HOKUSAI_CHAIN_ID is "
                f"{self._chain_id}. The operator has to correct one of them."
            )
        self._is_checked = True

    async def _request(self, method: str, *params: Any, quantity: bool = False) -> str:
        """The result of a method: data in hexadecimal, or a number if `quantity`."""
        try:
            async with asyncio.timeout(self._timeout), self._requests:
                response = await self._post(method, params)
        except TimeoutError:
            raise _unavailable(f"did not respond within {self._timeout:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            log.warning("chain.unreachable", error=type(error).__name__)
            raise _unavailable("cannot be reached, or sent no valid response") from None
        refusal = response.get("error")
        if isinstance(refusal, dict):
            if refusal.get("code") == _REVERTED or "revert" in str(refusal.get("message")).lower():
                raise RevertedError
            log.warning("chain.refused", method=method)
            raise _unavailable("refused the request")
        result = response.get("result")
        pattern = re.compile(r"0x[0-9a-fA-F]{1,64}") if quantity else _HEX
        if not isinstance(result, str) or pattern.fullmatch(result) is None:
            raise _unavailable("sent no valid response")
        return result

    async def _post(self, method: str, params: tuple[Any, ...]) -> dict[str, Any]:
        """The response as JSON. Raises httpx.HTTPError and ValueError."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        async with self._http.stream("POST", self._url, json=body, timeout=self._timeout) as got:
            received = b""
            async for part in got.aiter_raw():
                received += part
                if len(received) > MAX_RESPONSE:
                    raise ValueError("the response is too long")
        document = json.loads(received)
        return document if isinstance(document, dict) else {}


def _unavailable(what: str) -> ChainUnavailableError:
    return ChainUnavailableError(f"The Ethereum node of HOKUSAI_RPC_URL {what}. Try again.")
