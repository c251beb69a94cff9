"""A caller holds at most its share of the connections to MLflow; the rest is for others."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from app.core.errors import UpstreamBusyError
from app.data_plane.upstream.pool import Pool
from tests.data_plane.upstream.forwarding_app import (
    Forwarding,
    ForwardingApp,
    Response,
)
from tests.support.scripted_upstream import (
    OK,
    UpstreamConnection,
    scripted_upstream,
)
from tests.support.waiting import until

CONNECTIONS = 6
SHARE = 0.5
HELD = 3


class MLflow:
    """Does what a request's target says; responses to `/wait` are held until `release` is set.

    targets: in order of arrival. waiting: how many requests for `/wait` have no response yet.
    """

    def __init__(self) -> None:
        self.targets: list[bytes] = []
        self.waiting = 0
        self.release = asyncio.Event()

    async def __call__(self, connection: UpstreamConnection) -> None:
        while True:
            head = await connection.read_head()
            target = head.split()[1]
            self.targets.append(target)
            if target.startswith(b"/wait"):
                self.waiting += 1
                try:
                    await self.release.wait()
                finally:
                    self.waiting -= 1
                await connection.send(OK)
            elif target == b"/reset":
                connection.reset()
                return
            elif target == b"/head":
                await connection.send(b"HTTP/1.1 200")
                return
            elif target == b"/body":
                await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nshort")
                return
            elif target == b"/bad":
                await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n")
            elif target == b"/close":
                await connection.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nthe end")
                return
            elif target == b"/early":
                await connection.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            elif target == b"/silent":
                await connection.wait_closed()
            else:
                await connection.send(OK)


def raw(target: bytes, caller: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    head = [b"%b %b HTTP/1.1" % (method, target), b"host: g", b"x-caller: " + caller, *lines]
    return b"\r\n".join([*head, b"", b""])


async def check_full_share(app: ForwardingApp, mlflow: MLflow) -> None:
    """Fails unless a caller can use its full share at once, and no further connection."""
    mlflow.release.clear()
    requests = [asyncio.ensure_future(app.send(raw(b"/wait", b"a"))) for _ in range(HELD + 2)]
    await until(lambda: mlflow.waiting == HELD)
    # Another caller overtakes the two that wait.
    assert (await app.send(raw(b"/", b"b"))).status == 200
    assert mlflow.waiting == HELD
    mlflow.release.set()
    assert {response.status for response in await asyncio.gather(*requests)} == {200}


async def test_above_its_share_a_caller_waits_and_others_do_not(forwarding: Forwarding) -> None:
    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=CONNECTIONS, share=SHARE, queue_timeout=0.3) as (
        app,
        upstream,
    ):
        requests = [asyncio.ensure_future(app.send(raw(b"/wait", b"a"))) for _ in range(5)]
        await until(lambda: (app.finished, mlflow.waiting) == (2, HELD))
        assert len(upstream.connections) == HELD
        for _ in range(3):
            assert (await app.send(raw(b"/", b"b"))).status == 200
        mlflow.release.set()
        responses = await asyncio.gather(*requests)
        assert sorted(response.status for response in responses) == [200, 200, 200, 503, 503]
        refused = [response for response in responses if response.status == 503]
        assert {response.header(b"retry-after") for response in refused} == {b"1"}
        for error in app.errors:
            assert isinstance(error, UpstreamBusyError)
            assert "hold 3 connections to MLflow, as many as one caller" in error.message


async def test_greedy_callers_leave_connections_for_the_next_caller(
    forwarding: Forwarding,
) -> None:
    """With a share of a half, each caller takes half of the remaining connections."""

    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=16, share=SHARE) as (app, _):
        requests = []
        for caller, held in [(b"a", 8), (b"b", 12), (b"c", 14), (b"d", 15)]:
            requests += [asyncio.ensure_future(app.send(raw(b"/wait", caller))) for _ in range(16)]
            await until(lambda held=held: mlflow.waiting == held)  # type: ignore[misc]
            assert (await app.send(raw(b"/", b"next"))).status == 200
            assert mlflow.waiting == held
        mlflow.release.set()
        assert {response.status for response in await asyncio.gather(*requests)} == {200}


async def test_the_gateway_itself_has_no_share(forwarding: Forwarding) -> None:
    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=CONNECTIONS, share=SHARE) as (app, _):
        requests = [asyncio.ensure_future(app.get(b"/wait")) for _ in range(CONNECTIONS)]
        await until(lambda: mlflow.waiting == CONNECTIONS)
        mlflow.release.set()
        assert {response.status for response in await asyncio.gather(*requests)} == {200}


async def test_waiting_requests_are_served_in_turn_by_caller(forwarding: Forwarding) -> None:
    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=1) as (app, _):
        first = asyncio.ensure_future(app.send(raw(b"/wait", b"a")))
        await until(lambda: mlflow.waiting)
        pool = app.upstream._pool

        async def queued(number: int, target: bytes, caller: bytes) -> asyncio.Task[Response]:
            task = asyncio.create_task(app.send(raw(target, caller)))
            await until(lambda: sum(map(len, pool._queues.values())) == number)
            return task

        requests = [
            await queued(1, b"/a1", b"a"),
            await queued(2, b"/a2", b"a"),
            await queued(3, b"/a3", b"a"),
            await queued(4, b"/b", b"b"),
        ]
        mlflow.release.set()
        await asyncio.gather(first, *requests)
        assert mlflow.targets == [b"/wait", b"/a1", b"/b", b"/a2", b"/a3"]


Fault = Callable[[ForwardingApp, MLflow], Awaitable[None]]


def request_for(target: bytes, status: int, *, complete: bool = True) -> Fault:
    async def fault(app: ForwardingApp, _: MLflow) -> None:
        response = await app.send(raw(target, b"a"))
        assert (response.status, response.complete) == (status, complete)

    return fault


async def disconnects(app: ForwardingApp, data: bytes, sent: Callable[[], object]) -> None:
    before = app.finished
    _, writer = await app.connect()
    writer.write(data)
    await until(sent)
    writer.close()
    await until(lambda: app.finished > before)


async def disconnects_while_mlflow_works(app: ForwardingApp, mlflow: MLflow) -> None:
    await disconnects(app, raw(b"/silent", b"a"), lambda: mlflow.targets[-1:] == [b"/silent"])
    mlflow.targets.clear()


async def disconnects_during_an_upload(app: ForwardingApp, mlflow: MLflow) -> None:
    data = raw(b"/silent", b"a", b"content-length: 100", method=b"PUT") + b"some"
    await disconnects(app, data, lambda: mlflow.targets[-1:] == [b"/silent"])
    mlflow.targets.clear()


async def disconnects_in_the_queue(app: ForwardingApp, mlflow: MLflow) -> None:
    mlflow.release.clear()
    requests = [asyncio.ensure_future(app.send(raw(b"/wait", b"a"))) for _ in range(HELD)]
    await until(lambda: mlflow.waiting == HELD)
    await disconnects(app, raw(b"/never", b"a"), lambda: app.upstream._pool._queues)
    mlflow.release.set()
    await asyncio.gather(*requests)
    assert b"/never" not in mlflow.targets


async def sends_too_slowly(app: ForwardingApp, _: MLflow) -> None:
    data = raw(b"/silent", b"a", b"content-length: 100", method=b"PUT") + b"some"
    assert (await app.send(data)).status == 400


async def gets_an_early_response(app: ForwardingApp, _: MLflow) -> None:
    data = raw(b"/early", b"a", b"content-length: 1000", method=b"PUT") + b"some"
    assert (await app.send(data)).status == 413


FAULTS: dict[str, Fault] = {
    "a reset": request_for(b"/reset", 502),
    "an end in the head": request_for(b"/head", 502),
    "an end in the body": request_for(b"/body", 200, complete=False),
    "bad framing": request_for(b"/bad", 502),
    "a response that ends with its connection": request_for(b"/close", 200),
    "no response": request_for(b"/silent", 504),
    "a client that disconnects": disconnects_while_mlflow_works,
    "a client that disconnects during an upload": disconnects_during_an_upload,
    "a client that disconnects in the queue": disconnects_in_the_queue,
    "a client that is too slow": sends_too_slowly,
    "an early response": gets_an_early_response,
}


@pytest.mark.parametrize("kind", FAULTS)
async def test_the_full_share_is_available_after_any_fault(
    forwarding: Forwarding, kind: str
) -> None:
    mlflow = MLflow()
    async with forwarding(
        mlflow,
        max_connections=CONNECTIONS,
        share=SHARE,
        queue_timeout=30,
        read_timeout=0.5 if kind == "no response" else 30,
        body_timeout=0.3 if kind == "a client that is too slow" else 30,
    ) as (app, _):
        # First on a new connection, then on used ones; more often than there are connections.
        for _ in range(CONNECTIONS + 1):
            await FAULTS[kind](app, mlflow)
        await check_full_share(app, mlflow)
        pool = app.upstream._pool
        await until(lambda: not pool._held)


async def watch_for_needless_waiting(pool: Pool) -> None:
    """Fails if a caller waits for a connection while it may have a free one."""
    while True:
        if pool._has_room() or any(not conn.transport.is_closing() for conn in pool._idle):
            waiting = {
                caller
                for caller, queue in pool._queues.items()
                if not all(slot.done() for slot, _ in queue)
            }
            assert not any(map(pool._may_hold_more, waiting))
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(3))
async def test_the_full_share_is_available_after_all_faults_at_once(
    forwarding: Forwarding, seed: int
) -> None:
    chance = random.Random(seed)
    targets = [b"/", b"/reset", b"/head", b"/body", b"/bad", b"/close", b"/early", b"/silent"]

    async def random_request(app: ForwardingApp) -> None:
        """A request of a random caller, which may disconnect at any moment."""
        await asyncio.sleep(chance.random())
        reader, writer = await app.connect()
        target, caller = chance.choice(targets), chance.choice([b"a", b"b", b"c"])
        if chance.random() < 0.5:
            writer.write(raw(target, caller, b"connection: close"))
        else:
            lines = (b"connection: close", b"content-length: 10")
            writer.write(raw(target, caller, *lines, method=b"PUT"))
            writer.write(bytes(chance.randrange(11)))
        try:
            async with asyncio.timeout(chance.choice([0.02, 0.2, 60])):
                await reader.read()
        except (TimeoutError, ConnectionError):
            pass
        writer.close()

    mlflow = MLflow()
    async with forwarding(
        mlflow,
        max_connections=CONNECTIONS,
        share=SHARE,
        queue_timeout=0.1,
        read_timeout=0.2,
        body_timeout=0.2,
    ) as (app, _):
        upstream = app.upstream
        watch = asyncio.create_task(watch_for_needless_waiting(upstream._pool))
        await asyncio.gather(*(random_request(app) for _ in range(300)))
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch
        await until(lambda: not upstream._active and not upstream._pool._opening)
        assert upstream._pool._held == {}
        # From here on, only a busy machine causes delays.
        upstream._limits = replace(upstream._limits, read_timeout=30)
        upstream._pool._limits = replace(upstream._pool._limits, queue_timeout=30)
        await check_full_share(app, mlflow)


async def test_the_full_share_is_available_after_mlflow_was_unreachable(
    forwarding: Forwarding,
) -> None:
    # Bound, but not listening: connections are refused.
    with socket.socket() as absent:
        absent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{absent.getsockname()[1]}"
        async with forwarding.app(url, max_connections=CONNECTIONS, share=SHARE) as app:
            responses = await asyncio.gather(
                *(app.send(raw(b"/", b"a")) for _ in range(4 * CONNECTIONS))
            )
            assert {response.status for response in responses} == {502}
            await until(lambda: not app.upstream._pool._held)
    mlflow = MLflow()
    async with scripted_upstream(mlflow) as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        async with forwarding.app(url, max_connections=CONNECTIONS, share=SHARE) as app:
            await check_full_share(app, mlflow)


async def test_a_client_that_does_not_read_holds_no_connection_for_received_responses(
    forwarding: Forwarding,
) -> None:
    body = bytes(60_000)
    sent = 0

    async def script(connection: UpstreamConnection) -> None:
        nonlocal sent
        while True:
            await connection.respond(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            sent += 1

    async with forwarding(script, max_connections=1, queue_timeout=30) as (app, upstream):
        with socket.socket() as unread:
            # The receive window follows from the buffer before the connection.
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            unread.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(unread, ("127.0.0.1", app.port))
            await loop.sock_sendall(unread, raw(b"/", b"a") * 500)
            # Until nothing more can be written to it: pipelined requests are handled in sequence.
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < 500
            assert (await app.send(raw(b"/", b"b"))).body == body
            assert len(upstream.connections) == 1
