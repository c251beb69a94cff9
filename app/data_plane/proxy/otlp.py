"""Spans in OTLP (OpenTelemetry's protocol over HTTP, protobuf or JSON), checked for MLflow."""

import zlib
from collections.abc import Iterator

from app.core.errors import BodyTooLargeError, InvalidParameterError
from app.data_plane.proxy.body_policy import MAX_INSPECTED, RESERVED_TAGS
from app.data_plane.proxy.json_fields import parse

# Bytes of the spans of one request, unpacked: some hundred times an exporter's usual batch.
MAX_SPANS = 8 * 1024 * 1024
JSON = b"application/json"
PROTOBUF = b"application/x-protobuf"
# A span sets tags of its trace by attributes with this prefix.
TAG_PREFIX = "mlflow.traceTag."
_RESERVED = [(TAG_PREFIX + tag).encode() for tag in RESERVED_TAGS]


def spans_type(content_type: bytes) -> bytes:
    """The media type of a Content-Type: JSON or PROTOBUF. It replaces the client's header.

    MLflow strips more than white space from the header, and could otherwise read as JSON what was
    checked as protobuf. Raises InvalidParameterError for any other type.
    """
    media_type = content_type.partition(b";")[0].strip(b" \t").lower()
    if media_type not in (JSON, PROTOBUF):
        raise InvalidParameterError(
            "Content-Type must be application/x-protobuf or application/json."
        )
    return media_type


def checked_spans(body: bytes, media_type: bytes, encoding: bytes | None) -> bytes:
    """The spans to forward, unpacked, without a Content-Encoding.

    media_type: the result of `spans_type`. encoding: the value of Content-Encoding.

    Raises InvalidParameterError for spans that set one of the RESERVED_TAGS or cannot be unpacked,
    and BodyTooLargeError.
    """
    if encoding is not None:
        body = _unpacked(body, encoding.strip().lower())
    # In protobuf the bytes of a name appear unchanged; in JSON it may be written with escapes.
    texts = [body]
    if media_type == JSON:
        if len(body) > MAX_INSPECTED:
            raise BodyTooLargeError(
                f"Spans in JSON may have at most {MAX_INSPECTED} bytes; protobuf may have more."
            )
        texts.extend(name.encode() for name in _strings(parse(body)))
    if any(tag in text for tag in _RESERVED for text in texts):
        raise InvalidParameterError(
            "A span sets a tag of its trace that is reserved for the server."
        )
    return body


def _unpacked(body: bytes, encoding: bytes) -> bytes:
    windows = {b"gzip": [31], b"deflate": [15, -15]}.get(encoding)
    if windows is None:
        raise InvalidParameterError("The Content-Encoding of spans must be gzip or deflate.")
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
    raise InvalidParameterError(
        f"The body is not valid {encoding.decode()}, although its Content-Encoding says so."
    )


def _strings(node: object) -> Iterator[str]:
    """All string values in a JSON document. In OTLP the names of attributes are values too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)
