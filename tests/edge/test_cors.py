"""Browsers: who may call, and that refusals can be read."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway

PAGE = "https://app.example"


@pytest.fixture(scope="module")
def open_to_page(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that pages of one origin may call, twice a minute and anonymously not more."""
    with RunningGateway(
        new_database(), mlflow_server.url, cors_origins=(PAGE,), rate_limit=1, failure_limit=2
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
    answer = preflight(open_to_page, PAGE, path)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert "x-request-id" in answer.headers


def test_other_origins_are_refused(open_to_page: RunningGateway) -> None:
    answer = preflight(open_to_page, "https://other.example")
    assert (answer.status_code, answer.json()["reason"]) == (403, "permission_denied")
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


def test_refusals_can_be_read_by_the_page(open_to_page: RunningGateway) -> None:
    with open_to_page.client(open_to_page.key(), Origin=PAGE) as client:
        answers = {
            200: client.get("/api/limits"),
            429: client.get("/api/limits"),
            401: client.get("/api/limits", headers={"Authorization": "Bearer wrong"}),
        }
    with open_to_page.client(open_to_page.key(), Origin=PAGE) as client:
        answers[403] = client.get("/api/admin/keys")
    for status, answer in answers.items():
        assert answer.status_code == status, answer.text
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-expose-headers"] == "*"


def test_without_the_setting_no_page_may_call(gateway: RunningGateway) -> None:
    answer = preflight(gateway, PAGE)
    assert answer.status_code == 401
    assert not [name for name in answer.headers if name.startswith("access-control")]
