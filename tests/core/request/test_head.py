"""The request line and head that the layers behind the edge read."""

from app.core.request.head import EMPTY_HEAD, RequestHead, RequestLine


def test_a_request_line_is_read_from_an_asgi_scope() -> None:
    scope = {"method": "GET", "raw_path": b"/a%20b", "query_string": b"c=d", "path": "/a b"}
    assert RequestLine.of(scope) == ("GET", b"/a%20b", b"c=d")


def test_the_length_is_the_content_length_or_0() -> None:
    assert RequestHead([], {b"content-length": b"42"}, "").length == 42
    assert RequestHead([], {}, "").length == EMPTY_HEAD.length == 0


def test_nothing_is_derived_from_a_new_head_yet() -> None:
    head = RequestHead([(b"a", b"1")], {b"a": b"1"}, "192.0.2.1")
    assert (head.key_digest, head.outbound) == (None, None)
