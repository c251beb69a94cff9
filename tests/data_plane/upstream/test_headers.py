import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data_plane.upstream.headers import (
    HOP_BY_HOP,
    REQUEST_HEADERS,
    request_headers,
    response_headers,
    without_caching,
)

NAMES = st.sampled_from(
    sorted(
        REQUEST_HEADERS
        | HOP_BY_HOP
        | {b"authorization", b"cookie", b"x-mlflow-workspace", b"x-api-key", b"host", b"expect"}
    )
) | st.from_regex(rb"\A[a-z0-9-]{1,20}\Z")
RESPONSE_NAMES = NAMES | st.sampled_from([b"set-cookie", b"server", b"content-length", b"etag"])
VALUES = st.binary(max_size=20)
# The names in a Connection header, in any case and spacing.
CONNECTIONS = st.lists(RESPONSE_NAMES, max_size=4).map(b" ,\t".join).map(bytes.title)


@given(st.dictionaries(NAMES, VALUES), st.none() | CONNECTIONS)
def test_only_the_allow_list_goes_upstream(
    headers: dict[bytes, bytes], connection: bytes | None
) -> None:
    if connection is not None:
        headers[b"connection"] = connection
    nominated = {name.strip().lower() for name in headers.get(b"connection", b"").split(b",")}
    expected = {
        name: value
        for name, value in headers.items()
        if name in REQUEST_HEADERS and name not in nominated
    }
    assert dict(request_headers(headers)) == expected


@pytest.mark.parametrize(
    "name",
    [
        b"authorization",
        b"x-api-key",
        b"x-eth-signature",
        b"cookie",
        b"origin",
        b"host",
        b"expect",
        b"content-length",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"forwarded",
        b"x-mlflow-workspace",
        b"x-mlflow-authorization",
        b"x-mlflow-guardrail-bypass",
        b"baggage",
    ],
)
def test_headers_that_identify_or_frame_are_not_forwarded(name: bytes) -> None:
    assert request_headers({name: b"x", b"accept": b"*/*"}) == [(b"accept", b"*/*")]


def test_an_allowed_header_that_connection_names_is_removed() -> None:
    headers = {b"connection": b"keep-alive, Range ,close", b"range": b"bytes=0-1", b"accept": b"a"}
    assert request_headers(headers) == [(b"accept", b"a")]


@given(st.lists(st.tuples(RESPONSE_NAMES, VALUES), max_size=12), st.lists(CONNECTIONS, max_size=2))
def test_responses_lose_hop_by_hop_headers_and_no_others(
    raw: list[tuple[bytes, bytes]], connections: list[bytes]
) -> None:
    raw = raw + [(b"connection", value) for value in connections]
    nominated = {
        token.strip().lower()
        for name, value in raw
        if name == b"connection"
        for token in value.split(b",")
    }
    dropped = HOP_BY_HOP | nominated | {b"set-cookie", b"set-cookie2", b"server", b"alt-svc"}
    assert response_headers(raw) == [item for item in raw if item[0] not in dropped]


def test_repeated_headers_keep_their_order() -> None:
    raw = [(b"link", b"1"), (b"etag", b"x"), (b"link", b"2"), (b"content-length", b"3")]
    assert response_headers(raw) == raw


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], [b"no-store"]),
        ([b"no-cache"], [b"no-store"]),
        ([b"public", b"max-age=60"], [b"no-store"]),
        ([b"private, no-store"], [b"private, no-store"]),
        ([b"no-store", b"max-age=0"], [b"no-store", b"max-age=0"]),
    ],
)
def test_no_response_may_be_stored(given: list[bytes], expected: list[bytes]) -> None:
    headers = [(b"etag", b"x"), *((b"cache-control", value) for value in given)]
    kept = without_caching(headers)
    assert [value for name, value in kept if name == b"cache-control"] == expected
    assert (b"etag", b"x") in kept


def test_filtering_does_not_change_its_arguments() -> None:
    headers = {b"connection": b"accept", b"accept": b"a", b"cookie": b"c"}
    raw = [(b"connection", b"etag"), (b"etag", b"e"), (b"server", b"s")]
    request_headers(headers)
    response_headers(raw)
    assert headers == {b"connection": b"accept", b"accept": b"a", b"cookie": b"c"}
    assert raw == [(b"connection", b"etag"), (b"etag", b"e"), (b"server", b"s")]
