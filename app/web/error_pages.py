"""Shows errors as pages to people, with the words of the JSON that programs get."""

import json
from collections.abc import Awaitable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.rendering import HEADERS, render

# Paths of MLflow's pages. All others below /api/ are for programs.
MLFLOW_PAGES = ("/api/mlflow", "/api/mlflow/")
PROBES = ("/livez", "/readyz", "/version", "/metrics")
PROBLEM = b"application/problem+json"
# Headers of the JSON that a page has others of, or that would make a browser ask for a password.
_REPLACED = frozenset({b"content-type", b"content-length", b"www-authenticate"})


class ErrorPages:
    """ASGI middleware around the whole gateway.

    It replaces the response with an error to a browser that navigates. A redirection to the page on
    which one signs in, which `Identity` makes of an error, keeps its status and gets no body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    # Not `async`: other requests need no further coroutine.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and is_navigation(scope):
            send = _PageSender(scope, send)
        return self.app(scope, receive, send)


def is_navigation(scope: Scope) -> bool:
    """Whether a request is for a page, by a browser that shows it to a person.

    Only then does a browser accept HTML by its name; programs accept anything or JSON.
    """
    path = scope["path"]
    if (path.startswith("/api/") and path not in MLFLOW_PAGES) or path in PROBES:
        return False
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").lower()
    return b"text/html" in accepted


class _PageSender:
    """Sends the response to one request; one with an error as a page."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if (b"content-type", PROBLEM) in message["headers"]:
                self._start = message
                return
        elif self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self._start)
            return
        await self._send(message)

    async def _send_page(self, start: Message) -> None:
        headers = [one for one in start["headers"] if one[0] not in _REPLACED]
        headers += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        status, body = start["status"], b""
        if status != HTTPStatus.SEE_OTHER:
            problem = json.loads(self._body)
            body = render(self._scope, "error.html", problem=problem).encode()
        headers.append((b"content-type", b"text/html; charset=utf-8"))
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if self._scope["method"] == "HEAD" else body
        await self._send({"type": "http.response.body", "body": body})
