"""OpenTelemetry's spans on their way to MLflow (OTLP over HTTP, protobuf or JSON)."""

import zlib
from collections.abc import Iterator

from app.core.errors import BodyTooLargeError, InvalidParameterError
from app.data_plane.proxy.body_policy import MAX_INSPECTED, RESERVED_TAGS
from app.data_plane.proxy.json_fields import parse

# What is taken of spans at once, unpacked: some hundred times an exporter's usual batch.
MAX_SPANS = 8 * 1024 * 1024
JSON = b"application/json"
PROTOBUF = b"application/x-protobuf"
# By attributes of this name a span sets tags of its trace.
TAG_PREFIX = "mlflow.traceTag."
_RESERVED = [(TAG_PREFIX + tag).encode() for tag in RESERVED_TAGS]


def spans_type(content_type: bytes) -> bytes:
    """Which of the two types a Content-Type names; that one goes upstream, not the client's text.

    MLflow strips more from it than white space, and would read as JSON what was checked as
    protobuf. Raises InvalidParameterError for any other type.
    """
    media_type = content_type.partition(b";")[0].strip(b" \t").lower()
    if media_type not in (JSON, PROTOBUF):
        raise InvalidParameterError(
            "Spans come as `Content-Type: application/x-protobuf` or `application/json`."
        )
    return media_type


def checked_spans(body: bytes, media_type: bytes, encoding: bytes | None) -> bytes:
    """The spans, unpacked, to send upstream without a Content-Encoding.

    media_type: of `spans_type`. Raises InvalidParameterError for spans that set one of the tags by
    which MLflow finds a trace's files, or that cannot be unpacked; BodyTooLargeError.
    """
    if encoding is not None:
        body = _unpacked(body, encoding.strip().lower())
    # In protobuf a name is its own bytes; in JSON it can hide behind escapes.
    texts = [body]
    if media_type == JSON:
        if len(body) > MAX_INSPECTED:
            raise BodyTooLargeError(
                f"Spans in JSON may have at most {MAX_INSPECTED} bytes; protobuf may have more."
            )
        texts.extend(name.encode() for name in _strings(parse(body)))
    if any(tag in text for tag in _RESERVED for text in texts):
        raise InvalidParameterError("A span sets a tag of its trace that is the server's own.")
    return body


def _unpacked(body: bytes, encoding: bytes) -> bytes:
    windows = {b"gzip": [31], b"deflate": [15, -15]}.get(encoding)
    if windows is None:
        raise InvalidParameterError("Content-Encoding of spans must be gzip or deflate.")
    for bits in windows:
        unpacker = zlib.decompressobj(bits)
        try:
            unpacked = unpacker.decompress(body, MAX_SPANS + 1)
        except zlib.error:
            continue
        if len(unpacked) > MAX_SPANS:
            raise BodyTooLargeError(f"Spans may have at most {MAX_SPANS} bytes, unpacked.")
        if unpacker.eof and not unpacker.unused_data:
            return unpacked
    raise InvalidParameterError("The body is not what its Content-Encoding says.")


def _strings(node: object) -> Iterator[str]:
    """Every string in a JSON document, names of fields left out: attributes' names are values."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)
