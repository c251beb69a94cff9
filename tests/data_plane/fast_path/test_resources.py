"""The fast path: connections and memory that must be released."""

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.core.request.context import RequestContext
from app.core.request.head import RequestLine
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.transfer import Transfer
from tests.data_plane.fast_path.harness import StartHarness, echo
from tests.support.waiting import wait_until


def test_a_thousand_disconnecting_clients_leak_no_connection(start_harness: StartHarness) -> None:
    harness = start_harness(
        lambda request: request.connection.wait_closed(), upstream_connections=4
    )

    def leave(_: int) -> None:
        with harness.connect() as connection:
            connection.send(harness.get("warm") + harness.get("leave") * 2)
            connection.read_response()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(500)))

    def leave_at_once(_: int) -> None:
        with harness.connect() as connection:
            connection.send(harness.get("leave"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave_at_once, range(500)))
    wait_until(harness.is_idle)
    assert len(harness.pool._members) <= 4
    harness.warm_up()


def test_an_idle_connection_keeps_no_body(start_harness: StartHarness) -> None:
    """Thousands of clients may keep their connections, after each has sent a large body."""
    harness = start_harness(echo)
    name = "n" * 15_000
    with harness.connect() as connection:
        connection.send(harness.post(name))
        assert connection.read_response().status == 200
        assert harness.handled == [True]
        harness.gateway.settle()
        (cycle,) = harness.cycles
        found, left = [], [cycle]
        while left:
            found += [one for one in left if isinstance(one, bytes)]
            left = [one for one in gc.get_referents(*left) if _is_part(one)]
    assert found
    assert not any(name.encode() in one for one in found)


def _is_part(one: Any) -> bool:
    """Whether an object belongs to one request, and not to the gateway."""
    return isinstance(one, bytes | RequestContext | UpstreamRequest | Transfer | RequestLine)


def test_a_request_leaves_no_reference_cycles(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    with harness.connect() as connection:

        def send(times: int) -> None:
            for _ in range(times):
                connection.send(harness.get("a") if _ % 2 else harness.post("b"))
                assert connection.read_response().status == 200

        send(50)
        gc.collect()
        gc.disable()
        try:
            send(2000)
            harness.mlflow.requests.clear()
            left = gc.collect()
        finally:
            gc.enable()
    assert harness.handled.count(True) == 2050
    assert left < 200
