"""The endpoints of the API reference: rendered once, and never with another address than theirs."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request

from app.control_plane.reference import openapi
from app.control_plane.reference.endpoints import ReferenceEndpoints
from app.core.app_state import AppState
from app.core.settings import Settings


def api_with(public_url: str | None) -> FastAPI:
    api = FastAPI(title="An API")
    api.state.services = AppState({Settings: Settings(public_url=public_url)})
    return api


def request(api: FastAPI, host: str) -> Request:
    return Request(
        {
            "type": "http",
            "app": api,
            "scheme": "http",
            "path": "/docs",
            "headers": [(b"host", host.encode())],
            "server": ("127.0.0.1", 8000),
        }
    )


async def test_the_document_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    api = api_with(None)
    count = 0

    def openapi() -> dict[str, Any]:
        nonlocal count
        count += 1
        return {"info": {"title": "An API"}, "openapi": "3.1.0", "paths": {}}

    monkeypatch.setattr(api, "openapi", openapi)
    reference = ReferenceEndpoints(api)
    calls = [reference.document(request(api, "a")) for _ in range(3)]
    responses = await asyncio.gather(*calls, reference.page(request(api, "a")))
    assert count == 1
    assert responses[0].media_type == "application/json"


@pytest.mark.parametrize(("server", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_the_page_shows_where_the_connection_arrived(server: str, shown: str) -> None:
    api = api_with(None)
    asked = request(api, 'evil.example"><script>')
    asked.scope["server"] = (server, 8443)
    page = await ReferenceEndpoints(api).page(asked)
    assert f"export HOKUSAI_URL=http://{shown}:8443\n".encode() in page.body
    assert b"evil" not in page.body


async def test_the_server_of_the_document_is_the_gateway() -> None:
    for public_url, address in (
        (None, "http://127.0.0.1:8000"),
        ("https://gateway.example", "https://gateway.example"),
    ):
        api = api_with(public_url)
        openapi.complete(api, frozenset())
        response = await ReferenceEndpoints(api).document(request(api, "evil.example"))
        assert json.loads(bytes(response.body))["servers"] == [{"url": address}]


async def test_the_page_shows_the_public_address_where_there_is_one() -> None:
    api = api_with("https://gateway.example/hokusai")
    page = await ReferenceEndpoints(api).page(request(api, "inner.example"))
    assert b"export HOKUSAI_URL=https://gateway.example/hokusai\n" in page.body
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
