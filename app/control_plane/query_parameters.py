"""Refuses a query parameter that an endpoint does not know, or that is given twice.

FastAPI ignores the former, and uses the last of the latter: a misspelt filter would select
everything.
"""

from collections.abc import Awaitable, Iterable
from dataclasses import asdict
from inspect import isclass
from typing import get_origin
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import UnprocessableError
from app.core.validation_errors import MOST_PROBLEMS, Problem, unknown_name, written_place

_NONE_KNOWN = "is not known: this endpoint takes no query parameters"


def refuse_unknown(routes: Iterable[BaseRoute]) -> None:
    """Make the routes refuse, with 422, what they do not know."""
    for route in routes:
        if isinstance(route, Route):
            names = _names(route.dependant) if isinstance(route, APIRoute) else {}
            route.app = _KnownOnly(route.app, names)


class _KnownOnly:
    """ASGI middleware of one route.

    known: the names of its query parameters, each with whether it may be given several times.
    """

    def __init__(self, app: ASGIApp, known: dict[str, bool]) -> None:
        self.app = app
        self.known = known

    # Not `async`: most requests have no query, and need no further coroutine.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["query_string"]:
            self._check(scope["query_string"].decode("latin-1"))
        return self.app(scope, receive, send)

    def _check(self, query: str) -> None:
        problems: dict[Problem, None] = {}
        seen: set[str] = set()
        for name, _ in parse_qsl(query, keep_blank_values=True):
            if name not in self.known:
                problem = unknown_name(name, list(self.known)) if self.known else _NONE_KNOWN
            elif name in seen and not self.known[name]:
                problem = "is given more than once"
            else:
                seen.add(name)
                continue
            problems[Problem(written_place(["query", name]), problem)] = None
            if len(problems) == MOST_PROBLEMS:
                break
        if problems:
            raise UnprocessableError(
                "; ".join(
                    f"query parameter {one.where.removeprefix('query').removeprefix('.')}: "
                    f"{one.problem}"
                    for one in problems
                ),
                extra={"problems": [asdict(one) for one in problems]},
            )


def _names(dependant: Dependant) -> dict[str, bool]:
    """The query parameters of an endpoint and of its dependencies: see `_KnownOnly`."""
    names: dict[str, bool] = {}
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isclass(kind) and issubclass(kind, BaseModel):
            names |= {one.alias or name: False for name, one in kind.model_fields.items()}
        else:
            names[field.alias] = get_origin(kind) is list
    for dependency in dependant.dependencies:
        names |= _names(dependency)
    return names
