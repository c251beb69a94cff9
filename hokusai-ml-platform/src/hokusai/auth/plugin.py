"""Makes the MLflow client authenticate as the SDK does (`MLFLOW_TRACKING_AUTH=hokusai`).

MLflow finds the provider by the entry point `mlflow.request_auth_provider` and asks it for a
`requests` authentication, which sees each request after MLflow has set its own headers. So it takes
the place of what `MLFLOW_TRACKING_TOKEN` put there: never two credentials, and never one for
another host than the gateway's.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import requests
from requests.auth import AuthBase

from hokusai.authorization import REJECTED_TOKEN_REASONS
from hokusai.client import GatewayClient
from hokusai.credentials import resolve_credential
from hokusai.errors import ConfigurationError, CredentialError
from hokusai.gateway_url import GatewayURL, origin_of

NAME = "hokusai"


class HokusaiRequestAuthProvider:
    """What MLflow looks up by name (mlflow.tracking.request_auth)."""

    def get_name(self) -> str:
        return NAME

    def get_auth(self) -> AuthBase:
        return RequestAuth()


class _ActiveClients:
    """The client whose credential MLflow's requests to its gateway have: the last one activated."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, GatewayClient] = {}

    def set(self, client: GatewayClient) -> None:
        with self._lock:
            self._clients[client.url.tracking] = client

    def for_url(self, url: str) -> GatewayClient | None:
        """For the URL of a request; None where it goes to no gateway that we know."""
        with self._lock:
            for tracking, client in self._clients.items():
                if _is_below(url, tracking):
                    return client
            address = _configured_url()
            if address is None or not _is_below(url, address.tracking):
                return None
            # Nobody made a registry, as in a child process: what the environment has.
            found = GatewayClient(address, resolve_credential(address.origin))
            self._clients[address.tracking] = found
            return found


def _is_below(url: str, tracking: str) -> bool:
    return origin_of(url) == origin_of(tracking) and url.startswith(tracking + "/")


def _configured_url() -> GatewayURL | None:
    import mlflow

    for url in (mlflow.get_tracking_uri(), os.environ.get("HOKUSAI_URL")):
        with contextlib.suppress(ConfigurationError):
            return GatewayURL.parse(url or "")
    return None


active = _ActiveClients()


class RequestAuth(AuthBase):
    """Authenticates one request of MLflow's to the gateway, and keeps to the rate limit."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        client = active.for_url(request.url or "")
        if client is None:
            return request
        if client.authorizer is None:
            # What MLFLOW_TRACKING_TOKEN had put there may be meant for it, if it came later.
            if "Authorization" in request.headers:
                return request
            raise CredentialError(
                f"There is no credential for {client.url.origin} in this process. Set "
                "HOKUSAI_API_KEY or HOKUSAI_PRIVATE_KEY."
            )
        client.rate_limiter.acquire()
        request.headers["Authorization"] = client.authorizer.header()
        request.register_hook("response", _ResponseHook(client, request))
        return request


class _ResponseHook:
    """Looks at the answer: notes the limit, and repeats once with a new token if that helps."""

    def __init__(self, client: GatewayClient, request: requests.PreparedRequest) -> None:
        self._client = client
        self._repeated = False
        # Where the body begins, to send it again: MLflow uploads files as open files.
        tell = getattr(request.body, "tell", None)
        self._start = tell() if callable(tell) else None

    def __call__(
        self, response: requests.Response, *_: Any, **kwargs: Any
    ) -> requests.Response | None:
        if response.status_code != 401:
            self._client.rate_limiter.update(response.headers)
            return None
        if self._repeated or _reason(response) not in REJECTED_TOKEN_REASONS:
            return None
        request = response.request
        authorizer = self._client.authorizer
        used = request.headers.get("Authorization", "")
        if authorizer is None or not authorizer.invalidate(used):
            return None
        body: Any = request.body
        if self._start is not None:
            body.seek(self._start)
        elif body is not None and not isinstance(body, (str, bytes)):
            return None  # it was read, and cannot be read again
        self._repeated = True
        response.close()
        again = request.copy()
        again.headers["Authorization"] = authorizer.header()
        repeated: requests.Response = response.connection.send(again, **kwargs)
        repeated.history.append(response)
        repeated.request = again
        self._client.rate_limiter.update(repeated.headers)
        return repeated


def _reason(response: requests.Response) -> str | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return document.get("reason") if isinstance(document, dict) else None


def activate(client: GatewayClient) -> None:
    """From now on MLflow's requests to the client's gateway have the client's credential."""
    active.set(client)
    os.environ["MLFLOW_TRACKING_AUTH"] = NAME


__all__ = ["HokusaiRequestAuthProvider", "RequestAuth", "activate"]
