"""The path policy: every accepted path has one meaning."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette._utils import get_route_path
from werkzeug.wrappers import Request

from app.core.errors import MalformedRequestError
from app.data_plane.proxy.manifest import load_manifest
from app.data_plane.proxy.path_policy import upstream_target

ARTIFACTS = b"/api/mlflow/api/2.0/mlflow-artifacts/artifacts"


def seen_by_mlflow(raw: bytes) -> str:
    """The path that MLflow's Flask application routes on; its FastAPI routers use `path` itself."""
    path = unquote(raw.decode("ascii"))  # what uvicorn puts into the ASGI scope
    assert get_route_path({"path": path}) == path
    environ = {"PATH_INFO": path.encode().decode("latin-1"), "REQUEST_METHOD": "GET"}
    return Request(environ).path


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/runs/get", "/health", "/v1/traces", "/a/.b/c~"])
def test_plain_paths_are_unchanged(path: str) -> None:
    raw = path.encode()
    assert upstream_target(b"/api/mlflow" + raw) == (path, raw)
    assert upstream_target(b"/api/mlflow" + raw, b"a=1&a=%2F&b=") == (path, raw + b"?a=1&a=%2F&b=")


@pytest.mark.parametrize("raw_path", [b"/api/mlflow", b"/api/mlflow/"])
def test_the_bare_prefix_is_the_root(raw_path: bytes) -> None:
    assert upstream_target(raw_path) == ("/", b"/")


def test_escaped_paths_are_checked_decoded_and_forwarded_unchanged() -> None:
    path, raw = upstream_target(b"/api/mlflow/api/2.0/mlflow/experiments%2dx/%C3%A9")
    assert path == "/api/2.0/mlflow/experiments-x/é"
    assert raw == b"/api/2.0/mlflow/experiments%2dx/%C3%A9"


@pytest.mark.parametrize(
    ("name", "decoded"),
    [
        (b"/a%2Fb", "/a/b"),
        (b"/100%25.txt", "/100%.txt"),
        (b"/what%3Fis%23this", "/what?is#this"),
        (b"/a;b=c", "/a;b=c"),
        (b"/two words".replace(b" ", b"%20"), "/two words"),
        (b"/dir/", "/dir/"),
        (b"/.hidden/..data/a..b", "/.hidden/..data/a..b"),
    ],
)
def test_unusual_artifact_names_are_accepted(name: bytes, decoded: str) -> None:
    path, raw = upstream_target(ARTIFACTS + name)
    assert path == ARTIFACTS.decode().removeprefix("/api/mlflow") + decoded
    assert raw == ARTIFACTS.removeprefix(b"/api/mlflow") + name


@pytest.mark.parametrize(
    "rest",
    [
        b"/a/../b",
        b"/a/.",
        b"/a/%2e%2E/b",
        b"/a/.%2e",
        b"/..;x/b",
        b"//a",
        b"/a//b",
        b"/a%2F%2Fb",
        b"/a\\b",
        b"/a%5Cb",
        b"/a%00b",
        b"/a%0d%0aHost:%20x",
        b"/a\r\nb",
        b"/a b",
        b"/a%7f",
        b"/a%C2%85",
        b"/a%252e",
        b"/a%25zz%2541",
        b"/a%",
        b"/a%4",
        b"/a%zz",
        b"/a%ff",
        b"/a%c0%af",
        b"/a#b",
        b"/a?b",
        b"/caf\xc3\xa9",
        b"/..%2f..%2fb",
    ],
)
@pytest.mark.parametrize("start", [b"/api/mlflow", ARTIFACTS])
def test_ambiguous_paths_are_refused(start: bytes, rest: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        upstream_target(start + rest)


@pytest.mark.parametrize(
    "raw_path",
    [
        b"/api/mlflow/api/2.0/mlflow/experiments%2Fget",
        b"/api/mlflow/api/2.0/mlflow-artifacts%2fartifacts/x",
        b"/api/mlflow/api/2.0/mlflow/runs/get;x=1",
        b"/api/mlflowx/health",
        b"/api/%6dlflow/health",
        b"/API/mlflow/health",
        b"http://evil.example/api/mlflow/health",
        b"",
    ],
)
def test_escapes_in_the_fixed_part_of_a_route_are_refused(raw_path: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        upstream_target(raw_path)


@pytest.mark.parametrize("query", [b"a=\r\nx", b"a b", b"a#b", b"a=\xc3\xa9", b"\x00"])
def test_a_query_with_bytes_that_break_a_request_line_is_refused(query: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        upstream_target(b"/api/mlflow/health", query)


def test_every_artifact_route_accepts_an_escaped_slash() -> None:
    open_routes = [r for r in load_manifest().routes if r.refused is None and not r.public]
    routes = [route for route in open_routes if ":path" in route.pattern]
    assert any(route.artifact for route in routes)
    for route in routes:
        stem = route.pattern.partition("{")[0]
        path, _ = upstream_target(b"/api/mlflow" + stem.encode() + b"a%2Fb")
        assert path == stem + "a/b"


PIECES = st.sampled_from(
    [
        "/",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "%25",
        "%00",
        "%C3%A9",
        "%c3",
        ";",
        "\\",
        "//",
        "a",
        "api",
        "2.0",
        "2f",
        "%",
        "#",
        "?",
        "@",
        ":",
        "+",
        "é",
        "mlflow-artifacts/artifacts/",
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=30).map(lambda t: "/" + t))
def test_the_path_that_is_checked_is_the_one_that_mlflow_routes_on(rest: str) -> None:
    for text in (rest, quote(rest), "/api/2.0/mlflow-artifacts/artifacts/" + quote(rest, safe="")):
        raw_path = b"/api/mlflow" + text.encode("utf-8", "surrogatepass")
        try:
            path, raw = upstream_target(raw_path, b"q=1")
        except MalformedRequestError:
            continue
        assert raw == (raw_path.removeprefix(b"/api/mlflow") or b"/") + b"?q=1"
        target = raw.removesuffix(b"?q=1")
        assert b"?" not in target
        assert b"#" not in target
        assert seen_by_mlflow(target) == path
        # Repeated decoding, as MLflow does for artifacts, changes nothing more.
        assert unquote(path) == path
        assert not {".", ".."} & set(path.split("/"))


@given(st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable() and "%" not in t))
def test_a_quoted_name_is_decoded_to_the_original(name: str) -> None:
    name = name.strip("/.") or "x"
    raw_path = ARTIFACTS + b"/" + quote(name, safe="").encode()
    try:
        path, _ = upstream_target(raw_path)
    except MalformedRequestError:
        assert (
            "\\" in name
            or "//" in name
            or {".", ".."} & {segment.partition(";")[0] for segment in name.split("/")}
        )
    else:
        assert path.endswith("/artifacts/" + name)
