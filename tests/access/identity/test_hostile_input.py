"""Any text in a field, a query, a path or a header gets a response, and never a 5xx."""

import base64
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.gateway import RunningGateway

# Characters that often cause errors: NUL, controls, surrogates, noncharacters, direction marks,
# combining marks, digits of other scripts, and letters whose upper or lower case is longer.
ODD = (
    "\0\x01\x1f\x7f\x85\u2028\u202e\ud800\udfff\ufffe\U0010ffff\u0301\u0663İßﬀ\\'\"%;-/?#&=+ \n\r\t"
)
TEXTS = st.one_of(
    st.text(st.one_of(st.sampled_from(ODD), st.characters()), max_size=30),
    st.sampled_from(["\0", "a\0", "' or 1=1 --", "0x" + "a" * 40, "{}", "%00", "..", "x" * 300]),
)
VALUES = st.recursive(
    st.one_of(
        TEXTS,
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**200), 2**200),
        st.floats(),
        st.sampled_from([1e400, 2**63, -(2**63) - 1]),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(TEXTS, children, max_size=3)
    ),
    max_leaves=5,
)
TIMES = st.one_of(
    TEXTS,
    st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat()),
    st.sampled_from(
        [
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "1e20",
            "-1",
            "253402300800",
        ]
    ),
)
CURSORS = st.one_of(
    TEXTS,
    st.binary(max_size=30).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")),
    st.sampled_from(["AA", "AAAA", "YQBi", "2aM", "OTIyMzM3MjAzNjg1NDc3NTgwOA"]),
)

BOUNDED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def survives(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["error_code"]
        assert problem["reason"] != "internal_error"
        assert problem["request_id"] == answer.headers["x-request-id"]


def send(client: httpx.Client, method: str, path: str, document: Any) -> httpx.Response:
    body = json.dumps(document).encode()
    return client.request(method, path, content=body, headers={"Content-Type": "application/json"})


FIELDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "/api/admin/keys": (
        {"name": "n", "tenant": "hostile"},
        ["name", "tenant", "scopes", "rate_limit", "expires_in_days", "allowed_networks"],
    ),
    "/api/admin/tenants": ({"name": "hostile"}, ["name"]),
    "/api/keys": (
        {"name": "n"},
        ["name", "scopes", "rate_limit", "expires_in_days", "allowed_networks"],
    ),
    "/api/auth/token": (
        {"message": "m", "signature": "s"},
        ["message", "signature", "scopes", "expires_in"],
    ),
    "/api/admin/keys/abc/rotate": ({"overlap_seconds": 1}, ["overlap_seconds"]),
    "/api/keys/abc/rotate": ({"overlap_seconds": 1}, ["overlap_seconds"]),
}


@pytest.mark.parametrize("path", FIELDS)
@given(data=st.data())
@BOUNDED
def test_any_value_of_a_field_is_accepted_or_refused(
    admin: httpx.Client, path: str, data: st.DataObject
) -> None:
    good, fields = FIELDS[path]
    field = data.draw(st.sampled_from(fields))
    value = data.draw(st.one_of(TEXTS, VALUES, st.lists(TEXTS, max_size=3)))
    survives(send(admin, "POST", path, {**good, field: value}))


@pytest.mark.parametrize("path", FIELDS)
@given(document=VALUES)
@BOUNDED
def test_any_document_is_accepted_or_refused(admin: httpx.Client, path: str, document: Any) -> None:
    survives(send(admin, "POST", path, document))


QUERIES = {
    "/api/admin/keys": ["tenant", "principal", "cursor", "limit"],
    "/api/admin/tenants": ["cursor", "limit"],
    "/api/keys": ["cursor", "limit"],
    "/api/admin/audit": [
        "actor",
        "action",
        "subject",
        "tenant",
        "since",
        "until",
        "cursor",
        "limit",
    ],
}


@pytest.mark.parametrize("path", QUERIES)
@given(data=st.data())
@BOUNDED
def test_any_query_parameter_is_accepted_or_refused(
    admin: httpx.Client, path: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(QUERIES[path]))
    kinds = {"cursor": CURSORS, "since": TIMES, "until": TIMES}
    value = data.draw(kinds.get(name, TEXTS))
    survives(admin.get(f"{path}?{name}={quoted(value)}"))


@pytest.mark.parametrize("cursor", ["AA", "YQBi", "AAAA"])
@pytest.mark.parametrize("path", QUERIES)
def test_nul_in_a_cursor_is_refused(admin: httpx.Client, path: str, cursor: str) -> None:
    answer = admin.get(path, params={"cursor": cursor})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_extreme_times_are_accepted_or_refused(admin: httpx.Client, name: str, time: str) -> None:
    survives(admin.get("/api/admin/audit", params={name: time}))


@given(key_id=TEXTS, own=st.booleans(), rotate=st.booleans())
@example(key_id="\0", own=False, rotate=True)
@example(key_id="\ud800", own=True, rotate=False)
@BOUNDED
def test_any_key_id_in_a_path_is_found_or_refused(
    admin: httpx.Client, key_id: str, own: bool, rotate: bool
) -> None:
    base = "/api/keys" if own else "/api/admin/keys"
    path = f"{base}/{quoted(key_id)}"
    survives(admin.post(f"{path}/rotate") if rotate else admin.delete(path))


@given(
    name=st.sampled_from(["Authorization", "X-API-Key", "X-ETH-Address", "X-ETH-Message"]),
    scheme=st.sampled_from([b"", b"Bearer ", b"ApiKey ", b"Basic ", b"hk_live_"]),
    value=st.binary(max_size=80),
)
@BOUNDED
def test_any_credential_is_refused_with_401(
    gateway: RunningGateway, name: str, scheme: bytes, value: bytes
) -> None:
    visible = bytes(byte for byte in scheme + value if byte >= 0x20 and byte != 0x7F).strip()
    with gateway.client() as client:
        answer = client.get("/api/auth/whoami", headers=[(name.encode(), visible)])
    assert answer.status_code == 401, answer.text
    assert answer.json()["error_code"] == "UNAUTHENTICATED"
