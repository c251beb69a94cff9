"""Reading MLflow's responses: its error codes, its JSON objects, its refusals."""

from typing import Any

import httpx

from app.core.errors import MLflowRefusalError, UpstreamCredentialError, UpstreamError
from app.mlflow.faults import known_fault, without_driver_error

ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
# MLflow sends the second code for an id that cannot exist.
MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
# These statuses are about the gateway's own credential (401, 403) or the present load (408, 429),
# and not about the request.
_NO_DECISION = frozenset({401, 403, 408, 429})


def error_code(response: httpx.Response) -> str | None:
    """The `error_code` of an MLflow error; None for a success or a body without one."""
    if response.is_success:
        return None
    try:
        return str(response.json().get("error_code"))
    except (ValueError, AttributeError):
        return None


def is_missing(response: httpx.Response) -> bool:
    """Whether MLflow says that the requested resource does not exist."""
    return error_code(response) in MISSING


def require_success(response: httpx.Response) -> None:
    """Raise UpstreamError unless the response is a success."""
    path = response.request.url.path
    if not response.is_success:
        known = known_fault(response.status_code, response.text)
        if known is not None:
            raise known
        if response.status_code == httpx.codes.FORBIDDEN:
            raise UpstreamCredentialError(f"MLflow does not allow the gateway to use {path}.")
        raise UpstreamError(
            f"MLflow responded with {response.status_code} to {path}. Try again; if it goes on, "
            "tell the operator the request id."
        )


def json_object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a successful response. Raises UpstreamError for any other response."""
    require_success(response)
    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UpstreamError(
            f"MLflow's response to {response.request.url.path} is not a JSON object."
        )
    return document


def accepted_object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a write that MLflow carried out.

    Raises MLflowRefusalError where MLflow decided against the write (an MLflow error with a 4xx
    status). Any other failure is an UpstreamError and leaves open whether it was carried out.
    """
    code = error_code(response)
    is_client_error = 400 <= response.status_code < 500
    if code is not None and is_client_error and response.status_code not in _NO_DECISION:
        message = without_driver_error(
            response.status_code, str(response.json().get("message", ""))
        )
        raise MLflowRefusalError(response.status_code, code, message)
    return json_object(response)
