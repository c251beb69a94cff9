"""MLflow's own errors, in the gateway's one shape."""

import json
from collections.abc import Sequence
from typing import Any

from app.core.errors import GatewayError, InvalidParameterError, MLflowRefusalError, UpstreamError

# What else of MLflow's answer a client can act on.
KEPT_HEADERS = frozenset({b"retry-after", b"allow", b"content-range"})
# For the errors of MLflow's FastAPI half, which carry `detail` instead of a code.
CODES = {
    400: "BAD_REQUEST",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    413: "BAD_REQUEST",
    416: "BAD_REQUEST",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}
# Behind these words MLflow repeats the statement it sent to its database, values included.
STATEMENT = "[SQL:"
MAX_MESSAGE = 4000
# What PostgreSQL's driver says of text that the database cannot keep, before it sends any of it.
NUL = "cannot contain NUL (0x00)"


def refusal(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> GatewayError:
    """The error for an answer of MLflow's with a status of 400 or more.

    body: what came of it, up to a bound; it need not be whole, or JSON. Status, code and message
    are MLflow's own. What is no refusal of this request, but a fault between MLflow and the
    gateway, is an UpstreamError: a failed login of the gateway's, a page of HTML, a bare 5xx. Text
    with NUL is the caller's mistake, which MLflow tells as a failure of its own.
    """
    document = _document(body)
    code, message = document.get("error_code"), document.get("message")
    detail = document.get("detail")
    if status == 401:
        return UpstreamError(
            "MLflow does not accept the gateway's own login. Its operator has to set "
            "HOKUSAI_MLFLOW_AUTHORIZATION."
        )
    if isinstance(code, str) and isinstance(message, str):
        pass
    elif detail is not None:
        code = CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
        message = detail if isinstance(detail, str) else json.dumps(detail)
    elif status < 500 and status != 403:
        code, message = CODES.get(status, "BAD_REQUEST"), f"MLflow answered {status}."
    else:
        return UpstreamError(
            f"MLflow failed with {status} and did not say why. Try again; if it goes on, tell the "
            "operator the request id."
        )
    if status == 500 and NUL in message:
        return InvalidParameterError("Text in the request holds a NUL (\\u0000).")
    message = message.partition(STATEMENT)[0].strip()[:MAX_MESSAGE]
    kept = [(name, value) for name, value in headers if name in KEPT_HEADERS]
    return MLflowRefusalError(status, code, message, headers=kept)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
