"""GET /openapi.json and GET /docs: the API reference, rendered on the first request."""

import asyncio
import json
from html import escape

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from app.control_plane.reference import openapi, page
from app.core.html import PAGE_HEADERS
from app.rest.public_address import public_address


class ReferenceEndpoints:
    """Serves the OpenAPI document of an application, and the page that shows it.

    Both are kept as text, since anybody may request them. What they were made from is released,
    because it takes ten times as much memory.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._lock = asyncio.Lock()
        self._rendered: tuple[str, str] | None = None

    async def document(self, request: Request) -> Response:
        """The OpenAPI document, as JSON, whose server is the gateway's address."""
        document, _page = await self._render_once()
        address = json.dumps(public_address(request))[1:-1]
        return Response(
            document.replace(openapi.ADDRESS, address),
            media_type="application/json",
        )

    async def page(self, request: Request) -> Response:
        """The page, as HTML, with the public address of the gateway, or that of this process."""
        _document, text = await self._render_once()
        return HTMLResponse(
            text.replace(page.ADDRESS, escape(public_address(request))), headers=PAGE_HEADERS
        )

    async def _render_once(self) -> tuple[str, str]:
        async with self._lock:
            if self._rendered is None:
                # In a thread, because it takes a quarter of a second.
                self._rendered = await asyncio.to_thread(self._render)
            return self._rendered

    def _render(self) -> tuple[str, str]:
        document = self._api.openapi()
        self._api.openapi_schema = None
        return json.dumps(document), page.render(document)
