"""Signing requests with an Ethereum wallet, as the guide's class `HokusaiAuth` does."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Any

from hokusai.errors import CredentialError
from hokusai.gateway_url import GatewayAddress

if TYPE_CHECKING:
    from hokusai.client import GatewayClient

DEFAULT_API = "https://registry.hokus.ai/api"


class HokusaiAuth:
    """Authenticated requests of one wallet. Each is signed afresh: a signature is good for one
    request that changes something.

    private_key: 32 bytes in hexadecimal, with or without 0x. api_base: the gateway's `/api`.
    Raises CredentialError for what is no private key; the message does not show it.
    """

    def __init__(self, private_key: str, api_base: str = DEFAULT_API) -> None:
        self.account = _account(private_key)
        self.api_base = api_base.rstrip("/")
        self._client: GatewayClient | None = None
        # What the gateway's clock is ahead of ours, in seconds; learnt where it matters.
        self.skew = 0.0

    def __repr__(self) -> str:
        return f"HokusaiAuth(address={self.account.address!r})"

    def get_auth_headers(self) -> dict[str, str]:
        """The three `X-ETH-*` headers for one request, signed now (EIP-191)."""
        from eth_account.messages import encode_defunct

        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.skew)
        message = f"Hokusai API Access - {now.replace(tzinfo=None).isoformat()}"
        signature = self.account.sign_message(encode_defunct(text=message)).signature.hex()
        return {
            "X-ETH-Address": self.account.address,
            "X-ETH-Message": message,
            # hexbytes writes it with or without 0x, by its version.
            "X-ETH-Signature": signature if signature.startswith("0x") else "0x" + signature,
        }

    def make_request(self, method: str, endpoint: str, json: Any = None) -> Any:
        """The JSON of an answer. `endpoint` begins behind `/api`: `/mlflow/api/2.0/...`, `/models`.

        Raises GatewayError for a refusal, UnreachableError when there is no answer.
        """
        if self._client is None:
            from hokusai.client import GatewayClient

            self._client = GatewayClient(GatewayAddress.parse(self.api_base))
        return self._client.request(
            method, endpoint, json=json, sign=self.get_auth_headers, repeatable=False
        )


def _account(private_key: str) -> Any:
    limit = sys.getrecursionlimit()
    from eth_account import Account

    # A library that it imports raises the limit a hundredfold. Deeply nested JSON would then end
    # the whole process, where it raises an error otherwise.
    sys.setrecursionlimit(limit)
    try:
        return Account.from_key(private_key)
    except Exception:
        # Whatever the library says may hold the key.
        raise CredentialError(
            "The private key is none: it has 32 bytes, as 64 hexadecimal digits."
        ) from None
