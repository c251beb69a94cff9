"""GET /openapi.json and GET /docs: the API reference, rendered on the first request."""

import asyncio
from html import escape

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.control_plane.reference import page
from app.core.app_state import state_of
from app.core.html import PAGE_HEADERS
from app.core.settings import Settings


class ReferenceEndpoints:
    """Serves the OpenAPI document of an application, and the page that shows it.

    Both are kept as text, since anybody may request them. What they were made from is released,
    because it takes ten times as much memory.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._lock = asyncio.Lock()
        self._rendered: tuple[Response, str] | None = None

    async def document(self, _: Request) -> Response:
        """The OpenAPI document, as JSON."""
        response, _page = await self._render_once()
        return response

    async def page(self, request: Request) -> Response:
        """The page, as HTML, with the public address of the gateway, or that of this process."""
        _document, text = await self._render_once()
        address = state_of(request)[Settings].public_url or _own_address(request)
        return HTMLResponse(text.replace(page.ADDRESS, escape(address)), headers=PAGE_HEADERS)

    async def _render_once(self) -> tuple[Response, str]:
        async with self._lock:
            if self._rendered is None:
                # In a thread, because it takes a quarter of a second.
                self._rendered = await asyncio.to_thread(self._render)
            return self._rendered

    def _render(self) -> tuple[Response, str]:
        document = self._api.openapi()
        self._api.openapi_schema = None
        return JSONResponse(document), page.render(document)


def _own_address(request: Request) -> str:
    """The address at which the connection has arrived.

    Not the Host header, which the caller chooses: a cache could show it to others.
    """
    host, port = request.scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
