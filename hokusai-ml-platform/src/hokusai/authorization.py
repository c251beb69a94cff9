"""The `Authorization` header of requests: an API key, or a token for a wallet, renewed in time."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Mapping, Protocol

from hokusai.credentials import Credential
from hokusai.errors import AuthenticationError, ResponseError
from hokusai.wallet_signer import WalletSigner

# A token is renewed after this fraction of its lifetime, or this many seconds before its end,
# whichever is later.
TOKEN_LIFETIME_FRACTION = 0.8
RENEWAL_MARGIN_SECONDS = 300.0
# Reasons of a 401 after which the same request can succeed with a new token.
REJECTED_TOKEN_REASONS = frozenset({"token_expired", "token_invalid"})


class Authorizer(Protocol):
    """Provides the value of the `Authorization` header for each request."""

    def header(self) -> str:
        """Return `Bearer <key or token>`. May send a request to obtain a token."""
        ...

    def invalidate(self, rejected: str) -> bool:
        """Stop using a token that the gateway rejected.

        Args:
            rejected: The header of the request that was refused.

        Returns:
            Whether `header` will return another value, so that a retry can succeed.
        """
        ...


class TokenClient(Protocol):
    """What obtaining a token needs of an HTTP client; `GatewayClient` provides it.

    Attributes:
        last_date: The `Date` header of the newest response, or an empty string.
    """

    last_date: str

    def request(
        self,
        method: str,
        path: str,
        *,
        sign: Callable[[], Mapping[str, str]],
        idempotent: bool,
    ) -> Any:
        """Send a request with the headers that `sign` returns, and return the parsed JSON."""
        ...


class KeyAuthorizer:
    """Sends an API key, or a token that the caller renews, unchanged."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def header(self) -> str:
        return self._header

    def invalidate(self, rejected: str) -> bool:
        return False


class WalletAuthorizer:
    """Exchanges a wallet's signature for an access token, and renews the token before it expires.

    Requests carry a token rather than a signature because the MLflow client repeats a request with
    the same headers, while the gateway accepts a signature once. Threads share one token.

    Attributes:
        signer: Signs with the wallet's private key.
    """

    def __init__(self, signer: WalletSigner, client: TokenClient) -> None:
        """Nothing is sent yet.

        Args:
            signer: Signs the requests for a token.
            client: Sends them. It has no credential of its own.
        """
        self.signer = signer
        self._client = client
        self._lock = threading.Lock()
        self._header = ""
        self._renew_at = 0.0
        self._renew_at_wall_clock = 0.0

    def header(self) -> str:
        """Return the header, after obtaining a token if there is none or the last one is old.

        Raises:
            ResponseError: The response has no token.
            GatewayError: The gateway refused the signature.
            UnreachableError: There was no response.
        """
        with self._lock:
            # Two clocks: the monotonic one stops while a laptop sleeps, and the wall clock can be
            # set back.
            if time.monotonic() >= self._renew_at or time.time() >= self._renew_at_wall_clock:
                self._obtain_token()
            return self._header

    def invalidate(self, rejected: str) -> bool:
        """Stop using the token in the header `rejected`. Always returns True."""
        with self._lock:
            # Another thread may have renewed the token since that request.
            if self._header == rejected:
                self._renew_at = 0.0
        return True

    def _obtain_token(self) -> None:
        try:
            response = self._request_token()
        except AuthenticationError as error:
            if error.reason != "signature_stale" or not self._adopt_gateway_clock():
                raise
            response = self._request_token()
        token, seconds = response.get("access_token"), response.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, (int, float)):
            raise ResponseError("The gateway's response to the wallet's signature has no token.")
        lifetime = max(seconds * TOKEN_LIFETIME_FRACTION, seconds - RENEWAL_MARGIN_SECONDS)
        self._header = f"Bearer {token}"
        self._renew_at = time.monotonic() + lifetime
        self._renew_at_wall_clock = time.time() + lifetime

    def _request_token(self) -> dict[str, object]:
        # A repeated request is signed again, so repeating it is safe.
        response: dict[str, object] = self._client.request(
            "POST", "/auth/token", sign=self.signer.headers, idempotent=True
        )
        return response

    def _adopt_gateway_clock(self) -> bool:
        """Sign with the gateway's time from now on, since the local clock is wrong.

        Returns False where the last response had no valid date.
        """
        try:
            gateway_time = parsedate_to_datetime(self._client.last_date).timestamp()
        except (TypeError, ValueError, IndexError):
            return False
        self.signer.clock_skew = gateway_time - time.time()
        return True


def make_authorizer(credential: Credential, client: TokenClient) -> Authorizer:
    """Return the authorizer for a credential.

    Args:
        credential: The key or the wallet.
        client: A client of the same gateway, without a credential.

    Raises:
        CredentialError: The credential is a wallet's, and not a valid private key.
    """
    if credential.is_wallet:
        return WalletAuthorizer(WalletSigner(credential.secret), client)
    return KeyAuthorizer(credential.secret)
