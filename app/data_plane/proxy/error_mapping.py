"""MLflow's error responses as errors of the gateway."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.core.errors import GatewayError, InvalidParameterError, MLflowRefusalError, UpstreamError
from app.mlflow.faults import full_disk, known_fault, without_driver_error

# Headers of MLflow's response that a client can act on.
KEPT_HEADERS = frozenset({b"retry-after", b"allow", b"content-range"})
# Error codes by status, for MLflow's FastAPI routes, whose errors have a `detail` and no code.
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
# After this text MLflow's message repeats a statement sent to its database, with its values.
STATEMENT = "[SQL:"
# Characters of MLflow's message that are kept.
MAX_MESSAGE = 4000
# In MLflow's error for files whose address its server cannot resolve, before the address of its
# database.
UNRESOLVED = "When an mlflow-artifacts URI was supplied, the tracking URI must be"
# In the error of PostgreSQL's driver for text that the database cannot store.
NUL = "cannot contain NUL (0x00)"
# Python's errors for a text of the request that should be a number.
NO_NUMBER = re.compile(
    r"invalid literal for int\(\) with base 10: |could not convert string to float: "
)


def map_error(
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    *,
    artifacts: Path | None = None,
) -> GatewayError:
    """The error for a response of MLflow with a status of 400 or more.

    headers: with lower-case names. body: its first bytes; they need not be complete, or JSON.
    artifacts: a directory on the disk of MLflow's files, if that is one of this machine.

    An MLflowRefusalError has MLflow's own status, code and message. An UpstreamError stands for a
    fault of MLflow or of what it needs: a full disk, a refusal of the gateway's own credential or
    Host header, a page of HTML, a 5xx without a message.

    What MLflow reports as an internal error although its caller caused it is the caller's, so that
    no client sends it again: text with NUL, a text where a number is needed, and files at a source
    that MLflow's server does not resolve.
    """
    document = _document(body)
    code, message = document.get("error_code"), document.get("message")
    detail = document.get("detail")
    known = known_fault(status, body.decode(errors="replace"))
    if known is not None:
        return known
    if isinstance(code, str) and isinstance(message, str):
        pass
    elif detail is not None:
        code = CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
        message = detail if isinstance(detail, str) else json.dumps(detail)
    elif status < 500 and status != 403:
        code, message = CODES.get(status, "BAD_REQUEST"), f"MLflow responded with {status}."
    elif (full := full_disk(status, artifacts)) is not None:
        return full
    else:
        return UpstreamError(
            f"MLflow responded with {status} and without a message. Try again; if the error "
            "persists, tell the gateway's operator the request id."
        )
    if status == 500 and NUL in message:
        return InvalidParameterError("Text in the request contains a NUL (\\u0000).")
    if status == 500 and NO_NUMBER.match(message):
        return InvalidParameterError(f"A value in the request is not a number: {message}.")
    if status == 500 and message.startswith(UNRESOLVED):
        return MLflowRefusalError(
            404,
            "RESOURCE_DOES_NOT_EXIST",
            "MLflow's server cannot find these files by their source. Only MLflow's client "
            "resolves runs:/…: read them with it, or create the version with the URI of the run's "
            "artifacts as its source, as mlflow.register_model does.",
        )
    message = without_driver_error(status, message.partition(STATEMENT)[0].strip())[:MAX_MESSAGE]
    kept = [(name, value) for name, value in headers if name in KEPT_HEADERS]
    return MLflowRefusalError(status, code, message, headers=kept)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
