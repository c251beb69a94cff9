"""Errors as pages: for people only, with the words that programs get."""

import html
from urllib.parse import urlencode

import pytest

from tests.support.gateway import RunningGateway
from tests.support.tab import FORM, Tab

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_an_error_has_the_words_reason_and_id_of_the_json(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(), **{"X-Request-ID": "same-id"}) as client:
        problem = client.get("/nothing").json()
        page = client.get("/nothing", headers={"Accept": BROWSER})
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    text = html.unescape(page.text)
    for word in (problem["title"], problem["message"], problem["reason"], "same-id"):
        assert word in text
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-request-id"] == "same-id"


def test_each_problem_of_a_request_is_listed_and_escaped(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(), Accept=BROWSER) as client:
        page = client.get("/?%3Cscript%3E=1&b=2")
    assert page.status_code == 422
    assert page.text.count("<li><code>query") == 2
    assert "<script>" not in page.text


def test_who_has_no_credential_is_led_to_the_sign_in_and_back(gateway: RunningGateway) -> None:
    with gateway.client(Accept=BROWSER) as client:
        for path in ("/models?kind=baseline&x=%26", "/api/mlflow/"):
            response = client.get(path)
            assert response.status_code == 303, path
            assert response.content == b""
            assert "www-authenticate" not in response.headers
            url = client.build_request("GET", response.headers["location"]).url
            assert (url.path, url.params["next"]) == ("/login", path)
        sent = client.post("/models")
        assert (sent.status_code, "Sign in" in sent.text) == (401, True)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/api/models/none", BROWSER),
        ("/api/mlflow/api/2.0/mlflow/nothing", BROWSER),
        ("/nothing", "*/*"),
        ("/nothing", "application/json"),
    ],
)
def test_programs_get_json(gateway: RunningGateway, path: str, accept: str) -> None:
    with gateway.client(gateway.key(), Accept=accept) as client:
        response = client.get(path)
    assert response.status_code in (403, 404)
    assert response.headers["content-type"] == "application/problem+json"


def test_after_a_form_that_came_too_late_one_signs_in_and_sees_its_page_again(
    gateway: RunningGateway,
) -> None:
    with Tab(gateway) as tab:
        tab.sign_in(gateway.key())
        ended = dict(tab.cookies)
        tab.delete("/api/auth/sessions/current")
        tab.cookies = ended
        for referer, following in (
            (f"{gateway.url}/account?x=1#keys", "/account?x=1"),
            ("https://evil.example/account", "/"),
            (f"{gateway.url}//evil.example", "/"),
            ("http://[", "/"),
        ):
            headers = {**FORM, "Referer": referer}
            sent = tab.post("/account/keys", headers=headers, data={"name": "n"})
            assert sent.status_code == 401
            assert f'href="/login?{urlencode({"next": following})}">Sign in' in sent.text
