"""The path policy: which paths may be forwarded, and in what form.

The gateway decides on the decoded path, and forwards the undecoded bytes. MLflow decodes a path
once to find its route, and the name of an artifact until it no longer changes. If a path had
another meaning there than here, it would reach a route that the manifest does not allow. So any
path that can be read in two ways is refused.
"""

import re
from urllib.parse import unquote, unquote_to_bytes

from app.core.errors import MalformedRequestError

PREFIX = b"/api/mlflow"

# Paths that decoding does not change: most of the traffic.
_PLAIN = re.compile(rb"/api/mlflow((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)")
# The characters of RFC 3986, section 3.3, and brackets, which Python's requests does not encode;
# every percent sign begins an escape.
_WELL_FORMED = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(rb"[!\"$-~]*")
_ESCAPED_SLASH = re.compile(rb"%2[Ff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Routes that end in the name of an artifact; only they may contain an escaped slash or a ";".
_ARTIFACT = re.compile(
    rb"/(?:ajax-)?api/2\.0/mlflow-artifacts/(?:artifacts|presigned|mpu/(?:create|complete|abort))/"
)


def upstream_target(raw_path: bytes, query: bytes = b"") -> tuple[str, bytes]:
    """The decoded path, without /api/mlflow, and the target to send to MLflow.

    raw_path, query: the two parts of the request target, not decoded. The target differs from them
    only in that /api/mlflow is removed.

    Raises MalformedRequestError for a target that could be read in two ways: with dot segments,
    empty segments, backslashes, control characters, doubly encoded escapes, bytes that are not
    UTF-8, or escaped slashes and semicolons outside the name of an artifact.
    """
    if (plain := _PLAIN.fullmatch(raw_path)) is not None:
        raw = plain[1]
        path = raw.decode("ascii")
    else:
        raw = _without_prefix(raw_path)
        path = _decode(raw)
    return path, with_query(raw, query)


def with_query(path: bytes, query: bytes) -> bytes:
    """The target of a path and a query, which may be empty.

    Raises MalformedRequestError for a query with characters that must be percent-encoded.
    """
    if not query:
        return path
    if _QUERY.fullmatch(query) is None:
        raise MalformedRequestError("The query contains characters that must be percent-encoded.")
    return path + b"?" + query


def _without_prefix(raw_path: bytes) -> bytes:
    rest = raw_path[len(PREFIX) :]
    if not raw_path.startswith(PREFIX) or rest[:1] not in (b"", b"/"):
        raise MalformedRequestError(
            "The path must start with /api/mlflow, without percent-encoding."
        )
    return rest or b"/"


def _decode(raw: bytes) -> str:
    if _WELL_FORMED.fullmatch(raw) is None:
        raise MalformedRequestError(
            "The path contains characters that must be percent-encoded, or a percent sign without "
            "two hexadecimal digits."
        )
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequestError("The path is not valid UTF-8.") from None
    if unquote(path) != path:
        raise MalformedRequestError("The path is percent-encoded twice.")
    if "\\" in path or _CONTROL.search(path) is not None:
        raise MalformedRequestError("The path contains a backslash or a control character.")
    if "//" in path:
        raise MalformedRequestError("The path contains an empty segment (//).")
    # Servers that cut off parameters read "..;a" as a dot segment.
    if any(segment.partition(";")[0] in (".", "..") for segment in path.split("/")):
        raise MalformedRequestError("The path contains a dot segment (. or ..).")
    if _ARTIFACT.match(raw) is None and (_ESCAPED_SLASH.search(raw) or b";" in raw):
        raise MalformedRequestError(
            "Only the name of an artifact may contain an escaped slash or a semicolon."
        )
    return path
