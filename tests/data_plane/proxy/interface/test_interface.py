"""MLflow's web interface through HTTP: its page, its files, what the gateway itself responds."""

import gzip
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.data_plane.proxy.interface.own_responses import OWN_RESPONSES
from app.data_plane.proxy.interface.script import SCRIPT
from app.data_plane.proxy.manifest import load_manifest
from tests.data_plane.proxy.tenant_fixture_data import FILES, V2
from tests.support.gateway import RunningGateway
from tests.support.recording_upstream import RecordingUpstream
from tests.support.responses import good, refused
from tests.support.tab import Tab

PAGE = "/api/mlflow/"
STATIC = "/api/mlflow/static-files"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
# Media types under which browsers run what they load, by itself or in a page.
ACTIVE = {
    "x.html": "text/html",
    "x.svg": "image/svg+xml",
    "x.xhtml": "application/xhtml+xml",
    "x.mjs": "text/javascript",
    "x.xml": "text/xml",
    "x.pdf": "application/pdf",
    "x.mhtml": "message/rfc822",
    "x.xsl": "application/xml",
    "x.swf": "application/x-shockwave-flash",
    "x.html;x=.json": "application/json",
}


@pytest.fixture(scope="module")
def tenant(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key("interface")) as client:
        yield client


@pytest.fixture(scope="module")
def anybody(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


# --- the page ---


def test_the_page_is_mlflows_with_the_script_before_its_own(
    tenant: httpx.Client, anybody: httpx.Client
) -> None:
    response = tenant.get(PAGE)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["cache-control"] == "no-store"
    head, _, rest = response.text.partition("</head>")
    assert head.endswith(f'<script src="static-files/{SCRIPT.name}"></script>')
    assert 'id="root"' in rest
    # MLflow's own waits for the end of the page, ours does not.
    assert re.search(r'<script defer="defer" src="static-files/static/js/main', head)
    script = anybody.get(f"{STATIC}/{SCRIPT.name}")
    assert script.content == SCRIPT.content
    assert script.headers["content-type"].startswith("text/javascript")


def test_the_page_may_load_only_what_the_gateway_serves(tenant: httpx.Client) -> None:
    headers = tenant.get(PAGE).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self' blob:"
    assert not re.search(r"\*|https?:|unsafe-eval", headers["content-security-policy"])
    assert headers["x-frame-options"] == "DENY"


def test_without_the_marker_the_page_is_not_changed(
    gateway: RunningGateway, mlflow_like: RecordingUpstream, beside: httpx.Client
) -> None:
    mlflow_like.headers = [("Content-Type", "text/html")]
    mlflow_like.body = b"<title>MLflow</title>"
    assert beside.get(PAGE).content == mlflow_like.body
    assert mlflow_like.last.target == "/"


def test_an_mlflow_without_an_interface_says_so(
    mlflow_like: RecordingUpstream, beside: httpx.Client
) -> None:
    mlflow_like.headers = [("Content-Type", "text/plain")]
    mlflow_like.body = b"landing page not found </head>"
    response = beside.get(PAGE)
    assert response.content == mlflow_like.body
    assert response.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_is_redirected_to_the_address_with_a_slash(
    tenant: httpx.Client, method: str
) -> None:
    response = tenant.request(method, "/api/mlflow?a=b", headers=HTML)
    assert (response.status_code, response.headers["location"]) == (303, "/api/mlflow/?a=b")


def test_a_program_is_never_redirected(tenant: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        assert tenant.request(method, "/api/mlflow").status_code == 404
    assert tenant.post("/api/mlflow", headers=HTML).status_code == 405
    refused(tenant.get("/api/mlflow"), 404, "unknown_route")


def test_a_person_without_a_credential_signs_in_first(anybody: httpx.Client) -> None:
    response = anybody.get(PAGE, headers=HTML)
    assert (response.status_code, response.headers["location"]) == (
        303,
        "/login?next=/api/mlflow/",
    )
    refused(anybody.get(PAGE), 401, "credentials_missing")


# --- its files ---


def files_of_page(client: httpx.Client) -> list[str]:
    return re.findall(r'(?:src|href)="(?:\./)?static-files/([^"]+)"', client.get(PAGE).text)


def test_files_are_packed_and_cached_and_need_no_credential(
    tenant: httpx.Client, anybody: httpx.Client
) -> None:
    names = files_of_page(tenant)
    assert len(names) == 5
    for name in names:
        response = anybody.get(f"{STATIC}/{name}", headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200
        assert "ratelimit-limit" not in response.headers
        is_text = name.endswith((".js", ".css"))
        assert (response.headers.get("content-encoding") == "gzip") == is_text
        immutable = "immutable" in response.headers["cache-control"]
        assert immutable == (name not in ("favicon.ico", "manifest.json"))
        plain = anybody.get(f"{STATIC}/{name}", headers={"Accept-Encoding": "gzip;q=0"})
        assert "content-encoding" not in plain.headers
        assert plain.content == response.content
        assert int(plain.headers["content-length"]) == len(plain.content)
        head = anybody.head(f"{STATIC}/{name}", headers={"Accept-Encoding": "gzip"})
        assert head.headers["content-length"] == response.headers["content-length"]


def test_a_name_that_mlflow_does_not_list_is_missing(anybody: httpx.Client) -> None:
    for name in ("x.js", "static/js/main.00000000.js", "asset-manifest.json", "index.html"):
        refused(anybody.get(f"{STATIC}/{name}"), 404, "not_found")


@pytest.fixture(scope="module")
def mlflow_like() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def beside(gateway: RunningGateway, mlflow_like: RecordingUpstream) -> Iterator[httpx.Client]:
    """A client of a gateway whose MLflow is not the installed one."""
    assert gateway.settings.database_url is not None
    database = gateway.settings.database_url.get_secret_value()
    with (
        RunningGateway(database, mlflow_like.url, tenancy="shared") as other,
        other.client(other.key()) as client,
    ):
        yield client


def test_a_file_is_fetched_from_mlflow_once_and_only_if_it_lists_it(
    mlflow_like: RecordingUpstream, beside: httpx.Client
) -> None:
    mlflow_like.reset()
    name = "static/js/main.0123456789ab.js"
    mlflow_like.body = b'{"files": {"main.js": "/static-files/%b"}, "x": "%b"}' % (
        name.encode(),
        b"x" * 2000,
    )
    for _ in range(3):
        response = beside.get(f"{STATIC}/{name}")
        assert response.content == mlflow_like.body
        assert response.headers["content-encoding"] == "gzip"
    targets = [request.target for request in mlflow_like.requests]
    assert targets == ["/static-files/asset-manifest.json", f"/static-files/{name}"]
    for number in range(20):
        refused(beside.get(f"{STATIC}/{number}.js"), 404, "not_found")
    assert len(mlflow_like.requests) == 2


# --- what the gateway itself responds ---


def test_the_tenant_is_shown_as_the_user(tenant: httpx.Client) -> None:
    document = good(tenant.get("/api/mlflow/ajax-api/2.0/mlflow/users/current"))
    assert document == {
        "user": {"username": "interface", "is_admin": False},
        "is_basic_auth": False,
    }


def test_the_interface_sees_no_workspaces_and_no_ai_gateway(tenant: httpx.Client) -> None:
    own = good(tenant.get("/api/mlflow/ajax-api/3.0/mlflow/server-info"))
    assert own["workspaces_enabled"] is False
    assert own["features_enabled"] == {"gateway": False}
    theirs = good(tenant.get("/api/mlflow/api/3.0/mlflow/server-info"))
    assert set(own) <= set(theirs)
    assert own["store_type"] == theirs["store_type"]


def test_what_the_gateway_responds_itself_needs_no_mlflow(
    mlflow_like: RecordingUpstream, beside: httpx.Client, anybody: httpx.Client
) -> None:
    mlflow_like.reset()
    for pattern in OWN_RESPONSES:
        path = f"/api/mlflow{pattern}"
        assert isinstance(good(beside.get(path)), dict)
        assert beside.head(path).status_code == 200
        assert anybody.get(path).status_code == 401
    assert mlflow_like.requests == []


def test_every_own_route_has_a_response() -> None:
    own = {route.pattern for route in load_manifest().routes if route.gateway}
    others = {"/", "/static-files/{path:path}", "/api/2.0/mlflow/help"}
    assert own == set(OWN_RESPONSES) | others


# --- what a tenant has uploaded ---


@pytest.fixture(scope="module")
def places(tenant: httpx.Client) -> dict[str, dict[str, Any]]:
    """Where an uploaded file can be read: the requests, by the file's name."""
    run = good(tenant.post(f"{V2}/runs/create", json={"experiment_id": "0"}))["run"]["info"]
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    model = good(
        tenant.post(f"{V2}/logged-models", json={"experiment_id": "0", "name": "m"}),
    )["model"]["info"]
    model_root = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
    name = "registered"
    good(tenant.post(f"{V2}/registered-models/create", json={"name": name}))
    version = {"name": name, "source": f"{run['artifact_uri']}", "run_id": run["run_id"]}
    good(tenant.post(f"{V2}/model-versions/create", json=version))
    for file in ACTIVE:
        for place in (root, model_root):
            assert tenant.put(f"{FILES}/{place}/{file}", content=b"<x/>").status_code == 200
    ajax = "/api/mlflow/ajax-api/2.0"
    model_files = f"{ajax}/mlflow/logged-models/{model['model_id']}/artifacts/files"
    return {
        file: {
            f"{FILES}/{root}/{file}": {},
            f"{ajax}/mlflow-artifacts/artifacts/{root}/{file}": {},
            "/api/mlflow/get-artifact": {"run_id": run["run_id"], "path": file},
            "/api/mlflow/model-versions/get-artifact": {
                "name": name,
                "version": "1",
                "path": file,
            },
            model_files: {"artifact_file_path": file},
        }
        for file in ACTIVE
    }


@pytest.mark.parametrize("file", ACTIVE)
def test_what_a_tenant_has_uploaded_is_data_to_a_browser(
    tenant: httpx.Client, places: dict[str, dict[str, Any]], file: str
) -> None:
    for path, query in places[file].items():
        response = tenant.get(path, params=query)
        assert (response.status_code, response.content) == (200, b"<x/>"), path
        headers = response.headers
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert headers["content-disposition"].startswith("attachment")
        assert headers["x-content-type-options"] == "nosniff"
        assert "script" not in headers["content-type"]


def test_json_has_no_more_headers_than_before(tenant: httpx.Client) -> None:
    response = tenant.get(f"{V2}/experiments/get", params={"experiment_id": "0"})
    assert "content-security-policy" not in response.headers
    assert "content-disposition" not in response.headers


def test_a_file_is_uploaded_whole(tenant: httpx.Client) -> None:
    run = good(tenant.post(f"{V2}/runs/create", json={"experiment_id": "0"}))["run"]["info"]
    path = "/api/mlflow/ajax-api/2.0/mlflow/upload-artifact"
    content = gzip.compress(bytes(range(256)) * 100) + b'"\\ud800"'
    for name, body in (("a.bin", content), ("b.bin", iter([content[:100], content[100:]]))):
        query = {"run_uuid": run["run_id"], "path": name}
        assert tenant.post(path, params=query, content=body).status_code == 200
        read = tenant.get(
            "/api/mlflow/get-artifact", params={"run_id": run["run_id"], "path": name}
        )
        assert read.content == content
    query = {"run_uuid": run["run_id"], "path": "c.bin"}
    response = tenant.post(path, params=query, content=bytes(11 * 1024 * 1024))
    refused(response, 413, "body_too_large")
    response = tenant.post(path, params={**query, "path": "x" * 300}, content=b"x")
    refused(response, 400, "invalid_parameter")


def test_neither_files_nor_own_responses_count_on_the_limit_of_a_session(
    gateway: RunningGateway,
) -> None:
    assert gateway.settings.database_url is not None
    database, mlflow = gateway.settings.database_url.get_secret_value(), gateway.settings.mlflow_url
    assert mlflow is not None
    with (
        RunningGateway(database, mlflow, session_rate_limit=2) as small,
        Tab(small) as tab,
    ):
        tab.sign_in(small.key())
        for pattern in OWN_RESPONSES:
            good(tab.get(f"/api/mlflow{pattern}"))
        for _ in range(3):
            assert tab.get(f"{STATIC}/{SCRIPT.name}").status_code == 200
        assert [tab.get(PAGE).status_code for _ in range(3)] == [200, 200, 429]


def test_a_missing_artifact_is_not_a_fault(tenant: httpx.Client) -> None:
    run = good(tenant.post(f"{V2}/runs/create", json={"experiment_id": "0"}))["run"]["info"]
    query = {"run_id": run["run_id"], "path": "none.txt"}
    response = tenant.get("/api/mlflow/get-artifact", params=query)
    assert response.status_code == 404


def test_a_version_whose_source_only_clients_resolve_is_not_a_fault(tenant: httpx.Client) -> None:
    """MLflow would respond with 500, and name the host of its database."""
    run = good(tenant.post(f"{V2}/runs/create", json={"experiment_id": "0"}))["run"]["info"]
    name = "of a run"
    good(tenant.post(f"{V2}/registered-models/create", json={"name": name}))
    source = f"runs:/{run['run_id']}/model"
    version = {"name": name, "source": source, "run_id": run["run_id"]}
    good(tenant.post(f"{V2}/model-versions/create", json=version))
    query = {"name": name, "version": "1", "path": "MLmodel"}
    problem = refused(
        tenant.get("/api/mlflow/model-versions/get-artifact", params=query), 404, "mlflow_refused"
    )
    assert problem["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert "mlflow.register_model" in problem["message"]
    assert "postgresql" not in problem["message"]
