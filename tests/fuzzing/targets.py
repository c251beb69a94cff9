"""The targets of the fuzzers: each accepts any bytes, and raises only for a defect."""

from collections.abc import Callable
from datetime import UTC, datetime

from app.access.identity import credentials, siwe
from app.access.identity.credentials import ADDRESS_HEADER, MESSAGE_HEADER, SIGNATURE_HEADER
from app.core import strict_json
from app.core.errors import GatewayError
from app.data_plane.proxy.otlp import checked_spans, spans_type
from app.data_plane.proxy.path_policy import upstream_target

NOW = datetime(2026, 1, 31, tzinfo=UTC)
NAMES = [b"authorization", b"x-api-key", ADDRESS_HEADER, MESSAGE_HEADER, SIGNATURE_HEADER]


def _path(data: bytes) -> None:
    raw_path, _, query = data.partition(b"?")
    path, target = upstream_target(raw_path, query)
    assert path.startswith("/")
    assert target.startswith(b"/")
    assert ".." not in path.split("/")
    assert not any(byte <= 0x20 or byte == 0x7F for byte in target)


def _credentials(data: bytes) -> None:
    """The lines are values of the headers that the first byte's bits choose."""
    chosen = [name for bit, name in enumerate(NAMES) if data[:1] and data[0] >> bit & 1]
    credentials.parse(dict(zip(chosen, data[1:].split(b"\n"), strict=False)))


def _siwe(data: bytes) -> None:
    message = siwe.parse(data.decode("utf-8", "surrogateescape"))
    assert siwe.parse(message.text()).text() == message.text()
    siwe.validate(message, hosts={"example.org"}, now=NOW, max_age=300, clock_skew=60)


def _json(data: bytes) -> None:
    strict_json.parse(data)


def _otlp(data: bytes) -> None:
    media_type, _, rest = data.partition(b"\n")
    encoding, _, body = rest.partition(b"\n")
    checked_spans(body, spans_type(media_type), encoding or None)


def _refusing(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        try:
            read(data)
        except GatewayError as error:
            if error.status >= 500:
                raise
            error.body("id")

    return target


TARGETS = {
    "path": _refusing(_path),
    "credentials": _refusing(_credentials),
    "siwe": _refusing(_siwe),
    "json": _refusing(_json),
    "otlp": _refusing(_otlp),
}
