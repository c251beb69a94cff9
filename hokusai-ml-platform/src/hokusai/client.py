"""The HTTP client: sends one credential, keeps within the rate limit, and retries safely.

Longer than most files here: one class has all that a request goes through.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from hokusai import batched_logging
from hokusai.__version__ import __version__
from hokusai.authorization import (
    REJECTED_TOKEN_REASONS,
    Authorizer,
    WalletAuthorizer,
    make_authorizer,
)
from hokusai.connection_errors import describe, is_unknown_host, never_connected
from hokusai.credentials import Credential, other_names, resolve_credential, stored_credential
from hokusai.errors import (
    CredentialError,
    FilesPendingError,
    GatewayError,
    InProgressError,
    InsecureConnectionWarning,
    RateLimitedError,
    ResponseError,
    UnreachableError,
    gateway_error,
)
from hokusai.gateway_url import GatewayURL
from hokusai.json_encoding import encode_json
from hokusai.rate_limit import RateLimiter
from hokusai.retry import RETRY_SECONDS, WAIT_SECONDS, RetryBudget, retry_after_seconds
from hokusai.tls import tls_options
from hokusai.wallet_signer import WalletSigner

# To connect, and between two bytes of a response. The latter is above the 120 seconds after which
# the gateway itself gives up on MLflow, so that its error response arrives.
TIMEOUT_SECONDS = (10.0, 130.0)
# How long a connection that fails is retried, if this gateway has not responded before: then the
# address is more likely wrong than the gateway down.
FIRST_CONTACT_SECONDS = 5.0
TRANSIENT_STATUSES = frozenset({502, 503, 504})
# Of a file that is downloaded, at a time.
CHUNK_BYTES = 256 * 1024
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class _HeaderAuth(AuthBase):
    """Sets the credential as requests' own authentication, so that no netrc file replaces it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class GatewayClient:
    """Sends requests to Hokusai's own API at one gateway. Threads may share a client.

    Attributes:
        url: The gateway.
        authorizer: Provides the `Authorization` header, or None without a credential.
        rate_limiter: The caller's rate limit, which the MLflow client keeps within too.
        last_date: The `Date` header of the newest response, or an empty string.
    """

    def __init__(
        self,
        url: GatewayURL,
        credential: Credential | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
        timeout: tuple[float, float] = TIMEOUT_SECONDS,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        """Nothing is sent yet. Warns if the credential would be sent unencrypted.

        Args:
            url: The gateway.
            credential: The caller's credential; None for public resources only.
            retry_seconds: How long one call is retried after faults.
            wait_seconds: How long one call waits for the rate limit.
            timeout: Seconds to connect, and between two bytes of a response.
            rate_limiter: The caller's rate limit; a new one by default.

        Raises:
            CredentialError: The credential is a wallet's, and not a valid private key.
        """
        self.url = url
        self.rate_limiter = rate_limiter or RateLimiter()
        self.last_date = ""
        self._retry_seconds = retry_seconds
        self._wait_seconds = wait_seconds
        self._timeout = timeout
        self._session: requests.Session | None = None
        self._session_pid = 0
        self._has_responded = False
        self._lost_credential = False  # when it was pickled
        self.authorizer: Authorizer | None = None
        if credential is not None:
            _warn_if_unencrypted(url)
            token_client = GatewayClient(url, retry_seconds=retry_seconds, timeout=timeout)
            self.authorizer = make_authorizer(credential, token_client)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the credential, which an unpickled client looks up anew, and the connection."""
        return {
            "url": self.url,
            "retry_seconds": self._retry_seconds,
            "wait_seconds": self._wait_seconds,
            "timeout": self._timeout,
            "has_credential": self.authorizer is not None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        url: GatewayURL = state.pop("url")
        had_credential: bool = state.pop("has_credential")
        credential = resolve_credential(url.origin) if had_credential else None
        GatewayClient.__init__(self, url, credential, **state)
        self._lost_credential = had_credential and credential is None

    def __copy__(self) -> GatewayClient:
        """Return the client itself, since threads may share one."""
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> GatewayClient:
        """Return the client itself, with its credential: the copy stays in this process."""
        return self

    @classmethod
    def connect(
        cls, url: str | None = None, api_key: str | None = None, private_key: str | None = None
    ) -> GatewayClient:
        """Make a client from arguments, environment variables and stored keys.

        Without a credential, the first call that needs one raises CredentialError.

        Args:
            url: The gateway; by default as `GatewayURL.resolve` finds it.
            api_key: An API key or access token.
            private_key: A wallet's private key. Without either, as `resolve_credential` finds it.

        Raises:
            ConfigurationError: There is no URL, or it is not valid.
            CredentialError: The credential is unusable.
        """
        gateway = GatewayURL.resolve(url)
        return cls(gateway, resolve_credential(gateway.origin, api_key, private_key))

    @property
    def wallet_signer(self) -> WalletSigner | None:
        """What signs with the caller's private key, or None if the credential is not a wallet's."""
        authorizer = self.authorizer
        return authorizer.signer if isinstance(authorizer, WalletAuthorizer) else None

    def require_authorizer(self) -> Authorizer:
        """Return the authorizer.

        Raises:
            CredentialError: There is no credential. The message says how to provide one.
        """
        if self.authorizer is None:
            raise CredentialError(
                f"There is no credential for {self.url.origin}. Set MLFLOW_TRACKING_TOKEN or "
                "HOKUSAI_API_KEY to an API key, set HOKUSAI_PRIVATE_KEY to a wallet's private "
                "key, or run `hokusai login`."
                + (
                    " The credential with which this object was pickled is not part of it."
                    if self._lost_credential
                    else ""
                )
                + self._hint_at_other_name()
            )
        return self.authorizer

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        anonymous: bool = False,
        idempotent: bool | None = None,
        sign: Callable[[], Mapping[str, str]] | None = None,
        retry_seconds: float | None = None,
    ) -> Any:
        """Send a request, and send it again where that is safe and can help.

        Args:
            method: The HTTP method.
            path: The path after `/api`.
            json: The body.
            params: The query; members that are None are left out.
            idempotency_key: The `Idempotency-Key` header, which makes a POST safe to repeat.
            anonymous: Send no credential, and leave the caller's rate limit alone.
            idempotent: Whether repeating the request is safe. By default GET, HEAD and requests
                with an idempotency key are.
            sign: Makes the authentication headers of each attempt, in place of the client's
                credential.
            retry_seconds: How long to retry after faults, in place of the client's own setting.

        Returns:
            The parsed JSON of the response; None for one without content (204).

        Raises:
            ResponseError: The response is not one of a gateway, such as a redirect.
            CredentialError: The request needs a credential, and there is none.
            GatewayError: The gateway refused or failed; the subclass depends on status and reason.
            InputError: The body has a value that JSON cannot represent.
            UnreachableError: There was no response.
        """
        if idempotent is None:
            idempotent = method in ("GET", "HEAD") or idempotency_key is not None
        return self._send(
            method,
            path,
            self._parse,
            json=json,
            params=params,
            idempotency_key=idempotency_key,
            anonymous=anonymous,
            idempotent=idempotent,
            sign=sign,
            retry_seconds=retry_seconds,
        )

    def download(
        self,
        path: str,
        params: Mapping[str, Any],
        receive: Callable[[Iterator[bytes]], None],
        start: Callable[[], int] = lambda: 0,
        restart: Callable[[], None] = lambda: None,
    ) -> None:
        """Receive a response that is not JSON, such as a file, in pieces.

        Args:
            path: The path after `/api`.
            params: The query.
            receive: Called with the pieces; again where the connection broke.
            start: Called before each attempt; returns the byte to begin with.
            restart: Called before `receive` where the pieces begin with the first byte instead.

        Raises:
            ResponseError: The response is not one of a gateway, such as a redirect.
            CredentialError: The request needs a credential, and there is none.
            GatewayError: The gateway refused or failed.
            UnreachableError: There was no response, or it broke off.
        """
        budget = self._budget()
        begin = 0

        def headers() -> Mapping[str, str]:
            nonlocal begin
            begin = start()
            return {"Range": f"bytes={begin}-"} if begin else {}

        def read(response: requests.Response) -> None:
            with response:
                if response.status_code == 206 and _begins_at(response, begin):
                    receive(_pieces(response, budget))
                elif response.status_code == 200:
                    if begin:
                        restart()
                    receive(_pieces(response, budget))
                else:
                    self._parse(response)
                    raise ResponseError(
                        f"The response {response.status_code} from {self.url.api} is not the file "
                        "that was requested."
                    )

        self._send(
            "GET",
            path,
            read,
            params=params,
            idempotent=True,
            stream=True,
            more_headers=headers,
            budget=budget,
        )

    def _budget(self, retry_seconds: float | None = None) -> RetryBudget:
        return RetryBudget(
            self._retry_seconds if retry_seconds is None else retry_seconds,
            self._wait_seconds,
            self.rate_limiter,
        )

    def _send(
        self,
        method: str,
        path: str,
        read: Callable[[requests.Response], Any],
        *,
        idempotent: bool,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        anonymous: bool = False,
        sign: Callable[[], Mapping[str, str]] | None = None,
        retry_seconds: float | None = None,
        stream: bool = False,
        more_headers: Callable[[], Mapping[str, str]] = dict,
        budget: RetryBudget | None = None,
    ) -> Any:
        """Send a request, also again, and return what `read` makes of its response."""
        headers = {"Accept": "application/json"}
        if stream:
            headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        body = None
        if json is not None:
            headers["Content-Type"] = "application/json"
            body = encode_json(json)
        query = {name: value for name, value in (params or {}).items() if value is not None}
        budget = budget or self._budget(retry_seconds)
        if sign is None:
            # The gateway reads from MLflow what has been logged.
            batched_logging.flush()
        verify, certificate = tls_options()
        while True:
            authentication = sign() if sign is not None else self._authentication(anonymous)
            if not anonymous:
                self.rate_limiter.acquire()
            try:
                response = self._session_of_process().request(
                    method,
                    self.url.api + path,
                    data=body,
                    params=query,
                    headers={**headers, **more_headers()},
                    auth=_HeaderAuth(authentication),
                    timeout=self._timeout,
                    verify=verify,
                    cert=certificate,
                    # A redirect could send the credential to another host.
                    allow_redirects=False,
                    stream=stream,
                )
                self._note(response, anonymous)
                return read(response)
            except GatewayError as error:
                if not self._should_retry(error, response, authentication, idempotent, budget):
                    raise
            except requests.RequestException as error:
                # An untrusted certificate or an invalid URL stays so, however often one tries.
                permanent = isinstance(
                    error, (requests.exceptions.SSLError, ValueError)
                ) or is_unknown_host(error)
                if not self._has_responded and never_connected(error):
                    budget.shorten(FIRST_CONTACT_SECONDS)
                if permanent or not idempotent or not budget.back_off():
                    raise UnreachableError(
                        f"No response from {self.url.origin}: {describe(error)}."
                    ) from None

    def _note(self, response: requests.Response, anonymous: bool) -> None:
        """Remember what the head of a response says."""
        self._has_responded = True
        self.last_date = response.headers.get("Date", "")
        # Requests without a valid credential are counted by IP address, so the headers of
        # their responses do not describe the caller's own limit.
        if not anonymous and response.status_code != 401:
            self.rate_limiter.update(response.headers)

    def _hint_at_other_name(self) -> str:
        """Where a key is stored for the same machine under another name, as one more sentence."""
        for origin in other_names(self.url.origin):
            if stored_credential(origin) is not None:
                return f" A key is stored for {origin}: use that URL, or log in to this one."
        return ""

    def _authentication(self, anonymous: bool) -> Mapping[str, str]:
        return {} if anonymous else {"Authorization": self.require_authorizer().header()}

    def _should_retry(
        self,
        error: GatewayError,
        response: requests.Response,
        authentication: Mapping[str, str],
        idempotent: bool,
        budget: RetryBudget,
    ) -> bool:
        """Wait before the next attempt; False where another attempt is unsafe or cannot help."""
        retry_after = retry_after_seconds(response.headers)
        if isinstance(error, RateLimitedError):
            # Refused before anything was done, so every request may be repeated.
            return budget.wait(retry_after, "the gateway's rate limit is used up")
        if isinstance(error, InProgressError):
            return budget.wait(retry_after, "the gateway is still handling the same request")
        if isinstance(error, FilesPendingError):
            return budget.wait(retry_after, "the gateway is still reading the model's files")
        if (
            error.status == 401
            and error.reason in REJECTED_TOKEN_REASONS
            and self.authorizer is not None
        ):
            return budget.is_first_renewal() and self.authorizer.invalidate(
                authentication.get("Authorization", "")
            )
        return (
            error.status in TRANSIENT_STATUSES
            and idempotent
            and budget.back_off(retry_after, error)
        )

    def _parse(self, response: requests.Response) -> Any:
        try:
            document = response.json()
        except ValueError:
            document = None
        if 300 <= response.status_code < 400:
            target = urlsplit(response.headers.get("Location", ""))
            raise ResponseError(
                f"{self.url.origin} redirects to {target.scheme}://{target.netloc}{target.path}"
                ". Redirects are not followed, so that the credential goes nowhere else. If that "
                "is the gateway, use its URL."
            )
        if response.ok and (document is not None or response.status_code == 204):
            return document
        if isinstance(document, dict) and not response.ok:
            raise gateway_error(response.status_code, document)
        if response.status_code in TRANSIENT_STATUSES or response.status_code in (401, 403, 429):
            # A page of a load balancer in front of the gateway: the status says what happened.
            raise gateway_error(response.status_code, {})
        raise ResponseError(
            f"The response {response.status_code} from {self.url.api} is not one of a Hokusai "
            "gateway. Is the URL right?"
        )

    def _session_of_process(self) -> requests.Session:
        # A forked child must not use its parent's connections.
        if self._session is None or self._session_pid != os.getpid():
            session = requests.Session()
            session.headers["User-Agent"] = f"hokusai-python/{__version__}"
            # The gateway sets no cookies; those of a proxy could be used to track callers.
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._session, self._session_pid = session, os.getpid()
        return self._session


def _begins_at(response: requests.Response, start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _pieces(response: requests.Response, budget: RetryBudget) -> Iterator[bytes]:
    """The pieces of a response. Raises requests.ConnectionError where its end is missing."""
    received = 0
    for piece in response.iter_content(CHUNK_BYTES):
        received += len(piece)
        budget.note_progress()
        yield piece
    # urllib3 1 does not compare them.
    length = response.headers.get("Content-Length", "")
    if "Content-Encoding" not in response.headers and length.isdigit() and received < int(length):
        raise requests.ConnectionError("the response broke off")


def derived_key(path: str, body: Mapping[str, Any]) -> str:
    """Return an idempotency key that equal requests share, also across processes.

    Args:
        path: The path of the request.
        body: Its body.

    Raises:
        InputError: The body has a value that JSON cannot represent.
    """
    digest = hashlib.sha256(path.encode() + b"\0" + encode_json(body)).hexdigest()
    return f"sdk-{digest[:48]}"


def _warn_if_unencrypted(url: GatewayURL) -> None:
    parts = urlsplit(url.origin)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        warnings.warn(
            f"The credential is sent over plain HTTP to {parts.hostname}, where others on the "
            "network can read it. Use https://.",
            InsecureConnectionWarning,
            stacklevel=3,
        )


__all__ = ["GatewayClient", "derived_key"]
