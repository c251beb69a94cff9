"""The path policy: decide on the path that MLflow will see, forward the bytes that came.

MLflow decodes a path once to route it, and an artifact's name until it no longer changes. A path
that means one thing here and another there would pass for a route that it is not, so whatever
could be read in two ways is refused.
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from app.core.errors import MalformedRequestError

PREFIX = b"/api/mlflow"

# Paths in which decoding changes nothing: the bulk of the traffic.
_PLAIN = re.compile(rb"/api/mlflow((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)")
# The characters of RFC 3986, section 3.3, and the brackets that Python's requests leaves as they
# are; every percent sign starts an escape.
_WELL_FORMED = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(rb"[!\"$-~]*")
_ESCAPED_SLASH = re.compile(rb"%2[Ff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# The routes that end in an artifact's name; only there may a slash be escaped, or a ";" stand.
_ARTIFACT = re.compile(
    rb"/api/2\.0/mlflow-artifacts/(?:artifacts|presigned|mpu/(?:create|complete|abort))/"
)


def upstream_target(raw_path: bytes, query: bytes = b"") -> tuple[str, bytes]:
    """The decoded path to decide on, and the target to send to MLflow.

    raw_path and query are the request target's two parts as they came; the path starts with
    /api/mlflow, which is taken off both results. Nothing else is changed in the second one.
    Raises MalformedRequestError for a target that could be read in two ways: dot segments, empty
    segments, backslashes, control characters, doubly encoded escapes, what is not UTF-8, and
    escaped slashes and semicolons outside an artifact's name.
    """
    if (plain := _PLAIN.fullmatch(raw_path)) is not None:
        raw = plain[1]
        path = raw.decode("ascii")
    else:
        raw = _without_prefix(raw_path)
        path = _decode(raw)
    return path, with_query(raw, query)


def with_query(path: bytes, query: bytes) -> bytes:
    """A target of a path and a query, which may be empty. Raises MalformedRequestError."""
    if not query:
        return path
    if _QUERY.fullmatch(query) is None:
        raise MalformedRequestError("The query has bytes that must be percent-encoded.")
    return path + b"?" + query


def _without_prefix(raw_path: bytes) -> bytes:
    rest = raw_path[len(PREFIX) :]
    if not raw_path.startswith(PREFIX) or rest[:1] not in (b"", b"/"):
        raise MalformedRequestError("The path must start with /api/mlflow, spelled plainly.")
    return rest or b"/"


def _decode(raw: bytes) -> str:
    if _WELL_FORMED.fullmatch(raw) is None:
        raise MalformedRequestError(
            "The path has bytes that must be percent-encoded, or a percent sign that is not."
        )
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequestError("The path is not UTF-8.") from None
    if unquote(path) != path:
        raise MalformedRequestError("The path is percent-encoded twice.")
    if "\\" in path or _CONTROL.search(path) is not None:
        raise MalformedRequestError("The path has a backslash or a control character.")
    if "//" in path:
        raise MalformedRequestError("The path has an empty segment.")
    # A ";" hides a dot segment from servers that cut parameters off.
    if any(segment.partition(";")[0] in (".", "..") for segment in path.split("/")):
        raise MalformedRequestError("The path has a dot segment.")
    if _ARTIFACT.match(raw) is None and (_ESCAPED_SLASH.search(raw) or b";" in raw):
        raise MalformedRequestError(
            "An escaped slash or a semicolon may only stand in an artifact's name."
        )
    return path
