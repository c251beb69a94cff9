"""The MLflow plugin that sends the SDK's credential (`MLFLOW_TRACKING_AUTH=hokusai`).

MLflow finds the provider by the entry point `mlflow.request_auth_provider`, and passes its result
to `requests` as authentication. That runs after MLflow has set its own headers, so it replaces what
`MLFLOW_TRACKING_TOKEN` put there. A request carries one credential, and only to its own gateway.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from hokusai import batched_logging
from hokusai.authorization import REJECTED_TOKEN_REASONS
from hokusai.client import GatewayClient
from hokusai.credentials import resolve_credential
from hokusai.errors import ConfigurationError
from hokusai.gateway_url import GatewayURL, origin_of

NAME = "hokusai"


class HokusaiRequestAuthProvider:
    """The class that MLflow loads (see `mlflow.tracking.request_auth`)."""

    def get_name(self) -> str:
        """Return the value of `MLFLOW_TRACKING_AUTH` that selects this provider."""
        return NAME

    def get_auth(self) -> AuthBase:
        """Return the authentication for one request."""
        return RequestAuth()


class _ActiveClients:
    """For each gateway, the client whose credential MLflow's requests carry: the newest one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, GatewayClient] = {}

    def set(self, client: GatewayClient) -> None:
        with self._lock:
            self._clients[client.url.tracking] = client

    def for_url(self, url: str) -> GatewayClient | None:
        """The client for a request to this URL, or None where it is not sent to a gateway."""
        with self._lock:
            for tracking, client in self._clients.items():
                if _is_below(url, tracking):
                    return client
            gateway = _configured_gateway()
            if gateway is None or not _is_below(url, gateway.tracking):
                return None
            # No registry was made in this process, such as a child process of a training run: use
            # the credential in the environment.
            client = GatewayClient(gateway, resolve_credential(gateway.origin))
            self._clients[gateway.tracking] = client
            return client


def _is_below(url: str, tracking: str) -> bool:
    return origin_of(url) == origin_of(tracking) and url.startswith(tracking + "/")


def _configured_gateway() -> GatewayURL | None:
    import mlflow

    for url in (mlflow.get_tracking_uri(), os.environ.get("HOKUSAI_URL")):
        with contextlib.suppress(ConfigurationError):
            return GatewayURL.parse(url or "")
    return None


active = _ActiveClients()


class RequestAuth(AuthBase):
    """Authenticates one request of MLflow to the gateway, and keeps within the rate limit."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        client = active.for_url(request.url or "")
        if client is None:
            return request
        if _reads(request):
            batched_logging.flush()
        # Without a credential of the SDK, a token that MLflow found in the environment is kept.
        if client.authorizer is None and "Authorization" in request.headers:
            return request
        authorizer = client.require_authorizer()
        client.rate_limiter.acquire()
        request.headers["Authorization"] = authorizer.header()
        request.register_hook("response", _ResponseHook(client, request))
        return request


def _reads(request: requests.PreparedRequest) -> bool:
    """Whether a request to MLflow reads what may have been logged just before."""
    path = urlsplit(request.url or "").path
    return request.method == "GET" or (request.method == "POST" and path.endswith("/search"))


class _ResponseHook:
    """Reads the rate limit of a response, and repeats the request once if its token expired."""

    def __init__(self, client: GatewayClient, request: requests.PreparedRequest) -> None:
        self._client = client
        self._repeated = False
        # Where the body begins, to send it again: MLflow uploads files as open files.
        tell = getattr(request.body, "tell", None)
        self._body_start = tell() if callable(tell) else None

    def __call__(
        self, response: requests.Response, *_: Any, **kwargs: Any
    ) -> requests.Response | None:
        if response.status_code != 401:
            self._client.rate_limiter.update(response.headers)
            return None
        if self._repeated or _reason(response) not in REJECTED_TOKEN_REASONS:
            return None
        request = response.request
        authorizer = self._client.require_authorizer()
        if not authorizer.invalidate(request.headers.get("Authorization", "")):
            return None
        body: Any = request.body
        if self._body_start is not None:
            body.seek(self._body_start)
        elif body is not None and not isinstance(body, (str, bytes)):
            return None  # a stream that has been read cannot be sent again
        self._repeated = True
        response.close()
        repetition = request.copy()
        repetition.headers["Authorization"] = authorizer.header()
        repeated: requests.Response = response.connection.send(repetition, **kwargs)
        repeated.history.append(response)
        repeated.request = repetition
        self._client.rate_limiter.update(repeated.headers)
        return repeated


def _reason(response: requests.Response) -> str | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return document.get("reason") if isinstance(document, dict) else None


def activate(client: GatewayClient) -> None:
    """Give MLflow's requests to the client's gateway the client's credential from now on.

    Sets `MLFLOW_TRACKING_AUTH` in the environment of this process.
    """
    active.set(client)
    os.environ["MLFLOW_TRACKING_AUTH"] = NAME


__all__ = ["HokusaiRequestAuthProvider", "RequestAuth", "activate"]
