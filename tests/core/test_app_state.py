"""Services are found by their type, or by a Protocol that they satisfy."""

from typing import Protocol

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from app.core.app_state import AppState, state_of


class Clock:
    def now(self) -> float:
        return 1.5


class TellsTime(Protocol):
    def now(self) -> float: ...


def test_a_service_is_found_by_its_type_or_by_a_protocol() -> None:
    clock = Clock()
    state = AppState({Clock: clock, TellsTime: clock})
    assert state[Clock] is clock
    assert state[TellsTime].now() == 1.5


def test_a_type_that_is_not_registered_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        AppState({})[Clock]


def test_the_state_is_that_of_the_requests_application() -> None:
    app = Starlette()
    app.state.services = AppState({Clock: Clock()})
    request = Request({"type": "http", "app": app})
    assert state_of(request) is app.state.services
