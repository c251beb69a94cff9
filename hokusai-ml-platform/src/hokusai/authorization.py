"""What goes into the Authorization header, and how it is kept good for days."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Mapping, Protocol

from hokusai.credentials import Credential
from hokusai.errors import AnswerError, AuthenticationError
from hokusai.wallet_signer import WalletSigner

# A token is replaced when this part of its life is over, or so many seconds before its end.
TOKEN_LIFETIME_FRACTION = 0.8
RENEWAL_MARGIN_SECONDS = 300.0
# Reasons for which a new token helps.
REJECTED_TOKEN_REASONS = frozenset({"token_expired", "token_invalid"})


class Authorizer(Protocol):
    """Gives the value of the Authorization header for each request."""

    def header(self) -> str:
        """`Bearer <key or token>`; may ask the gateway for a token."""
        ...

    def invalidate(self, used: str) -> bool:
        """After a refusal: whether a request that had the header `used` is worth repeating."""
        ...


class TokenClient(Protocol):
    """What exchanging a signature for a token needs of a client; `GatewayClient` provides it.

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
        """Send a request whose authentication headers `sign` makes, and return the JSON."""
        ...


class KeyAuthorizer:
    """An API key, or a token that somebody else renews: always the same."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def header(self) -> str:
        return self._header

    def invalidate(self, used: str) -> bool:
        return False


class WalletAuthorizer:
    """A wallet: its signature is exchanged for a short token, which is renewed before its end.

    A token rather than a signature on each request, because the MLflow client repeats a request
    with the headers that it has, and a signature is spent by the first that arrives. Threads share
    one token.
    """

    def __init__(self, signer: WalletSigner, client: TokenClient) -> None:
        """client: one without a credential, for the exchange itself."""
        self._signer = signer
        self._client = client
        self._lock = threading.Lock()
        self._header = ""
        self._until = 0.0
        self._wall_until = 0.0

    def header(self) -> str:
        with self._lock:
            # Both clocks: the monotonic one stands still while a laptop sleeps, the other can be
            # set back.
            if time.monotonic() >= self._until or time.time() >= self._wall_until:
                self._exchange()
            return self._header

    def invalidate(self, used: str) -> bool:
        with self._lock:
            # Another thread may have renewed it since.
            if self._header == used:
                self._until = 0.0
        return True

    def _exchange(self) -> None:
        try:
            answer = self._ask()
        except AuthenticationError as error:
            if error.reason != "signature_stale" or not self._set_clock():
                raise
            answer = self._ask()
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, (int, float)):
            raise AnswerError("The gateway's answer to the wallet's signature has no token.")
        life = max(seconds * TOKEN_LIFETIME_FRACTION, seconds - RENEWAL_MARGIN_SECONDS)
        self._header = f"Bearer {token}"
        self._until = time.monotonic() + life
        self._wall_until = time.time() + life

    def _ask(self) -> dict[str, object]:
        found: dict[str, object] = self._client.request(
            "POST", "/auth/token", sign=self._signer.headers, idempotent=True
        )
        return found

    def _set_clock(self) -> bool:
        """Take the gateway's time for ours, for a machine whose clock is wrong: whether it told."""
        try:
            at = parsedate_to_datetime(self._client.last_date).timestamp()
        except (TypeError, ValueError, IndexError):
            return False
        self._signer.clock_skew = at - time.time()
        return True


def make_authorizer(credential: Credential, client: TokenClient) -> Authorizer:
    """For a credential; `client` is one without, of the gateway that it is for."""
    if credential.is_wallet:
        return WalletAuthorizer(WalletSigner(credential.secret), client)
    return KeyAuthorizer(credential.secret)
