"""`HokusaiAuth`: requests signed with an Ethereum wallet, as in the integration guide."""

from __future__ import annotations

from typing import Any

from hokusai.client import GatewayClient
from hokusai.gateway_url import GatewayURL
from hokusai.wallet_signer import WalletSigner

DEFAULT_API = "https://registry.hokus.ai/api"


class HokusaiAuth:
    """Sends requests that are each signed by one wallet.

    Attributes:
        account: The `eth_account` account of the private key.
        api_base: The gateway's `/api`, without a slash at its end.
    """

    def __init__(self, private_key: str, api_base: str = DEFAULT_API) -> None:
        """Load the key; nothing is sent yet.

        Args:
            private_key: 32 bytes in hexadecimal, with or without `0x`.
            api_base: The gateway's `/api`.

        Raises:
            CredentialError: This is not a private key. The message does not contain it.
        """
        self._signer = WalletSigner(private_key)
        self.account = self._signer.account
        self.api_base = api_base.rstrip("/")
        self._client: GatewayClient | None = None

    def __repr__(self) -> str:
        return f"HokusaiAuth(address={self.account.address!r})"

    def get_auth_headers(self) -> dict[str, str]:
        """Return the three `X-ETH-*` headers for one request, signed now (EIP-191).

        The gateway accepts a signature for one changing request only: call this for each.
        """
        return self._signer.headers()

    def make_request(self, method: str, endpoint: str, json: Any = None) -> Any:
        """Send one signed request.

        Args:
            method: The HTTP method.
            endpoint: The path after `/api`, such as `/models` or `/mlflow/api/2.0/...`.
            json: The body, if there is one.

        Returns:
            The parsed JSON of the response.

        Raises:
            ConfigurationError: `api_base` is not the URL of a gateway.
            GatewayError: The gateway refused the request or failed.
            UnreachableError: There was no response.
        """
        if self._client is None:
            self._client = GatewayClient(GatewayURL.parse(self.api_base))
        return self._client.request(
            method, endpoint, json=json, sign=self.get_auth_headers, idempotent=False
        )
