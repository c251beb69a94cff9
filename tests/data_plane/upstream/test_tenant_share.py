"""One caller holds its share of the connections to MLflow, and no more; others find one."""

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
    """Does what a request's target says; requests for `/wait` are answered all at once.

    targets: in the order in which they came. waiting: those that are not answered yet.
    """

    def __init__(self) -> None:
        self.targets: list[bytes] = []
        self.waiting = 0
        self.go_on = asyncio.Event()

    async def __call__(self, connection: UpstreamConnection) -> None:
        while True:
            head = await connection.read_head()
            target = head.split()[1]
            self.targets.append(target)
            if target.startswith(b"/wait"):
                self.waiting += 1
                try:
                    await self.go_on.wait()
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


async def whole_share(app: ForwardingApp, mlflow: MLflow) -> None:
    """Fails unless a caller gets all of its share at once, and not one connection more."""
    mlflow.go_on.clear()
    asks = [asyncio.ensure_future(app.send(raw(b"/wait", b"a"))) for _ in range(HELD + 2)]
    await until(lambda: mlflow.waiting == HELD)
    # Somebody else goes past those two.
    assert (await app.send(raw(b"/", b"b"))).status == 200
    assert mlflow.waiting == HELD
    mlflow.go_on.set()
    assert {response.status for response in await asyncio.gather(*asks)} == {200}


async def test_above_its_share_a_caller_waits_and_others_do_not(forwarding: Forwarding) -> None:
    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=CONNECTIONS, share=SHARE, queue_timeout=0.3) as (
        app,
        upstream,
    ):
        asks = [asyncio.ensure_future(app.send(raw(b"/wait", b"a"))) for _ in range(5)]
        await until(lambda: app.finished == 2)
        assert (mlflow.waiting, len(upstream.connections)) == (HELD, HELD)
        for _ in range(3):
            assert (await app.send(raw(b"/", b"b"))).status == 200
        mlflow.go_on.set()
        responses = await asyncio.gather(*asks)
        assert sorted(response.status for response in responses) == [200, 200, 200, 503, 503]
        refused = [response for response in responses if response.status == 503]
        assert {response.header(b"retry-after") for response in refused} == {b"1"}
        for error in app.errors:
            assert isinstance(error, UpstreamBusyError)
            assert "hold 3 connections to MLflow, as many as one caller" in error.message


async def test_callers_that_take_all_they_can_leave_some_for_the_next(
    forwarding: Forwarding,
) -> None:
    """With a share of a half each takes half of what is left."""

    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=16, share=SHARE) as (app, _):
        asks = []
        for caller, held in [(b"a", 8), (b"b", 12), (b"c", 14), (b"d", 15)]:
            asks += [asyncio.ensure_future(app.send(raw(b"/wait", caller))) for _ in range(16)]
            await until(lambda held=held: mlflow.waiting == held)  # type: ignore[misc]
            assert (await app.send(raw(b"/", b"next"))).status == 200
            assert mlflow.waiting == held
        mlflow.go_on.set()
        assert {response.status for response in await asyncio.gather(*asks)} == {200}


async def test_the_gateway_itself_has_no_share(forwarding: Forwarding) -> None:
    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=CONNECTIONS, share=SHARE) as (app, _):
        asks = [asyncio.ensure_future(app.get(b"/wait")) for _ in range(CONNECTIONS)]
        await until(lambda: mlflow.waiting == CONNECTIONS)
        mlflow.go_on.set()
        assert {response.status for response in await asyncio.gather(*asks)} == {200}


async def test_those_who_wait_take_turns_by_caller(forwarding: Forwarding) -> None:
    mlflow = MLflow()
    async with forwarding(mlflow, max_connections=1) as (app, _):
        first = asyncio.ensure_future(app.send(raw(b"/wait", b"a")))
        await until(lambda: mlflow.waiting)
        pool = app.upstream._pool

        async def queued(number: int, target: bytes, caller: bytes) -> asyncio.Task[Response]:
            asked = asyncio.create_task(app.send(raw(target, caller)))
            await until(lambda: sum(map(len, pool._queues.values())) == number)
            return asked

        asks = [
            await queued(1, b"/a1", b"a"),
            await queued(2, b"/a2", b"a"),
            await queued(3, b"/a3", b"a"),
            await queued(4, b"/b", b"b"),
        ]
        mlflow.go_on.set()
        await asyncio.gather(first, *asks)
        assert mlflow.targets == [b"/wait", b"/a1", b"/b", b"/a2", b"/a3"]


Fault = Callable[[ForwardingApp, MLflow], Awaitable[None]]


def asks_for(target: bytes, status: int, *, whole: bool = True) -> Fault:
    async def fault(app: ForwardingApp, _: MLflow) -> None:
        response = await app.send(raw(target, b"a"))
        assert (response.status, response.complete) == (status, whole)

    return fault


async def leaves(app: ForwardingApp, data: bytes, there: Callable[[], object]) -> None:
    before = app.finished
    _, writer = await app.connect()
    writer.write(data)
    await until(there)
    writer.close()
    await until(lambda: app.finished > before)


async def leaves_while_mlflow_works(app: ForwardingApp, mlflow: MLflow) -> None:
    await leaves(app, raw(b"/silent", b"a"), lambda: mlflow.targets[-1:] == [b"/silent"])
    mlflow.targets.clear()


async def leaves_an_upload(app: ForwardingApp, mlflow: MLflow) -> None:
    data = raw(b"/silent", b"a", b"content-length: 100", method=b"PUT") + b"some"
    await leaves(app, data, lambda: mlflow.targets[-1:] == [b"/silent"])
    mlflow.targets.clear()


async def leaves_the_queue(app: ForwardingApp, mlflow: MLflow) -> None:
    mlflow.go_on.clear()
    asks = [asyncio.ensure_future(app.send(raw(b"/wait", b"a"))) for _ in range(HELD)]
    await until(lambda: mlflow.waiting == HELD)
    await leaves(app, raw(b"/never", b"a"), lambda: app.upstream._pool._queues)
    mlflow.go_on.set()
    await asyncio.gather(*asks)
    assert b"/never" not in mlflow.targets


async def drips(app: ForwardingApp, _: MLflow) -> None:
    data = raw(b"/silent", b"a", b"content-length: 100", method=b"PUT") + b"some"
    assert (await app.send(data)).status == 400


async def is_answered_early(app: ForwardingApp, _: MLflow) -> None:
    data = raw(b"/early", b"a", b"content-length: 1000", method=b"PUT") + b"some"
    assert (await app.send(data)).status == 413


FAULTS: dict[str, Fault] = {
    "a reset": asks_for(b"/reset", 502),
    "an end in the head": asks_for(b"/head", 502),
    "an end in the body": asks_for(b"/body", 200, whole=False),
    "bad framing": asks_for(b"/bad", 502),
    "a response that ends with its connection": asks_for(b"/close", 200),
    "silence": asks_for(b"/silent", 504),
    "a client that leaves": leaves_while_mlflow_works,
    "a client that leaves an upload": leaves_an_upload,
    "a client that leaves the queue": leaves_the_queue,
    "a client that drips": drips,
    "an early response": is_answered_early,
}


@pytest.mark.parametrize("kind", FAULTS)
async def test_after_any_fault_the_whole_share_is_there(forwarding: Forwarding, kind: str) -> None:
    mlflow = MLflow()
    async with forwarding(
        mlflow,
        max_connections=CONNECTIONS,
        share=SHARE,
        queue_timeout=30,
        read_timeout=0.5 if kind == "silence" else 30,
        body_timeout=0.3 if kind == "a client that drips" else 30,
    ) as (app, _):
        # Once on a new connection and then on used ones; more often than there are any.
        for _ in range(CONNECTIONS + 1):
            await FAULTS[kind](app, mlflow)
        await whole_share(app, mlflow)
        pool = app.upstream._pool
        await until(lambda: not pool._held)


async def nobody_waits_in_vain(pool: Pool) -> None:
    """Fails where somebody waits for a connection who may have one that is there to be had."""
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
async def test_after_all_faults_at_once_the_whole_share_is_there(
    forwarding: Forwarding, seed: int
) -> None:
    chance = random.Random(seed)
    targets = [b"/", b"/reset", b"/head", b"/body", b"/bad", b"/close", b"/early", b"/silent"]

    async def stray(app: ForwardingApp) -> None:
        """One request of some caller's, which may leave at any moment."""
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
        watch = asyncio.create_task(nobody_waits_in_vain(upstream._pool))
        await asyncio.gather(*(stray(app) for _ in range(300)))
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch
        await until(lambda: not upstream._active and not upstream._pool._opening)
        assert upstream._pool._held == {}
        # From here on nobody is slow, but for a busy machine.
        upstream._limits = replace(upstream._limits, read_timeout=30)
        upstream._pool._limits = replace(upstream._pool._limits, queue_timeout=30)
        await whole_share(app, mlflow)


async def test_the_whole_share_is_there_after_mlflow_was_away(forwarding: Forwarding) -> None:
    # Bound, and nobody listens: connections are refused.
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
            await whole_share(app, mlflow)


async def test_who_does_not_read_holds_no_connection_for_what_is_here(
    forwarding: Forwarding,
) -> None:
    body = bytes(60_000)
    answered = 0

    async def script(connection: UpstreamConnection) -> None:
        nonlocal answered
        while True:
            await connection.respond(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            answered += 1

    async with forwarding(script, max_connections=1, queue_timeout=30) as (app, upstream):
        with socket.socket() as unread:
            # Its window is what it says before it is connected.
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            unread.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(unread, ("127.0.0.1", app.port))
            await loop.sock_sendall(unread, raw(b"/", b"a") * 500)
            # Until nothing more can be written for it: its requests come one after the other.
            before = -1
            while before != answered:
                before = answered
                await asyncio.sleep(0.3)
            assert answered < 500
            assert (await app.send(raw(b"/", b"b"))).body == body
            assert len(upstream.connections) == 1
