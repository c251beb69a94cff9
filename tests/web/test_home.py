"""The first page, and the frame that all pages have."""

import re

from tests.support.gateway import RunningGateway


def test_the_first_page_needs_no_credential(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"{gateway.url}/api/mlflow" in page.text
    assert 'href="/login?next=%2F"' in page.text


def test_a_page_allows_nothing_but_the_gateways_own_files(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; require-trusted-types-for 'script'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["permissions-policy"].startswith("camera=()")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers
    for forbidden in ("style=", "<style", "onclick", "http://www.w3.org"):
        assert forbidden not in page.text


def test_a_page_is_painted_after_one_stylesheet_and_no_script(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        for path in ("/", "/models", "/attestations", "/contributors", "/benchmarks", "/log"):
            page = client.get(path, headers={"Accept": "text/html"}).text
            assert page.count('rel="stylesheet"') == 1, path
            scripts = re.findall(r"<script[^>]*>", page)
            waits = r'defer|type="(module|application/json)"'
            assert [one for one in scripts if not re.search(waits, one)] == [], path
