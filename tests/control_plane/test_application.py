"""The control plane as a whole: who may call its endpoints, how they are described, its errors.

What each endpoint does is tested with its own package.
"""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.reference.openapi import can_be_not_found, example, operations
from app.core.request.principal import Scope
from app.main import PUBLIC
from app.standalone.mlflow import ChildMLflow
from app.web.routes import PUBLIC as PAGES
from app.web.routes import ROUTES
from tests.control_plane.openapi_document import DOCUMENT, OPERATIONS
from tests.support.gateway import RunningGateway
from tests.support.responses import refused


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", "none", path)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_endpoint_is_public_or_needs_a_credential(
    gateway: RunningGateway, method: str, path: str
) -> None:
    # Signing in needs a request of the gateway's own page.
    with gateway.client(Origin=gateway.url) as client:
        response = client.request(method, concrete(path))
    if (method, path) in PUBLIC:
        # An empty request may lack a parameter or a body, but needs no credential.
        assert response.status_code in (200, 400, 401, 422)
        # Of the public endpoints only that for tokens responds with 401: it needs a proof.
        assert response.status_code != 401 or path == "/api/auth/token"
    else:
        refused(response, 401, "credentials_missing")


@pytest.mark.parametrize(("method", "path"), [o for o in OPERATIONS if "/admin/" in o[1]])
def test_an_admin_endpoint_needs_the_scope_admin(
    gateway: RunningGateway, method: str, path: str
) -> None:
    with gateway.client(gateway.key()) as client:
        body = example(DOCUMENT, schema) if (schema := body_schema(method, path)) else None
        refused(client.request(method, concrete(path), json=body), 403, "scope_missing")


def test_every_public_path_exists() -> None:
    undescribed = {(method, path) for method, path in PUBLIC - set(OPERATIONS) if method != "HEAD"}
    assert undescribed == PAGES | {
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/api/mlflow/api/2.0/mlflow/help"),
    }
    assert {path for _, path in PAGES} <= {getattr(route, "path", None) for route in ROUTES}


def test_a_public_path_has_public_methods_only() -> None:
    public = {path for _, path in PUBLIC}
    assert {(method, path) for method, path in OPERATIONS if path in public} <= PUBLIC


def test_a_public_path_lists_its_methods_without_a_credential(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        for path in ("/livez", "/api/auth/nonce", "/api/attestations/verify"):
            response = client.put(path)
            refused(response, 405, "method_not_allowed")
            public = {method for method, one in PUBLIC if one == path}
            assert set(response.headers["allow"].split(", ")) == public


def test_the_help_is_a_page_for_browsers(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/api/mlflow/api/2.0/mlflow/help", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_a_body_with_another_content_type_is_explained(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        response = client.post("/api/keys", content=b'{"name": "n"}', headers=form)
    assert (
        "Content-Type: application/json" in refused(response, 422, "validation_failed")["message"]
    )


def test_the_openapi_document_is_version_3_1(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.json() == {**DOCUMENT, "servers": [{"url": gateway.url}]}
    assert DOCUMENT["openapi"].startswith("3.1")


def test_the_openapi_document_has_the_gateways_version(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        assert DOCUMENT["info"]["version"] == client.get("/version").json()["version"]


def test_the_page_defines_the_variables_of_its_examples(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/docs").text
    for name in set(re.findall(r"\$([A-Z_]+)", page)):
        assert f"export {name}=" in page, name
    assert f"export HOKUSAI_URL={gateway.url}\n" in page


def test_the_page_shows_the_public_address_of_the_gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    public = "https://gateway.example/hokusai"
    with (
        RunningGateway(new_database(), mlflow_server.url, public_url=public) as gateway,
        gateway.client() as client,
    ):
        assert f"export HOKUSAI_URL={public}\n" in client.get("/docs").text


def test_the_page_does_not_repeat_the_host_header(gateway: RunningGateway) -> None:
    with gateway.client(Host="evil.example") as client:
        page = client.get("/docs").text
    assert "evil.example" not in page
    assert f"export HOKUSAI_URL={gateway.url}\n" in page


def test_operations_that_call_mlflow_list_its_errors() -> None:
    paths = DOCUMENT["paths"]
    for path in ("/api/models/baseline", "/api/models/improved", "/api/attestations"):
        assert {"502", "504"} <= set(paths[path]["post"]["responses"]), path
    assert "502" not in paths["/api/keys"]["post"]["responses"]
    assert "409" in paths["/api/attestations/{digest}/mint-request"]["post"]["responses"]


def test_allow_lists_the_methods_of_the_path_itself(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        for path, methods in {
            "/api/models/baseline": {"POST"},
            "/api/attestations/verify": {"POST"},
            "/api/models": {"GET"},
            "/api/models/none": {"GET"},
            "/api/keys": {"DELETE", "GET", "POST"},
            "/livez": {"GET", "HEAD"},
        }.items():
            response = client.request("OPTIONS", path)
            refused(response, 405, "method_not_allowed")
            assert set(response.headers["allow"].split(", ")) == methods, path


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_is_described(method: str, path: str) -> None:
    operation = DOCUMENT["paths"][path][method.lower()]
    assert operation["description"].endswith(".")
    assert operation["tags"]
    assert bool(operation["security"]) == ((method, path) not in PUBLIC)
    for parameter in operation.get("parameters", []):
        assert parameter["schema"]
    for media in documents(operation):
        assert media["example"]
    failures = {status for status, response in operation["responses"].items() if "$ref" in response}
    assert failures >= {"400", "429", "500"}
    assert ("401" in failures) or (method, path) in PUBLIC
    assert ("404" in failures) == can_be_not_found(method, path, operation)
    assert ("422" in failures) == ("parameters" in operation or "requestBody" in operation)


def test_operations_have_names_that_a_generated_client_can_use() -> None:
    names = [operation["operationId"] for _, _, operation in operations(DOCUMENT)]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)+", name), name
    assert {"registerBaseline", "listModels", "getModel", "issueAttestation"} <= set(names)


def test_every_tag_is_described() -> None:
    used = {tag for _, _, operation in operations(DOCUMENT) for tag in operation["tags"]}
    described = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert described == used


def test_there_is_one_security_scheme() -> None:
    """A generated client would fill in each of several, and the request be ambiguous."""
    assert list(DOCUMENT["components"]["securitySchemes"]) == ["bearer"]


def test_errors_have_the_form_that_is_described(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        problem = refused(client.get("/api/limits"), 401, "credentials_missing")
    described = DOCUMENT["components"]["responses"]["401"]
    assert "`credentials_missing`" in described["description"]
    schema = DOCUMENT["components"]["schemas"]["Problem"]
    assert set(problem) <= set(schema["properties"])
    assert set(schema["required"]) <= set(problem)
    media = described["content"]["application/problem+json"]
    assert set(media["example"]) == set(problem)


def test_every_reference_in_the_openapi_document_resolves() -> None:
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(DOCUMENT))):
        node = DOCUMENT
        for step in reference.split("/"):
            node = node[step]
        assert node


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/admin/keys"), ("POST", "/api/admin/tenants")]
)
def test_the_example_of_a_body_is_accepted(gateway: RunningGateway, method: str, path: str) -> None:
    with gateway.client(gateway.key(scopes=[Scope.ADMIN])) as client:
        body = example(DOCUMENT, body_schema(method, path) or {})
        assert client.request(method, path, json=body).status_code in (201, 409)


class Page(HTMLParser):
    """Collects what a browser would load for a page, and its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "action", "data", "poster", "style"):
                self.loads.append(value or "")
            elif name == "href":
                (self.links if tag == "a" else self.loads).append(value or "")
            elif name == "id":
                self.ids.add(value or "")


def test_the_page_loads_nothing_and_has_no_scripts(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        response = client.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    page = Page(response.text)
    assert page.loads == []
    assert "script" not in page.tags
    assert "url(" not in response.text
    assert "@import" not in response.text
    for link in page.links:
        assert link in {"/", "/openapi.json"} or link[1:] in page.ids, link
    for method, path in OPERATIONS:
        assert f'<code class="method">{method}</code> <code>{path}</code>' in response.text


def test_fastapis_own_pages_are_not_served(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        for path in ("/redoc", "/docs/oauth2-redirect", "/docs/"):
            refused(client.get(path), 404, "unknown_route")


def test_a_path_without_api_is_named(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        unknown = refused(client.get("/auth/whoami"), 404, "unknown_route")
        assert unknown["message"].endswith(" Did you mean /api/auth/whoami?")
        page = refused(client.post("/models/baseline", json={}), 405, "method_not_allowed")
        assert page["message"].endswith(" Did you mean /api/models/baseline?")
        other = refused(client.get("/nothing"), 404, "unknown_route")
        assert "Did you mean" not in other["message"]


def test_a_slash_at_the_end_is_another_path(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        refused(client.post("/api/keys/", json={"name": "a"}), 404, "unknown_route")
        response = client.put("/api/keys", json={})
        refused(response, 405, "method_not_allowed")
        assert {"DELETE", "GET", "POST"} == set(response.headers["allow"].split(", "))


def test_a_wrong_value_is_located_and_not_repeated(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        response = client.post("/api/keys", json={"name": "a", "expires_in_days": "do-not-repeat"})
    problem = refused(response, 422, "validation_failed")
    assert problem["problems"][0]["where"] == "body.expires_in_days"
    assert "do-not-repeat" not in response.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def member(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(), **{"Content-Type": "application/json"}) as client:
        yield client


@given(body=JSON | st.binary(max_size=60))
@pytest.mark.parametrize(
    "path",
    [
        "/api/keys",
        "/api/auth/token",
        "/api/keys/none/rotate",
        "/api/attestations",
        "/api/attestations/verify",
        f"/api/attestations/{'0' * 64}/revoke",
    ],
)
def test_no_body_causes_an_internal_error(member: httpx.Client, path: str, body: Any) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = member.post(path, content=content)
    assert response.status_code < 500, response.text
    assert response.headers["content-type"] in ("application/problem+json", "application/json")


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/search",
        "/api/3.0/mlflow/traces/search",
        "/api/2.0/mlflow-artifacts/artifacts",
        "/api/api/2.0/mlflow/runs/create",
        "/v1/traces",
    ],
)
def test_a_tracking_uri_without_its_path_gets_a_hint(member: httpx.Client, path: str) -> None:
    problem = refused(member.get(path), 404, "unknown_route")
    assert "tracking URI" in problem["message"]
    assert "/api/mlflow" in problem["message"]
    other = refused(member.get("/api/nowhere"), 404, "unknown_route")
    assert "tracking URI" not in other["message"]


def body_schema(method: str, path: str) -> dict[str, Any] | None:
    operation = DOCUMENT["paths"][path][method.lower()]
    media = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return media["schema"] if media else None


def documents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    found = [body.get("content", {}).get("application/json") for body in bodies]
    return [media for media in found if media is not None]
