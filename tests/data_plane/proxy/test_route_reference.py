"""The reference of MLflow's routes: complete, as HTML and JSON, and without active content."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from app.core.request.principal import Scope
from app.data_plane.proxy.manifest import Manifest, Route, load_manifest
from app.data_plane.proxy.route_reference import (
    RouteReference,
    is_listed,
    prefers_html,
    reference,
    render_html,
)

MANIFEST = load_manifest()


async def response(accept: bytes | None, method: str = "GET") -> tuple[dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the request has no body to read")

    headers = [] if accept is None else [(b"accept", accept)]
    scope = {"type": "http", "method": method, "headers": headers}
    await RouteReference(MANIFEST)(scope, receive, send)
    assert sent[0]["status"] == 200
    return dict(sent[0]["headers"]), sent[1]["body"]


def test_every_open_route_is_listed_with_its_scope_and_link() -> None:
    document = reference(MANIFEST)
    listed = {
        (route["method"], route["link"], route["scope"])
        for family in document["families"]
        for route in family["routes"]
    }
    assert listed == {
        (r.method, "/api/mlflow" + r.pattern.replace(":path}", "}"), r.scope.value)
        for r in MANIFEST.routes
        if r.scope is not None and is_listed(r)
    }
    assert ("POST", "/api/mlflow/graphql", "read") in listed
    assert ("GET", "/api/mlflow/api/2.0/mlflow/help", "read") in listed


def test_no_refused_route_is_named() -> None:
    text = json.dumps(reference(MANIFEST)) + render_html(reference(MANIFEST)).decode()
    for word in ("webhooks", "workspaces", "/gateway/", "promptlab", "/build/"):
        assert word not in text


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("application/json, text/html;q=0.9", False),
        ("application/json;q=0.5, text/html", True),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
        ("*/*", False),
        ("application/json", False),
        ("", False),
        (";,;=,", False),
    ],
)
async def test_a_browser_gets_html_and_a_program_json(accept: str, html: bool) -> None:
    assert prefers_html(accept) is html
    headers, body = await response(accept.encode())
    assert headers[b"content-type"].startswith(b"text/html" if html else b"application/json")
    assert headers[b"vary"] == b"accept"
    assert int(headers[b"content-length"]) == len(body)


async def test_without_an_accept_header_it_is_json() -> None:
    assert json.loads((await response(None))[1]) == reference(MANIFEST)


async def test_a_head_has_the_length_and_no_body() -> None:
    headers, body = await response(b"text/html", "HEAD")
    assert body == b""
    assert int(headers[b"content-length"]) > 0


class Page(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


async def test_the_page_loads_nothing_and_has_no_script() -> None:
    headers, body = await response(b"text/html")
    page = Page(body.decode())
    assert not {"script", "img", "link", "iframe", "form"} & set(page.tags)
    assert not [value for name in ("src", "style", "onclick") for value in page.values(name)]
    style = re.search(rb"<style>(.*?)</style>", body, re.DOTALL)
    assert style is not None
    assert b"url(" not in style[1]
    assert b"@import" not in style[1]
    policy = headers[b"content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(style[1]).digest())
    assert b"default-src 'none'; style-src 'sha256-" + digest + b"';" in policy


async def test_the_page_is_accessible() -> None:
    page = Page((await response(b"text/html"))[1].decode())
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    for target in page.values("href"):
        assert not target.startswith("#") or target[1:] in identifiers
    assert page.values("lang") == ["en"]
    assert {"header", "main", "nav", "h1", "h2", "thead"} <= set(page.tags)
    assert page.tags.count("h1") == 1
    rows = [tag for tag in page.tags if tag == "tr"]
    families = len(reference(MANIFEST)["families"])
    assert len(rows) == families + len([r for r in MANIFEST.routes if is_listed(r)])


def test_everything_is_escaped() -> None:
    nasty = '"><script>alert(1)</script>&'
    route = Route("GET", "/" + nasty, family=nasty, scope=Scope.READ, forbidden=(nasty,))
    text = render_html(reference(Manifest([route]))).decode()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in text
