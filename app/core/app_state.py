"""The services that endpoints use, by type: `state_of(request)[Limiter]` is a `Limiter`."""

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")


class AppState:
    """One object for each type; built once, where the application is assembled.

    A key may be a Protocol: a package then gets what it needs of one above it without importing it.
    """

    def __init__(self, services: Mapping[type[Any], object]) -> None:
        self._services = dict(services)

    def __getitem__(self, kind: type[T]) -> T:
        """The object registered for a type. Raises KeyError for one that was not registered."""
        service: Any = self._services[kind]
        found: T = service
        return found


def state_of(request: Request) -> AppState:
    """The state of the application that serves a request."""
    state: AppState = request.app.state.services
    return state
