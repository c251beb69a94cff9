"""Responses of which a client may cause any number are sent to it at a bounded pace."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app.edge import response_pace
from app.edge.lifecycle import PEOPLE, RequestLifecycle
from app.edge.response_pace import ResponsePace
from app.web.error_pages import ErrorPages
from app.web.static_files import static_path
from tests.support.gateway import RunningGateway
from tests.support.raw_http import RawConnection, request
from tests.support.responses import good
from tests.support.tab import Tab
from tests.support.waiting import wait_until

# Nothing listens there, and nothing here needs it.
NO_MLFLOW = "http://127.0.0.1:1"
# The gateway itself responds, to each page of MLflow's web interface.
OWN_RESPONSE = "/api/mlflow/ajax-api/2.0/mlflow/users/current"
LIMITS = "GET /api/limits HTTP/1.1"
SEARCH = "POST /api/mlflow/api/2.0/mlflow/experiments/search HTTP/1.1"
REQUESTS = {
    "a key above its limit": request(LIMITS, "X-API-Key: KEY"),
    "a key above its limit, to MLflow": request(SEARCH, "X-API-Key: KEY"),
    "a wrong key": request(LIMITS, "X-API-Key: x"),
    "no key": request(LIMITS),
    "a probe": request(),
    "a preflight": request(
        "OPTIONS / HTTP/1.1", "Origin: http://a", "Access-Control-Request-Method: GET"
    ),
    "another method": request("PROPFIND / HTTP/1.1"),
}


@pytest.fixture(scope="module")
def paced(new_database: Callable[[], str]) -> Iterator[RunningGateway]:
    """A gateway that delays from the third response on, for as long as the tests take."""
    limits = {"rate_limit": 1, "failure_limit": 1, "rate_window": 3600, "shutdown_grace_period": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response_pace, "BURST", 2)
        patch.setattr(response_pace, "PER_SECOND", 0.001)
        with RunningGateway(new_database(), NO_MLFLOW, **limits) as running:
            yield running


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_client_that_ignores_responses_is_slowed_down(paced: RunningGateway, kind: str) -> None:
    source = f"127.0.1.{list(REQUESTS).index(kind)}"
    one = REQUESTS[kind].replace(b"KEY", paced.key().encode())
    pages = paced.app.app
    assert isinstance(pages, ErrorPages)
    lifecycle = pages.app
    assert isinstance(lifecycle, RequestLifecycle)
    is_limited = "key" in kind
    pace = lifecycle.refusals if is_limited else lifecycle.uncounted
    pace.max_delay = 3600
    before = pace.waiting
    with ExitStack() as stack:
        connections = [stack.enter_context(RawConnection(paced, source=source)) for _ in range(4)]
        for _ in range(is_limited + response_pace.BURST):
            connections[0].send(one)
            connections[0].read_response()
        for number, connection in enumerate(connections, 1):
            connection.send(one)
            wait_until(lambda expected=before + number: pace.waiting == expected)  # type: ignore[misc]
        # A key at the same address that is below its limit does not wait.
        below = request(LIMITS, f"X-API-Key: {paced.key()}")
        with RawConnection(paced, source=source) as connection:
            connection.send(below)
            assert connection.read_response().status == 200
        assert pace.waiting == before + len(connections)


async def test_each_address_has_a_pace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_pace, "BURST", 1)
    monkeypatch.setattr(response_pace, "PER_SECOND", 100)
    monkeypatch.setattr(response_pace, "MAX_WAITING", 2)
    pace = ResponsePace(max_delay=3600)
    await pace.wait("192.0.2.1")
    waiting = [asyncio.create_task(pace.wait("192.0.2.1")) for _ in range(2)]
    await asyncio.sleep(0)
    assert pace.waiting == 2
    await pace.wait("192.0.2.2")
    # Where many wait, the next one does not: each holds its request.
    await pace.wait("192.0.2.1")
    await asyncio.gather(*waiting)
    assert pace.waiting == 0


async def test_few_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_pace, "MAX_ADDRESSES", 3)
    pace = ResponsePace(max_delay=3600)
    for number in range(10):
        await pace.wait(f"192.0.2.{number}")
        assert len(pace) <= 3


def test_people_behind_one_address_load_pages_without_delay(paced: RunningGateway) -> None:
    """Files have ten times the burst, and what comes with a page counts for each session."""
    pages = paced.app.app
    assert isinstance(pages, ErrorPages)
    lifecycle = pages.app
    assert isinstance(lifecycle, RequestLifecycle)
    lifecycle.uncounted.max_delay = lifecycle.files.max_delay = 3600
    own, file = OWN_RESPONSE, static_path("style.css")
    before = lifecycle.uncounted.waiting
    for _ in range(PEOPLE):
        with Tab(paced) as tab:
            tab.sign_in(paced.key())
            for _ in range(response_pace.BURST):
                good(tab.get(own))
                assert tab.get(file).status_code == 200
    assert lifecycle.uncounted.waiting == before
    with RawConnection(paced) as connection:
        connection.send(request(f"GET {file} HTTP/1.1"))
        wait_until(lambda: lifecycle.files.waiting == 1)
