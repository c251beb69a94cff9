"""The head of an answer of the upstream's (RFC 9112, sections 4 to 6)."""

from dataclasses import dataclass
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.core.errors import UpstreamProtocolError
from app.data_plane.upstream.headers import RawHeaders, header_lines, response_headers

# Of statuses whose answers have no body, whatever their headers say.
BODILESS = frozenset({204, 304})
# A server says nearly the same each time. Larger heads are read anew, so that what is remembered
# stays within 512 KiB.
_REMEMBERED = 256
_REMEMBERED_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What the head of an answer says.

    headers: everything that came, names in lower case. passed: those of them that go to the client,
    and `lines` the same on the wire; dated: whether they have a Date. length: the promised
    Content-Length in bytes. Without it, and not `chunked`, a body ends with the connection.
    keep: the connection may carry another request.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    passed: tuple[tuple[bytes, bytes], ...]
    lines: bytes
    dated: bool
    sized: bool
    length: int | None
    chunked: bool
    keep: bool


NOTHING = ResponseHead(
    0, (), (), b"", dated=False, sized=False, length=None, chunked=False, keep=False
)


def read_answer(head: bytes) -> ResponseHead:
    """The head of an answer, given with its empty line. Raises UpstreamProtocolError."""
    return _read(head) if len(head) > _REMEMBERED_BYTES else _remembered(head)


class _Reader:
    """Takes what httptools finds."""

    def __init__(self) -> None:
        self.headers: RawHeaders = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def _read(head: bytes) -> ResponseHead:
    reader = _Reader()
    parser = HttpResponseParser(reader)
    try:
        parser.feed_data(head)
    except (HttpParserError, HttpParserUpgrade) as error:
        raise UpstreamProtocolError("MLflow's answer is not HTTP/1.1.") from error
    status = parser.get_status_code()
    if not 100 <= status <= 599 or status == 101 or not head.startswith(b"HTTP/1."):
        raise UpstreamProtocolError("MLflow's answer has no status that HTTP/1.1 allows here.")
    length: int | None = None
    chunked = False
    keep = head.startswith(b"HTTP/1.1")
    for name, value in reader.headers:
        if name == b"content-length":
            if not value.isdigit() or length is not None:
                raise UpstreamProtocolError("MLflow's answer has a bad Content-Length.")
            length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or chunked:
                raise UpstreamProtocolError("MLflow's answer has an unknown Transfer-Encoding.")
            chunked = True
        elif name == b"connection" and b"close" in value.lower():
            keep = False
    if chunked and length is not None:
        raise UpstreamProtocolError("MLflow's answer has two framings.")
    passed = response_headers(reader.headers)
    if status in BODILESS:
        # The server in front counts the body against it, and there is none.
        passed = [item for item in passed if item[0] != b"content-length"]
    names = {name for name, _ in passed}
    return ResponseHead(
        status,
        tuple(reader.headers),
        tuple(passed),
        header_lines(passed),
        dated=b"date" in names,
        sized=b"content-length" in names,
        length=length,
        chunked=chunked,
        keep=keep,
    )


_remembered = lru_cache(_REMEMBERED)(_read)
