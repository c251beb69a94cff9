"""CORS: which origins may call, and that their pages can read refusals."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from app.main import PUBLIC_API
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway

V2 = "/api/mlflow/api/2.0/mlflow"
PAGE = "https://app.example"


@pytest.fixture(scope="module")
def open_to_page(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that pages of one origin may call, with low rate limits, in a window that outlasts
    the tests.
    """
    limits = {"rate_limit": 1, "failure_limit": 2, "rate_window": 3600}
    with RunningGateway(
        new_database(), mlflow_server.url, cors_origins=(PAGE,), **limits
    ) as running:
        yield running


def preflight(gateway: RunningGateway, origin: str, path: str = "/api/keys") -> httpx.Response:
    headers = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Origin": origin,
    }
    with gateway.client() as client:
        return client.options(path, headers=headers)


@pytest.mark.parametrize("path", ["/api/keys", "/api/mlflow/api/2.0/mlflow/runs/create"])
def test_a_preflight_needs_no_key(open_to_page: RunningGateway, path: str) -> None:
    response = preflight(open_to_page, PAGE, path)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in response.headers
    assert "x-request-id" in response.headers


def test_other_origins_are_refused(open_to_page: RunningGateway) -> None:
    response = preflight(open_to_page, "https://other.example")
    assert (response.status_code, response.json()["reason"]) == (403, "permission_denied")
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "origin"


def test_refusals_can_be_read_by_the_page(open_to_page: RunningGateway) -> None:
    with open_to_page.client(open_to_page.key(), Origin=PAGE) as client:
        responses = {
            200: client.get("/api/limits"),
            429: client.get("/api/limits"),
            401: client.get("/api/limits", headers={"Authorization": "Bearer wrong"}),
        }
    with open_to_page.client(open_to_page.key(), Origin=PAGE) as client:
        responses[403] = client.get("/api/admin/keys")
    for status, response in responses.items():
        assert response.status_code == status, response.text
        assert response.headers["access-control-allow-origin"] == PAGE
        assert response.headers["access-control-expose-headers"] == "*"


def test_without_the_setting_no_page_may_call_with_a_credential(gateway: RunningGateway) -> None:
    response = preflight(gateway, PAGE)
    assert (response.status_code, response.json()["reason"]) == (403, "permission_denied")
    with gateway.client(gateway.key(), Origin=PAGE) as client:
        responses = [response, client.get("/api/limits"), client.get(f"{V2}/experiments/search")]
    for one in responses:
        assert not [name for name in one.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("method", "path"), sorted(PUBLIC_API))
def test_routes_that_need_no_credential_are_open_to_pages_of_any_origin(
    gateway: RunningGateway, open_to_page: RunningGateway, method: str, path: str
) -> None:
    for server, origin in ((gateway, PAGE), (open_to_page, PAGE), (open_to_page, "null")):
        headers = {"Access-Control-Request-Method": method, "Origin": origin}
        with server.client() as client:
            asked = client.options(path, headers=headers)
            response = client.request(method, path, headers={"Origin": origin})
        assert asked.status_code == 204
        for one in (asked, response):
            assert one.headers.get_list("access-control-allow-origin") == ["*"]
            assert "access-control-allow-credentials" not in one.headers


def test_another_method_of_an_open_route_is_not_open(gateway: RunningGateway) -> None:
    response = preflight(gateway, PAGE, "/api/attestations/log")
    assert response.status_code == 403
