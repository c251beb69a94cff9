"""Routes whose requests have a document that `BodyReader` has parsed."""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.control_plane.body_reader import DOCUMENT


class DocumentRoute(APIRoute):
    """A route whose requests have their document already.

    FastAPI would parse it once more, on the event loop.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, for a request that has its document already."""
        handle = super().get_route_handler()

        async def handle_parsed(request: Request) -> Response:
            if DOCUMENT in request.scope:
                request._json = request.scope[DOCUMENT]
            return await handle(request)

        return handle_parsed


class DirectRoute(DocumentRoute):
    """A route for an endpoint with many requests, which the route itself calls.

    FastAPI finds out at each request what an endpoint's parameters are, and keeps what they may
    have opened. Here an endpoint has only parameters that are known at the start and open nothing:
    the request, headers, one model as the body, and dependencies that take
    nothing but the request. An invalid request goes to FastAPI, so that its errors are those of any
    other route.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Raises TypeError for an endpoint with other parameters."""
        super().__init__(path, endpoint, **options)
        self._respond_by_fastapi = self.app
        self.app = self._respond
        self._dependencies = [_call(one) for one in self.dependant.dependencies]
        (self._body,) = self.dependant.body_params
        if self.dependant.path_params or self.dependant.query_params:
            raise TypeError(f"{endpoint.__name__} takes more than headers and a body")
        self._view: TypeAdapter[Any] = TypeAdapter(self.response_model)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        values = {name: await call(request) for name, call in self._dependencies}
        if not self._read(request, values):
            await self._respond_by_fastapi(scope, receive, send)
            return
        result = await self.endpoint(**values)
        content = self._view.dump_json(result, by_alias=True)
        response = Response(content, self.status_code or 200, media_type="application/json")
        await response(scope, receive, send)

    def _read(self, request: Request, values: dict[str, Any]) -> bool:
        """Add the values of the request's parts; return whether all are valid."""
        for header in self.dependant.header_params:
            text = request.headers.get(header.alias)
            if text is None:
                values[header.name] = header.get_default()
                continue
            values[header.name], errors = header.validate(text)
            if errors:
                return False
        if self.dependant.request_param_name is not None:
            values[self.dependant.request_param_name] = request
        if DOCUMENT not in request.scope:
            return False
        values[self._body.name], errors = self._body.validate(request.scope[DOCUMENT])
        return not errors


def _call(dependency: Dependant) -> tuple[str, Callable[[Request], Awaitable[Any]]]:
    """The parameter of a dependency, and its function."""
    takes = (
        dependency.dependencies,
        dependency.path_params,
        dependency.query_params,
        dependency.header_params,
        dependency.cookie_params,
        dependency.body_params,
    )
    if not iscoroutinefunction(dependency.call) or any(takes):
        raise TypeError(f"{dependency.call} is not a coroutine function of the request")
    return dependency.name or "", dependency.call
