"""One caller holds its share of the connections to MLflow, and no more; others find one."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from app.core.errors import UpstreamBusyError
from app.data_plane.upstream.pool import Pool
from tests.support.scripted_upstream import (
    OK,
    Answer,
    Gateway,
    Peer,
    Run,
    each_loop,
    gateway,
    hostile,
    scene,
    until,
)

pytestmark = each_loop

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

    async def __call__(self, peer: Peer) -> None:
        while True:
            head = await peer.head()
            target = head.split()[1]
            self.targets.append(target)
            if target.startswith(b"/wait"):
                self.waiting += 1
                try:
                    await self.go_on.wait()
                finally:
                    self.waiting -= 1
                await peer.send(OK)
            elif target == b"/reset":
                peer.reset()
                return
            elif target == b"/head":
                await peer.send(b"HTTP/1.1 200")
                return
            elif target == b"/body":
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nshort")
                return
            elif target == b"/bad":
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n")
            elif target == b"/close":
                await peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nthe end")
                return
            elif target == b"/early":
                await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            elif target == b"/silent":
                await peer.gone()
            else:
                await peer.send(OK)


def raw(target: bytes, caller: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    head = [b"%b %b HTTP/1.1" % (method, target), b"host: g", b"x-caller: " + caller, *lines]
    return b"\r\n".join([*head, b"", b""])


async def whole_share(front: Gateway, mlflow: MLflow) -> None:
    """Fails unless a caller gets all of its share at once, and not one connection more."""
    mlflow.go_on.clear()
    asks = [asyncio.ensure_future(front.ask(raw(b"/wait", b"a"))) for _ in range(HELD + 2)]
    await until(lambda: mlflow.waiting == HELD)
    # Somebody else goes past those two.
    assert (await front.ask(raw(b"/", b"b"))).status == 200
    assert mlflow.waiting == HELD
    mlflow.go_on.set()
    assert {answer.status for answer in await asyncio.gather(*asks)} == {200}


def test_above_its_share_a_caller_waits_and_others_do_not(run: Run) -> None:
    async def main() -> None:
        mlflow = MLflow()
        async with scene(mlflow, max_connections=CONNECTIONS, share=SHARE, queue_timeout=0.3) as (
            front,
            server,
        ):
            asks = [asyncio.ensure_future(front.ask(raw(b"/wait", b"a"))) for _ in range(5)]
            await until(lambda: front.ended == 2)
            assert (mlflow.waiting, len(server.peers)) == (HELD, HELD)
            for _ in range(3):
                assert (await front.ask(raw(b"/", b"b"))).status == 200
            mlflow.go_on.set()
            answers = await asyncio.gather(*asks)
            assert sorted(answer.status for answer in answers) == [200, 200, 200, 503, 503]
            refused = [answer for answer in answers if answer.status == 503]
            assert {answer.header(b"retry-after") for answer in refused} == {b"1"}
            for error in front.errors:
                assert isinstance(error, UpstreamBusyError)
                assert "hold 3 connections to MLflow, as many as one caller" in error.message

    run(main())


def test_callers_that_take_all_they_can_leave_some_for_the_next(run: Run) -> None:
    """With a share of a half each takes half of what is left."""

    async def main() -> None:
        mlflow = MLflow()
        async with scene(mlflow, max_connections=16, share=SHARE) as (front, _):
            asks = []
            for caller, held in [(b"a", 8), (b"b", 12), (b"c", 14), (b"d", 15)]:
                asks += [asyncio.ensure_future(front.ask(raw(b"/wait", caller))) for _ in range(16)]
                await until(lambda held=held: mlflow.waiting == held)  # type: ignore[misc]
                assert (await front.ask(raw(b"/", b"next"))).status == 200
                assert mlflow.waiting == held
            mlflow.go_on.set()
            assert {answer.status for answer in await asyncio.gather(*asks)} == {200}

    run(main())


def test_the_gateway_itself_has_no_share(run: Run) -> None:
    async def main() -> None:
        mlflow = MLflow()
        async with scene(mlflow, max_connections=CONNECTIONS, share=SHARE) as (front, _):
            asks = [asyncio.ensure_future(front.get(b"/wait")) for _ in range(CONNECTIONS)]
            await until(lambda: mlflow.waiting == CONNECTIONS)
            mlflow.go_on.set()
            assert {answer.status for answer in await asyncio.gather(*asks)} == {200}

    run(main())


def test_those_who_wait_take_turns_by_caller(run: Run) -> None:
    async def main() -> None:
        mlflow = MLflow()
        async with scene(mlflow, max_connections=1) as (front, _):
            first = asyncio.ensure_future(front.ask(raw(b"/wait", b"a")))
            await until(lambda: mlflow.waiting)
            pool = front.upstream._pool

            async def queued(number: int, target: bytes, caller: bytes) -> asyncio.Task[Answer]:
                asked = asyncio.create_task(front.ask(raw(target, caller)))
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

    run(main())


Fault = Callable[[Gateway, MLflow], Awaitable[None]]


def asks_for(target: bytes, status: int, *, whole: bool = True) -> Fault:
    async def fault(front: Gateway, _: MLflow) -> None:
        answer = await front.ask(raw(target, b"a"))
        assert (answer.status, answer.whole) == (status, whole)

    return fault


async def leaves(front: Gateway, data: bytes, there: Callable[[], object]) -> None:
    before = front.ended
    _, writer = await front.connect()
    writer.write(data)
    await until(there)
    writer.close()
    await until(lambda: front.ended > before)


async def leaves_while_mlflow_works(front: Gateway, mlflow: MLflow) -> None:
    await leaves(front, raw(b"/silent", b"a"), lambda: mlflow.targets[-1:] == [b"/silent"])
    mlflow.targets.clear()


async def leaves_an_upload(front: Gateway, mlflow: MLflow) -> None:
    data = raw(b"/silent", b"a", b"content-length: 100", method=b"PUT") + b"some"
    await leaves(front, data, lambda: mlflow.targets[-1:] == [b"/silent"])
    mlflow.targets.clear()


async def leaves_the_queue(front: Gateway, mlflow: MLflow) -> None:
    mlflow.go_on.clear()
    asks = [asyncio.ensure_future(front.ask(raw(b"/wait", b"a"))) for _ in range(HELD)]
    await until(lambda: mlflow.waiting == HELD)
    await leaves(front, raw(b"/never", b"a"), lambda: front.upstream._pool._queues)
    mlflow.go_on.set()
    await asyncio.gather(*asks)
    assert b"/never" not in mlflow.targets


async def drips(front: Gateway, _: MLflow) -> None:
    data = raw(b"/silent", b"a", b"content-length: 100", method=b"PUT") + b"some"
    assert (await front.ask(data)).status == 400


async def is_answered_early(front: Gateway, _: MLflow) -> None:
    data = raw(b"/early", b"a", b"content-length: 1000", method=b"PUT") + b"some"
    assert (await front.ask(data)).status == 413


FAULTS: dict[str, Fault] = {
    "a reset": asks_for(b"/reset", 502),
    "an end in the head": asks_for(b"/head", 502),
    "an end in the body": asks_for(b"/body", 200, whole=False),
    "bad framing": asks_for(b"/bad", 502),
    "an answer that ends with its connection": asks_for(b"/close", 200),
    "silence": asks_for(b"/silent", 504),
    "a client that leaves": leaves_while_mlflow_works,
    "a client that leaves an upload": leaves_an_upload,
    "a client that leaves the queue": leaves_the_queue,
    "a client that drips": drips,
    "an early answer": is_answered_early,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_after_any_fault_the_whole_share_is_there(run: Run, kind: str) -> None:
    async def main() -> None:
        mlflow = MLflow()
        async with scene(
            mlflow,
            max_connections=CONNECTIONS,
            share=SHARE,
            queue_timeout=30,
            read_timeout=0.5 if kind == "silence" else 30,
            body_timeout=0.3 if kind == "a client that drips" else 30,
        ) as (front, _):
            # Once on a new connection and then on used ones; more often than there are any.
            for _ in range(CONNECTIONS + 1):
                await FAULTS[kind](front, mlflow)
            await whole_share(front, mlflow)
            pool = front.upstream._pool
            await until(lambda: not pool._held)

    run(main())


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
def test_after_all_faults_at_once_the_whole_share_is_there(run: Run, seed: int) -> None:
    chance = random.Random(seed)
    targets = [b"/", b"/reset", b"/head", b"/body", b"/bad", b"/close", b"/early", b"/silent"]

    async def stray(front: Gateway) -> None:
        """One request of some caller's, which may leave at any moment."""
        await asyncio.sleep(chance.random())
        reader, writer = await front.connect()
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

    async def main() -> None:
        mlflow = MLflow()
        async with scene(
            mlflow,
            max_connections=CONNECTIONS,
            share=SHARE,
            queue_timeout=0.1,
            read_timeout=0.2,
            body_timeout=0.2,
        ) as (front, _):
            upstream = front.upstream
            watch = asyncio.create_task(nobody_waits_in_vain(upstream._pool))
            await asyncio.gather(*(stray(front) for _ in range(300)))
            watch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watch
            await until(lambda: not upstream._active and not upstream._pool._opening)
            assert upstream._pool._held == {}
            # From here on nobody is slow, but for a busy machine.
            upstream._limits = replace(upstream._limits, read_timeout=30)
            upstream._pool._limits = replace(upstream._pool._limits, queue_timeout=30)
            await whole_share(front, mlflow)

    run(main())


def test_the_whole_share_is_there_after_mlflow_was_away(run: Run) -> None:
    async def main() -> None:
        # Bound, and nobody listens: connections are refused.
        with socket.socket() as absent:
            absent.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{absent.getsockname()[1]}"
            async with gateway(url, max_connections=CONNECTIONS, share=SHARE) as front:
                answers = await asyncio.gather(
                    *(front.ask(raw(b"/", b"a")) for _ in range(4 * CONNECTIONS))
                )
                assert {answer.status for answer in answers} == {502}
                await until(lambda: not front.upstream._pool._held)
        mlflow = MLflow()
        async with hostile(mlflow) as server:
            url = f"http://127.0.0.1:{server.port}"
            async with gateway(url, max_connections=CONNECTIONS, share=SHARE) as front:
                await whole_share(front, mlflow)

    run(main())


def test_who_does_not_read_holds_no_connection_for_what_is_here(run: Run) -> None:
    body = bytes(60_000)
    answered = 0

    async def script(peer: Peer) -> None:
        nonlocal answered
        while True:
            await peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            answered += 1

    async def main() -> None:
        async with scene(script, max_connections=1, queue_timeout=30) as (front, server):
            with socket.socket() as unread:
                # Its window is what it says before it is connected.
                unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                unread.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(unread, ("127.0.0.1", front.port))
                await loop.sock_sendall(unread, raw(b"/", b"a") * 500)
                # Until nothing more can be written for it: its requests come one after the other.
                before = -1
                while before != answered:
                    before = answered
                    await asyncio.sleep(0.3)
                assert answered < 500
                assert (await front.ask(raw(b"/", b"b"))).body == body
                assert len(server.peers) == 1

    run(main())
