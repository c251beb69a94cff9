"""Forwarding to MLflow and back through HTTP: what must arrive, and what must not.

Longer than most files here: all of it uses one gateway before one recording upstream.
"""

import base64
import datetime
import gzip
import ipaddress
import secrets
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.data_plane.upstream.splice import Splice
from tests.data_plane.proxy.tenant_fixture_data import FILES, V2
from tests.support.gateway import RunningGateway
from tests.support.recording_upstream import RecordingUpstream
from tests.support.responses import good, refused
from tests.support.tab import OWN, Tab

LARGE = secrets.token_bytes(1024) * 10 * 1024
RUNS = f"{V2}/runs/get?run_id=1"


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key()


@pytest.fixture(scope="module")
def client(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    """A client of the tenant that owns `run` and `folder`."""
    with gateway.client(key) as client:
        yield client


@pytest.fixture(scope="module")
def run(client: httpx.Client) -> str:
    info = good(client.post(f"{V2}/runs/create", json={"experiment_id": "0"}))["run"]["info"]
    return str(info["run_id"])


@pytest.fixture(scope="module")
def folder(client: httpx.Client, run: str) -> str:
    """The path of the run's artifacts at the gateway."""
    info = good(client.get(f"{V2}/runs/get", params={"run_id": run}))["run"]["info"]
    return f"{FILES}/{'/'.join(info['artifact_uri'].split('/')[3:])}"


def upload(client: httpx.Client, path: str, content: Any) -> None:
    response = client.put(path, content=content)
    assert response.status_code == 200, response.text


# --- artifacts, with MLflow ---


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 100_000, len(LARGE)])
def test_an_artifact_is_uploaded_and_downloaded_unchanged(
    client: httpx.Client, run: str, folder: str, size: int, chunked: bool
) -> None:
    name, content = f"f{size}{chunked}.bin", LARGE[:size]
    pieces = (content[at : at + 65536] for at in range(0, size, 65536))
    upload(client, f"{folder}/{name}", pieces if chunked else content)
    response = client.get(f"{folder}/{name}")
    assert response.status_code == 200
    assert response.content == content
    assert response.headers["content-length"] == str(size)
    files = good(client.get(f"{V2}/artifacts/list", params={"run_id": run}))["files"]
    (listed,) = [one for one in files if one["path"] == name]
    assert int(listed.get("file_size", 0)) == size


def test_a_large_artifact_is_spliced_in_both_directions(
    client: httpx.Client, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[int] = []
    run = Splice.run

    async def noting(splice: Splice) -> int:
        moved.append(await run(splice))
        return moved[-1]

    monkeypatch.setattr(Splice, "run", noting)
    for turn in (1, 2):
        upload(client, f"{folder}/large.bin", LARGE)
        assert len(moved) == 2 * turn - 1
        response = client.get(f"{folder}/large.bin")
        assert response.content == LARGE
        assert len(moved) == 2 * turn
        assert response.headers["x-request-id"]
    assert min(moved) > len(LARGE) // 2


@pytest.mark.parametrize(
    "name",
    ["a?b=c.txt", "a b.txt", "a+b&c.txt", "ünïcødé 文.txt", "a;b.txt", "a=b,c@d.txt"],
)
def test_any_artifact_name_is_preserved(
    client: httpx.Client, run: str, folder: str, name: str
) -> None:
    content = name.encode()
    upload(client, f"{folder}/names/{quote(name)}", content)
    assert client.get(f"{folder}/names/{quote(name)}").content == content
    response = client.get(f"{V2}/artifacts/list", params={"run_id": run, "path": "names"})
    assert f"names/{name}" in {one["path"] for one in good(response)["files"]}


def test_mlflow_refuses_a_hash_in_an_artifact_name(client: httpx.Client, folder: str) -> None:
    """Software that takes it for a fragment would cut it off."""
    response = client.put(f"{folder}/a%23b.txt", content=b"x")
    assert (response.status_code, response.json()["message"]) == (400, "Invalid path")
    assert client.get(f"{folder}/a").status_code == 404


@pytest.mark.parametrize("large", [False, True])
def test_an_artifact_that_cannot_have_its_name_is_the_callers_fault(
    client: httpx.Client, folder: str, large: bool
) -> None:
    """MLflow itself responds with a 500 to each; a 502 would make clients try again."""
    content = LARGE if large else b"x"
    upload(client, f"{folder}/taken/file.txt", b"x")
    for path, status, reason, words in (
        ("taken", 409, "conflict", "'taken' is a directory"),
        ("taken/file.txt/below/it", 409, "conflict", "taken/file.txt' is a file"),
        ("n" * 300, 400, "invalid_parameter", "at most 255 bytes"),
        ("%E6%96%87" * 86, 400, "invalid_parameter", "at most 255 bytes"),
        (f"{'d' * 256}/f", 400, "invalid_parameter", "at most 255 bytes"),
    ):
        problem = refused(client.put(f"{folder}/{path}", content=content), status, reason)
        assert words in problem["message"]
        assert client.get(f"{folder}/{path}").status_code in (400, 404, 500)
    upload(client, f"{folder}/{'n' * 255}", b"x")
    assert client.get(f"{folder}/taken/file.txt").content == b"x"


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', "1", "nul", '{"run_id": }', "[" * 100_000])
def test_a_body_that_is_not_a_json_object_is_the_callers_fault(
    client: httpx.Client, body: str
) -> None:
    """MLflow itself responds with a 500 to each, where the gateway does not read the body first."""
    for _ in range(2):  # on the ASGI path and on the fast path
        response = client.post(
            f"{V2}/runs/log-batch", content=body, headers={"Content-Type": "application/json"}
        )
        refused(response, 400, "invalid_parameter")


def test_an_escaped_slash_in_an_artifact_name_is_a_slash(client: httpx.Client, folder: str) -> None:
    upload(client, f"{folder}/x%2Fy.txt", b"nested")
    assert client.get(f"{folder}/x/y.txt").content == b"nested"


def test_a_range_request_gets_a_part(client: httpx.Client, folder: str) -> None:
    upload(client, f"{folder}/range.bin", LARGE[:10_000])
    for text, expected in (
        ("bytes=10-19", LARGE[10:20]),
        ("bytes=-5", LARGE[9_995:10_000]),
        ("bytes=9990-", LARGE[9_990:10_000]),
    ):
        response = client.get(f"{folder}/range.bin", headers={"Range": text})
        assert (response.status_code, response.content) == (206, expected)
        assert response.headers["content-range"].endswith("/10000")
    assert client.get(f"{folder}/range.bin", headers={"Range": "bytes=99999-"}).status_code == 416


def test_a_download_may_be_conditional(client: httpx.Client, folder: str) -> None:
    upload(client, f"{folder}/etag.txt", b"one")
    first = client.get(f"{folder}/etag.txt")
    tag = first.headers["etag"]
    assert first.headers["last-modified"]
    # If-Range with the current tag gives a part, with another tag the whole file.
    for given, status in ((tag, 206), ('"other"', 200)):
        headers = {"Range": "bytes=0-0", "If-Range": given}
        assert client.get(f"{folder}/etag.txt", headers=headers).status_code == status
    upload(client, f"{folder}/etag.txt", b"other")
    assert client.get(f"{folder}/etag.txt").headers["etag"] != tag


def test_a_deleted_artifact_is_gone(client: httpx.Client, folder: str) -> None:
    upload(client, f"{folder}/gone.txt", b"x")
    assert client.delete(f"{folder}/gone.txt").is_success
    response = client.get(f"{folder}/gone.txt")
    assert response.status_code == 404
    assert response.json()["error_code"]


def test_the_body_of_a_delete_reaches_mlflow(client: httpx.Client) -> None:
    name = secrets.token_hex(4)
    good(client.post(f"{V2}/registered-models/create", json={"name": name}))
    path = f"{V2}/registered-models"
    good(client.request("DELETE", f"{path}/delete", json={"name": name}))
    assert client.get(f"{path}/get", params={"name": name}).status_code == 404


def test_every_one_of_repeated_query_keys_reaches_mlflow(client: httpx.Client) -> None:
    runs = []
    for value in (1.0, 2.0):
        new = good(client.post(f"{V2}/runs/create", json={"experiment_id": "0"}))
        runs.append(new["run"]["info"]["run_id"])
        body = {"run_id": runs[-1], "key": "m", "value": value, "timestamp": 1}
        good(client.post(f"{V2}/runs/log-metric", json=body))
    response = client.get(
        f"{V2}/metrics/get-history-bulk-interval",
        params={"run_ids": runs, "metric_key": "m", "max_results": 10},
    )
    assert {one["run_id"] for one in good(response)["metrics"]} == set(runs)


def test_chunked_json_is_understood(client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"experiment_'
        yield b'id": "0", "run_name": "in pieces"}'

    response = client.post(
        f"{V2}/runs/create", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert good(response)["run"]["info"]["run_name"] == "in pieces"


@pytest.mark.parametrize(
    "path",
    [
        "/api/mlflow/nothing",
        "/api/mlflow/api/2.0/mlflow/runs/get/",
        "/api/mlflow/api/2.0/mlflow/runs/get/more",
        "/api/mlflow/api/2.0/mlflow/runs/nothing",
        "/api/mlflow/build/index.html",
        "/api/nothing",
    ],
)
def test_a_missing_path_is_a_json_error(client: httpx.Client, path: str) -> None:
    response = client.get(path, headers={"Accept": "text/html"})
    assert response.status_code in (403, 404)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["error_code"] in ("ENDPOINT_NOT_FOUND", "PERMISSION_DENIED")


def test_without_a_key_the_response_is_a_json_401(gateway: RunningGateway) -> None:
    with gateway.client() as stranger:
        refused(stranger.get(RUNS), 401, "credentials_missing")


# --- headers and bodies, with an upstream that records them ---


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def recorded(
    new_database: Callable[[], str], upstream: RecordingUpstream
) -> Iterator[RunningGateway]:
    with RunningGateway(
        new_database(), upstream.url, tenancy="shared", mlflow_authorization="Basic dXBzdHJlYW0="
    ) as running:
        yield running


@pytest.fixture(scope="module")
def secret(recorded: RunningGateway) -> str:
    return recorded.key()


@pytest.fixture
def recorded_client(
    recorded: RunningGateway, upstream: RecordingUpstream, secret: str
) -> Iterator[httpx.Client]:
    """A client of the recorded gateway; the upstream's response is reset."""
    upstream.reset()
    with recorded.client(secret) as client:
        yield client


@pytest.mark.parametrize("way", ["Bearer", "ApiKey", "X-API-Key", "Basic"])
def test_the_upstream_sees_its_own_credential_and_never_the_users(
    recorded: RunningGateway, upstream: RecordingUpstream, secret: str, way: str
) -> None:
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    headers = {
        "X-API-Key": {"X-API-Key": secret},
        "Basic": {"Authorization": f"Basic {basic}"},
    }.get(way, {"Authorization": f"{way} {secret}"})
    with recorded.client() as client:
        good(client.get(RUNS, headers={**headers, "Cookie": f"session={secret}"}))
    assert upstream.last.header("authorization") == ["Basic dXBzdHJlYW0="]
    received = str(upstream.last)
    assert secret not in received
    assert basic not in received
    assert upstream.last.header("cookie") == []


def test_a_session_and_what_mlflows_page_makes_of_cookies_stay_here(
    recorded: RunningGateway, upstream: RecordingUpstream, secret: str
) -> None:
    """MLflow's page sends each cookie `mlflow-request-header-<Name>` as the header `<Name>`."""
    with Tab(recorded) as tab:
        tab.sign_in(secret)
        cookie = tab.cookies[tab.cookie]
        tab.cookies["mlflow-request-header-X-Planted"] = "planted"
        good(tab.get(RUNS, headers={**OWN, "mlflow-request-header-X-Planted": "planted"}))
    received = str(upstream.last).lower()
    assert upstream.last.header("cookie") == []
    assert cookie.lower() not in received
    assert "planted" not in received
    assert "sec-fetch" not in received


def test_the_host_header_is_the_upstreams(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    good(
        recorded_client.get(RUNS, headers={"Host": "elsewhere.example", "X-Forwarded-Host": "evil"})
    )
    assert upstream.last.header("host") == [f"127.0.0.1:{upstream.port}"]
    assert upstream.last.header("x-forwarded-host") == []


@pytest.mark.parametrize("given", [b"my-request.1", b"not allowed in a log \xe9", None])
def test_the_request_id_is_sent_upstream_and_returned(
    recorded_client: httpx.Client, upstream: RecordingUpstream, given: bytes | None
) -> None:
    response = recorded_client.get(
        RUNS, headers=[] if given is None else [(b"X-Request-ID", given)]
    )
    returned = response.headers["x-request-id"]
    assert upstream.last.header("x-request-id") == [returned]
    assert (returned.encode() == given) == (given == b"my-request.1")


def test_the_trace_context_is_forwarded(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    context = {
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": "vendor=1",
    }
    good(recorded_client.get(RUNS, headers=context))
    assert {name: upstream.last.header(name) for name in context} == {
        name: [value] for name, value in context.items()
    }


@pytest.mark.parametrize("given", [None, "203.0.113.9", "::1, 127.0.0.1"])
def test_the_client_address_is_always_set_by_the_gateway(
    recorded_client: httpx.Client, upstream: RecordingUpstream, given: str | None
) -> None:
    good(recorded_client.get(RUNS, headers={"X-Forwarded-For": given} if given else {}))
    assert upstream.last.header("x-forwarded-for") == ["127.0.0.1"]


def test_hop_by_hop_headers_stay_on_their_side(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    upstream.headers += [
        ("Connection", "X-Hop, keep-alive"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Upgrade", "h2c"),
        ("Set-Cookie", "a=b"),
        ("Alt-Svc", 'h2="other"'),
        ("X-End", "1"),
    ]
    response = recorded_client.get(
        RUNS,
        headers={
            "Connection": "User-Agent, close",
            "User-Agent": "nominated",
            "Keep-Alive": "timeout=9",
            "Proxy-Authorization": "Basic abc",
            "TE": "trailers",
            "Origin": "http://evil.example",
            "X-MLFLOW-WORKSPACE": "default",
            "X-MLflow-Authorization": "x",
        },
    )
    assert good(response) == {}
    names = {name for name, _ in upstream.last.headers}
    assert not names & {
        "user-agent",
        "keep-alive",
        "proxy-authorization",
        "te",
        "origin",
        "x-mlflow-workspace",
        "x-mlflow-authorization",
    }
    assert response.headers["x-end"] == "1"
    assert not set(response.headers) & {
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
        "set-cookie",
        "alt-svc",
    }


def test_chunked_json_goes_upstream_with_a_length(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    pieces = [b'{"run_id": "1", ', b'"key": "k", "value": "v"}']
    good(recorded_client.post(f"{V2}/runs/set-tag", content=iter(pieces)))
    assert upstream.last.header("transfer-encoding") == []
    assert upstream.last.header("content-length") == [str(len(b"".join(pieces)))]
    assert upstream.last.body == b"".join(pieces)


def test_an_artifact_keeps_its_framing(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    good(recorded_client.put(f"{FILES}/1/f", content=iter([b"a", b"b"])))
    assert upstream.last.header("transfer-encoding") == ["chunked"]
    assert upstream.last.header("content-length") == []
    assert upstream.last.body == b"ab"
    good(recorded_client.put(f"{FILES}/1/f", content=b"abc"))
    assert upstream.last.header("content-length") == ["3"]
    assert upstream.last.header("transfer-encoding") == []


def test_a_get_has_no_framing_at_all(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    good(recorded_client.get(RUNS))
    names = {name for name, _ in upstream.last.headers}
    assert not names & {"content-length", "transfer-encoding"}


@pytest.mark.parametrize("chunked", [False, True])
def test_the_json_body_of_a_get_goes_upstream(
    recorded_client: httpx.Client, upstream: RecordingUpstream, chunked: bool
) -> None:
    body = b'{ "run_id":"1" }'
    content = iter([body[:5], body[5:]]) if chunked else body
    good(recorded_client.request("GET", f"{V2}/runs/get", content=content))
    assert upstream.last.body == body
    assert upstream.last.header("content-length") == [str(len(body))]
    assert upstream.last.header("transfer-encoding") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", RUNS, b'{"run_id": "2"}', 400),
        ("GET", f"{V2}/runs/get", b'{"run_id": "1", "run_id": "2"}', 400),
        ("GET", f"{V2}/runs/get", b"run_id=1", 400),
        ("GET", f"{V2}/runs/get", b'{"run_id": "%b"}' % (b"1" * 70_000), 413),
        ("HEAD", f"{V2}/runs/get", b'{"run_id": "1"}', 400),
    ],
)
def test_a_body_that_a_get_must_not_have_is_not_forwarded(
    recorded_client: httpx.Client,
    upstream: RecordingUpstream,
    method: str,
    path: str,
    body: bytes,
    status: int,
) -> None:
    for headers in ({}, {"Content-Encoding": "identity"}):
        response = recorded_client.request(method, path, content=body, headers=headers)
        assert response.status_code == status
    assert upstream.requests == []


def test_the_body_of_a_get_must_not_be_encoded(recorded_client: httpx.Client) -> None:
    body = gzip.compress(b'{"run_id": "1"}')
    headers = {"Content-Encoding": "gzip"}
    response = recorded_client.request("GET", f"{V2}/runs/get", content=body, headers=headers)
    assert "without Content-Encoding" in refused(response, 400, "invalid_parameter")["message"]


@pytest.mark.parametrize(
    "rest",
    [
        "a%23b%3Fc",
        "a%20b",
        "a%2Fb",
        "a+b",
        "%E6%96%87",
        "a;b=c",
        "a?x=1&x=2&y=%23&z=a+b%2B",
        "a?empty=&bare",
        "a'(b)*!,",
    ],
)
def test_the_target_arrives_as_it_was_sent(
    recorded: RunningGateway, upstream: RecordingUpstream, secret: str, rest: str
) -> None:
    # httpx would normalize the URL; a raw target is sent unchanged.
    target = f"{FILES}/1/{rest}".encode()
    with recorded.client(secret) as client:
        good(client.get("/", extensions={"target": target}))
    assert f"/api/mlflow{upstream.last.target}".encode() == target


def test_a_gzip_response_arrives_unchanged(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    packed = gzip.compress(b'{"a": "' + b"x" * 100_000 + b'"}')
    upstream.headers.append(("Content-Encoding", "gzip"))
    upstream.body = packed
    with recorded_client.stream("GET", RUNS, headers={"Accept-Encoding": "gzip"}) as response:
        assert b"".join(response.iter_raw()) == packed
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["content-length"] == str(len(packed))
    assert upstream.last.header("accept-encoding") == ["gzip"]


@pytest.mark.parametrize("wish", ["identity", "br;q=1.0, gzip;q=0.5"])
def test_accept_encoding_is_forwarded_unchanged(
    recorded_client: httpx.Client, upstream: RecordingUpstream, wish: str
) -> None:
    good(recorded_client.get(RUNS, headers={"Accept-Encoding": wish}))
    assert upstream.last.header("accept-encoding") == [wish]


def test_a_head_has_the_headers_of_a_get(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    upstream.body = b'{"a": 1}'
    response = recorded_client.head(RUNS)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "8"
    assert upstream.last.method == "HEAD"
    # The connection is reused for the next request.
    assert good(recorded_client.get(RUNS)) == {"a": 1}


def test_a_304_and_its_condition_are_forwarded(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    upstream.status, upstream.body = 304, b""
    upstream.headers = [("ETag", '"1"')]
    conditions = {"If-None-Match": '"1"', "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
    response = recorded_client.get(f"{FILES}/1/f", headers=conditions)
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"1"')
    for name, value in conditions.items():
        assert upstream.last.header(name.lower()) == [value]


def test_repeated_response_headers_stay_separate(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    upstream.headers += [("Link", "<a>"), ("Link", "<b>")]
    assert recorded_client.get(RUNS).headers.get_list("link") == ["<a>", "<b>"]


def test_no_redirect_is_followed(
    recorded_client: httpx.Client, upstream: RecordingUpstream
) -> None:
    upstream.status = 302
    upstream.headers.append(("Location", f"{upstream.url}/elsewhere"))
    assert recorded_client.get(RUNS).status_code == 302
    assert [request.target for request in upstream.requests] == [RUNS.removeprefix("/api/mlflow")]


def test_proxy_variables_in_the_environment_are_ignored(
    new_database: Callable[[], str], upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.reset()
    with RecordingUpstream() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        with (
            RunningGateway(new_database(), upstream.url, tenancy="shared") as running,
            running.client(running.key()) as client,
        ):
            good(client.get(RUNS))
            good(client.get("/readyz"))
        assert proxy.requests == []
    assert {request.target for request in upstream.requests} == {
        RUNS.removeprefix("/api/mlflow"),
        "/api/2.0/mlflow/experiments/search?max_results=1",
    }


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_has_a_maximum_size(
    new_database: Callable[[], str], upstream: RecordingUpstream, chunked: bool
) -> None:
    upstream.reset()
    with (
        RunningGateway(new_database(), upstream.url, tenancy="shared", max_upload=10) as running,
        running.client(running.key()) as client,
    ):

        def put(size: int) -> httpx.Response:
            body = b"a" * size
            return client.put(f"{FILES}/1/f", content=iter([body]) if chunked else body)

        good(put(10))
        refused(put(11), 413, "body_too_large")


# --- TLS to the upstream ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a self-signed certificate for 127.0.0.1 and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(private, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture(scope="module")
def https(certificate: Path) -> Iterator[RecordingUpstream]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with RecordingUpstream(context) as recorder:
        yield recorder


def test_an_untrusted_upstream_certificate_is_a_502_with_its_own_reason(
    new_database: Callable[[], str], https: RecordingUpstream
) -> None:
    with (
        RunningGateway(new_database(), https.url, tenancy="shared") as gateway,
        gateway.client(gateway.key()) as client,
    ):
        problem = refused(client.get(RUNS), 502, "upstream_tls")
        assert problem["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert "certificate" in problem["message"].lower()
        # Readiness checks MLflow through the same client, so it fails for the same reason.
        assert client.get("/readyz").status_code == 503
    assert https.requests == []


def test_an_upstream_without_tls_gives_the_same_502(
    new_database: Callable[[], str], upstream: RecordingUpstream
) -> None:
    url = upstream.url.replace("http:", "https:")
    with (
        RunningGateway(new_database(), url, tenancy="shared") as gateway,
        gateway.client(gateway.key()) as client,
    ):
        refused(client.get(RUNS), 502, "upstream_tls")


def test_an_upstream_is_trusted_by_the_configured_certificates(
    new_database: Callable[[], str], https: RecordingUpstream, certificate: Path
) -> None:
    with (
        RunningGateway(
            new_database(), https.url, tenancy="shared", mlflow_ca_file=certificate
        ) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        good(client.get(RUNS))
        assert client.get("/readyz").status_code == 200
    assert https.last.header("host") == [f"127.0.0.1:{https.port}"]
