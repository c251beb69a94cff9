"""The HTTP client: one credential, one limit, and repeats that do no harm."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import time
import warnings
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Callable, Mapping
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from hokusai.__version__ import __version__
from hokusai.authorization import REJECTED_TOKEN_REASONS, Authorizer, make_authorizer
from hokusai.credentials import Credential, resolve_credential
from hokusai.errors import (
    AnswerError,
    CredentialError,
    GatewayError,
    InProgressError,
    InsecureConnectionWarning,
    RateLimitedError,
    UnreachableError,
    gateway_error,
)
from hokusai.gateway_url import GatewayURL
from hokusai.json_encoding import encode_json
from hokusai.rate_limit import RateLimiter, report_wait

log = logging.getLogger("hokusai")

# Seconds to connect, and between two bytes of an answer; above the gateway's own 120.
TIMEOUT_SECONDS = (10.0, 130.0)
# For how long one request goes on being repeated after faults, and waiting for its turn.
RETRY_SECONDS = 90.0
WAIT_SECONDS = 600.0
INITIAL_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 20.0
TRANSIENT_STATUSES = frozenset({502, 503, 504})
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class _HeaderAuth(AuthBase):
    """Sets headers as requests' own authentication, so that no netrc file replaces them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class GatewayClient:
    """Requests to Hokusai's own API at one gateway. Threads may share it.

    credential: None for what needs none. retry_seconds, wait_seconds: how long one call goes on
    after faults, and for how long it waits for the limit.
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
        self.url = url
        self.rate_limiter = rate_limiter or RateLimiter()
        self.last_date = ""
        self._retry_seconds = retry_seconds
        self._wait_seconds = wait_seconds
        self._timeout = timeout
        self._session: requests.Session | None = None
        self._pid = 0
        self.authorizer: Authorizer | None = None
        if credential is not None:
            _warn_of_plain_http(url)
            stranger = GatewayClient(url, retry_seconds=retry_seconds, timeout=timeout)
            self.authorizer = make_authorizer(credential, stranger)

    @classmethod
    def connect(
        cls, url: str | None = None, api_key: str | None = None, private_key: str | None = None
    ) -> GatewayClient:
        """A client for a URL and a credential, each by default from where the SDK finds it.

        Raises ConfigurationError without a URL. Without a credential the first call that needs one
        raises CredentialError.
        """
        gateway = GatewayURL.resolve(url)
        return cls(gateway, resolve_credential(gateway.origin, api_key, private_key))

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
        """The JSON of the answer to `method` on `path`, which begins behind `/api`.

        json: the body. params: the query; None is left out. idempotency_key: makes a POST
        repeatable. anonymous: no credential is sent. repeatable: whether a second time does no
        harm, where neither the method nor a key tells. sign: makes the authentication's headers
        anew for each attempt, in place of the client's own.

        Raises GatewayError (by status and reason), UnreachableError, AnswerError, CredentialError.
        """
        if idempotent is None:
            idempotent = method in ("GET", "HEAD") or idempotency_key is not None
        headers = {"Accept": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        body = None
        if json is not None:
            headers["Content-Type"] = "application/json"
            body = encode_json(json)
        query = {name: value for name, value in (params or {}).items() if value is not None}
        attempt = _RetryBudget(
            self._retry_seconds if retry_seconds is None else retry_seconds,
            self._wait_seconds,
            self.rate_limiter,
        )
        while True:
            identity = sign() if sign is not None else self._identity(anonymous)
            if not anonymous:
                self.rate_limiter.acquire()
            try:
                response = self._session_of_process().request(
                    method,
                    self.url.api + path,
                    data=body,
                    params=query,
                    headers=headers,
                    auth=_HeaderAuth(identity),
                    timeout=self._timeout,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                # A certificate that is not trusted will not be so in a minute.
                lasting = isinstance(error, (requests.exceptions.SSLError, ValueError))
                if lasting or not idempotent or not attempt.again():
                    raise UnreachableError(
                        f"No answer from {self.url.origin}: {_cause(error)}."
                    ) from None
                continue
            self.last_date = response.headers.get("Date", "")
            # What comes without a good credential is counted on the address, which says nothing of
            # the caller's own limit.
            if not anonymous and response.status_code != 401:
                self.rate_limiter.update(response.headers)
            try:
                return self._read(response)
            except GatewayError as error:
                if not self._should_retry(error, response, identity, idempotent, attempt):
                    raise

    def _identity(self, anonymous: bool) -> Mapping[str, str]:
        if anonymous:
            return {}
        if self.authorizer is None:
            raise CredentialError(
                f"There is no credential for {self.url.origin}. Set MLFLOW_TRACKING_TOKEN or "
                "HOKUSAI_API_KEY to an API key, HOKUSAI_PRIVATE_KEY to a wallet's key, or run "
                "`hokusai login`."
            )
        return {"Authorization": self.authorizer.header()}

    def _should_retry(
        self,
        error: GatewayError,
        response: requests.Response,
        identity: Mapping[str, str],
        idempotent: bool,
        attempt: _RetryBudget,
    ) -> bool:
        after = _retry_after(response)
        if isinstance(error, RateLimitedError):
            # Refused before anything was done: to repeat it is always safe.
            return attempt.wait(after, "the gateway's rate limit is used up")
        if isinstance(error, InProgressError):
            return attempt.wait(after, "the gateway is still working on the same request")
        if (
            error.status == 401
            and error.reason in REJECTED_TOKEN_REASONS
            and self.authorizer is not None
        ):
            return attempt.first_renewal() and self.authorizer.invalidate(
                identity.get("Authorization", "")
            )
        return error.status in TRANSIENT_STATUSES and idempotent and attempt.again(after, error)

    def _read(self, response: requests.Response) -> Any:
        try:
            document = response.json()
        except ValueError:
            document = None
        if 300 <= response.status_code < 400:
            target = urlsplit(response.headers.get("Location", ""))
            raise AnswerError(
                f"{self.url.origin} redirects to {target.scheme}://{target.netloc}{target.path}"
                ". A credential is not sent on. If that is the gateway, name it by that URL."
            )
        if response.ok and document is not None:
            return document
        if isinstance(document, dict) and not response.ok:
            raise gateway_error(response.status_code, document)
        if response.status_code in TRANSIENT_STATUSES or response.status_code in (401, 403, 429):
            # A load balancer's own page: the status tells enough.
            raise gateway_error(response.status_code, {})
        raise AnswerError(
            f"{response.status_code} from {self.url.api} is not the answer of a Hokusai "
            "gateway. Is the URL right?"
        )

    def _session_of_process(self) -> requests.Session:
        # A forked child must not write into its parent's connections.
        if self._session is None or self._pid != os.getpid():
            session = requests.Session()
            session.headers["User-Agent"] = f"hokusai-python/{__version__}"
            # A gateway sets no cookie; one that a proxy sets would tell callers apart.
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._session, self._pid = session, os.getpid()
        return self._session


class _RetryBudget:
    """What one request has used of the time that it may take."""

    def __init__(
        self, retry_seconds: float, wait_seconds: float, rate_limiter: RateLimiter
    ) -> None:
        self._rate_limiter = rate_limiter
        self._begun = rate_limiter.clock()
        self._retry_seconds = retry_seconds
        self._wait_left = wait_seconds
        self._faults = 0
        self._renewed = False

    def again(self, after: float | None = None, error: GatewayError | None = None) -> bool:
        """After a fault: wait, longer each time; False when the time is up."""
        pause = min(MAX_BACKOFF_SECONDS, INITIAL_BACKOFF_SECONDS * 2**self._faults)
        # Those who failed together should not come back together.
        pause = max(after or 0.0, pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        if self._rate_limiter.clock() + pause - self._begun > self._retry_seconds:
            return False
        self._faults += 1
        report_wait(pause, "the gateway is not reachable" if error is None else str(error))
        log.debug("Attempt %d failed; the next one in %.1f seconds.", self._faults, pause)
        self._rate_limiter.sleep(pause)
        return True

    def wait(self, after: float | None, why: str) -> bool:
        """For one's turn; False when that would take too long."""
        # At least a second, so that an answer of 0 seconds does not make a busy loop.
        pause = max(after or 0.0, 1.0)
        if pause > self._wait_left:
            return False
        self._wait_left -= pause
        report_wait(pause, why)
        self._rate_limiter.sleep(pause)
        return True

    def first_renewal(self) -> bool:
        renewed, self._renewed = self._renewed, True
        return not renewed


def derived_key(path: str, body: Mapping[str, Any]) -> str:
    """An idempotency key that the same request always has, also in another process."""
    digest = hashlib.sha256(path.encode() + b"\0" + encode_json(body)).hexdigest()
    return f"sdk-{digest[:48]}"


def _retry_after(response: requests.Response) -> float | None:
    found = response.headers.get("Retry-After", "")
    if found.isascii() and found.isdigit():
        return float(found)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(found).timestamp() - time.time())
    except (TypeError, ValueError, IndexError):
        return None


def _cause(error: Exception) -> str:
    # The whole text of requests' errors has the URL and objects' addresses in it.
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not trusted"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "it cannot be connected to in time"
    if isinstance(error, requests.Timeout):
        return "it fell silent"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy failed"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed"
    return type(error).__name__


def _warn_of_plain_http(url: GatewayURL) -> None:
    parts = urlsplit(url.origin)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        warnings.warn(
            f"The credential goes over plain HTTP to {parts.hostname}: whoever is on the way can "
            "read it. Use https://.",
            InsecureConnectionWarning,
            stacklevel=3,
        )


__all__ = ["GatewayClient", "derived_key"]
