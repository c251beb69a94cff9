import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data_plane.upstream.request import METHODS, UpstreamRequest, encode_head

ANYTHING = st.binary(max_size=30) | st.text(max_size=20).map(str.encode)


class _Head:
    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.heads = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.heads += 1


def parse(data: bytes) -> tuple[_Head, bytes]:
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    parser.feed_data(data)
    return head, parser.get_method()


@pytest.mark.parametrize(
    ("request_", "framing"),
    [
        (UpstreamRequest(b"GET", b"/", []), []),
        (UpstreamRequest(b"POST", b"/", []), [(b"content-length", b"0")]),
        (UpstreamRequest(b"POST", b"/", [], b""), [(b"content-length", b"0")]),
        (UpstreamRequest(b"GET", b"/", [], b"{}"), [(b"content-length", b"2")]),
        (UpstreamRequest(b"PUT", b"/", [], None, 7), [(b"content-length", b"7")]),
        (UpstreamRequest(b"PUT", b"/", [], None, None, True), [(b"transfer-encoding", b"chunked")]),
    ],
)
def test_the_framing_follows_the_body(
    request_: UpstreamRequest, framing: list[tuple[bytes, bytes]]
) -> None:
    head, method = parse(encode_head(request_, b"mlflow:5000"))
    assert (method, head.url) == (request_.method, b"/")
    assert head.headers == [(b"host", b"mlflow:5000"), *framing]


def test_the_target_keeps_its_bytes_below_the_prefix() -> None:
    target = b"/a/../b%2Fc/%252e?x=%20&y=a'b\"{}"
    head = encode_head(UpstreamRequest(b"GET", target, []), b"h", b"/mlflow")
    assert head.startswith(b"GET /mlflow" + target + b" HTTP/1.1\r\n")


@given(
    method=st.sampled_from(sorted(METHODS)) | ANYTHING,
    target=ANYTHING.map(lambda tail: b"/" + tail) | ANYTHING,
    headers=st.lists(st.tuples(st.sampled_from([b"accept", b"x-a"]) | ANYTHING, ANYTHING)),
)
def test_no_value_breaks_out_of_its_line(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    try:
        data = encode_head(UpstreamRequest(method, target, headers), b"host")
    except ValueError:
        return
    assert method in METHODS
    lines = data.split(b"\r\n")
    assert lines[0] == b"%b %b HTTP/1.1" % (method, target)
    assert b" " not in target
    assert lines[1] == b"host: host"
    assert lines[2 : 2 + len(headers)] == [b"%b: %b" % item for item in headers]
    assert lines[-2:] == [b"", b""]
    assert b"\n" not in data.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "request_",
    [
        UpstreamRequest(b"GET", b"/", [(b"accept", b"a\r\nhost: b")]),
        UpstreamRequest(b"GET", b"/", [(b"accept", b"a\nb: c")]),
        UpstreamRequest(b"GET", b"/", [(b"accept", b"a\rb")]),
        UpstreamRequest(b"GET", b"/", [(b"accept", b"a\0b")]),
        UpstreamRequest(b"GET", b"/", [(b"accept\r\nx", b"a")]),
        UpstreamRequest(b"GET", b"/", [(b"Accept", b"a")]),
        UpstreamRequest(b"GET", b"/", [(b"accept ", b"a")]),
        UpstreamRequest(b"GET", b"/", [(b"", b"a")]),
        UpstreamRequest(b"GET", b"/", [(b"host", b"other")]),
        UpstreamRequest(b"GET", b"/", [(b"content-length", b"1")]),
        UpstreamRequest(b"GET", b"/", [(b"transfer-encoding", b"chunked")]),
        UpstreamRequest(b"GET", b"/", [(b"connection", b"close")]),
        UpstreamRequest(b"GET", b"/a b", []),
        UpstreamRequest(b"GET", b"/ HTTP/1.1\r\nx: y\r\n\r\n", []),
        UpstreamRequest(b"GET", b"http://elsewhere/", []),
        UpstreamRequest(b"GET", b"", []),
        UpstreamRequest(b"GET", b"/\xc3\xa9", []),
        UpstreamRequest(b"GET", b"/a#b", []),
        UpstreamRequest(b"CONNECT", b"/", []),
        UpstreamRequest(b"get", b"/", []),
        UpstreamRequest(b"PUT", b"/", [], b"x", 1),
        UpstreamRequest(b"PUT", b"/", [], b"x", None, True),
        UpstreamRequest(b"PUT", b"/", [], None, 1, True),
        UpstreamRequest(b"PUT", b"/", [], None, -1),
    ],
)
def test_a_head_that_could_be_two_requests_is_refused(request_: UpstreamRequest) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_head(request_, b"host")
