"""A typed container of services: `state_of(request)[Limiter]` is a `Limiter`."""

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")


class AppState:
    """One service for each type; filled once, by `app.main`.

    services: by their type. A key may be a Protocol, so that a package can use a service of a
    package that it must not import.
    """

    def __init__(self, services: Mapping[type[Any], object]) -> None:
        self._services = dict(services)

    def __getitem__(self, kind: type[T]) -> T:
        """The service that is registered for a type. Raises KeyError if there is none."""
        service: Any = self._services[kind]
        found: T = service
        return found


def state_of(request: Request) -> AppState:
    """The services of the application that handles a request."""
    state: AppState = request.app.state.services
    return state
