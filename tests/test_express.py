"""The short way below ASGI, met at the front door, before an MLflow that does what a test says.

Each test makes sure that its request was offered to the short way, and whether it took it: the
first request with a key takes the ordinary one, opens a connection, and makes the key known.
"""

import asyncio
import gc
import gzip
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.edge.head import RequestLine
from app.exchange import Exchange
from app.express import Express
from app.identity.principal import Scope
from app.limits import redis_counter
from app.proxy.outbound import UpstreamRequest
from app.proxy.transfer import Transfer
from tests.proxy.hostile import OK, Hostile, Peer, hostile, until
from tests.support.gateway import RunningGateway
from tests.support.redis import RunningRedis
from tests.support.sql import sql
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet
from tests.support.wire import Wire, WireAnswer

GET = "/api/mlflow/api/2.0/mlflow/runs/get?run_id="
POST = "/api/mlflow/api/2.0/mlflow/experiments/create"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Act = Callable[["Asked"], Awaitable[None]]


def ok(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer of MLflow's with a Content-Length."""
    head = b"".join(b"%b\r\n" % line for line in lines)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, head, len(body), body)


@dataclass
class Asked:
    """One request as MLflow sees it."""

    peer: Peer
    head: bytes
    body: bytes

    @property
    def name(self) -> bytes:
        """What the request asked for: the value of its query, or its body."""
        return self.head.split(b" ")[1].rpartition(b"=")[2] if b"=" in self.head else self.body


@dataclass
class MLflow:
    """The server behind the gateway; answers `warm` by itself and leaves the rest to the test.

    asked: all requests but those. gone: connections that have ended.
    """

    act: Act
    asked: list[Asked] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    server: Hostile | None = None

    async def script(self, peer: Peer) -> None:
        try:
            while True:
                head = await peer.head()
                found = re.search(rb"content-length: (\d+)", head)
                asked = Asked(
                    peer, head, await peer.reader.readexactly(int(found[1]) if found else 0)
                )
                if asked.name == b"warm":
                    await peer.send(OK)
                else:
                    self.asked.append(asked)
                    await self.act(asked)
        finally:
            self.gone.append(peer.number)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve in a thread: the URL."""
        ready = threading.Event()
        loop = asyncio.new_event_loop()
        over = asyncio.Event()

        async def serve() -> None:
            async with hostile(self.script) as self.server:
                ready.set()
                await over.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        assert ready.wait(30)
        assert self.server is not None
        try:
            yield f"http://127.0.0.1:{self.server.port}"
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(30)
            loop.close()
            assert self.server.failures == []


@dataclass
class Front:
    """The gateway in front of it, with a key that it knows.

    taken: for each request that the short way was offered, whether it took it.
    """

    gateway: RunningGateway
    mlflow: MLflow
    key: str
    taken: list[bool]

    def wire(self) -> Wire:
        return Wire(self.gateway)

    def raw(self, method: str, path: str, *lines: str, body: bytes = b"", key: str = "") -> bytes:
        head = [f"{method} {path} HTTP/1.1", "Host: gateway"]
        if not any(line.startswith("X-ETH") for line in lines):
            head.append(f"Authorization: Bearer {key or self.key}")
        if body and not any(line.lower().startswith("transfer-encoding") for line in lines):
            head.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*head, *lines, "", ""]).encode() + body

    def get(self, name: str, *lines: str, **options: Any) -> bytes:
        return self.raw("GET", GET + name, *lines, **options)

    def post(self, name: str, *lines: str) -> bytes:
        body = json.dumps({"name": name}).encode()
        return self.raw("POST", POST, "Content-Type: application/json", *lines, body=body)

    def ask(self, raw: bytes, *, short: bool = True) -> WireAnswer:
        """One answer on a connection of its own, and whether it came on the short way."""
        before = len(self.taken)
        with self.wire() as wire:
            wire.send(raw)
            answer = wire.answer(bodiless=raw.startswith(b"HEAD"))
        assert self.taken[before:] == ([True] if short else self.taken[before:])
        assert short or True not in self.taken[before:]
        return answer

    def ask_somehow(self, raw: bytes) -> WireAnswer:
        """One answer on a connection of its own."""
        with self.wire() as wire:
            wire.send(raw)
            return wire.answer()

    def warm(self, key: str = "") -> None:
        """Ask until the short way is taken: the key is known then, and a connection free."""

        def short() -> bool:
            with self.wire() as wire:
                wire.send(self.get("warm", key=key))
                assert wire.answer().status == 200
            return self.taken[-1:] == [True]

        wait_until(short)

    def metrics(self, method: str = "GET", status: int = 200) -> int:
        """How many requests of runs/get or experiments/create were counted with a status."""
        registry = self.gateway.app.express.envelope.metrics.registry
        return sum(
            int(sample.value)
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name.endswith("_count")
            and sample.labels["method"] == method
            and sample.labels["status"] == str(status)
        )

    @property
    def pool(self) -> Any:
        return self.gateway.app.express.upstream._pool

    @property
    def cycles(self) -> list[Any]:
        """The last request of each connection to the gateway."""
        protocols: set[Any] = set(self.gateway._server.server_state.connections)
        return [protocol.cycle for protocol in protocols]

    def whole(self) -> bool:
        """Whether every connection of the pool is free, and nothing under way."""
        pool, upstream = self.pool, self.gateway.app.express.upstream
        free = len(pool._members) == len(pool._idle) and not pool._opening and not pool._held
        return free and not upstream._active


Open = Callable[..., Front]


@pytest.fixture
def front(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    taken: list[bool] = []
    take = Express.take

    def counting(self: Express, *arguments: Any) -> Any:
        cycle = take(self, *arguments)
        taken.append(cycle is not None)
        return cycle

    monkeypatch.setattr(Express, "take", counting)
    with ExitStack() as stack:

        def make(act: Act, *, limit: int | None = None, **settings: Any) -> Front:
            mlflow = MLflow(act)
            url = stack.enter_context(mlflow.running())
            options = {"tenancy": "shared", **settings}
            gateway = stack.enter_context(RunningGateway(new_database(), url, **options))
            made = Front(gateway, mlflow, gateway.key(rate_limit=limit), taken)
            made.warm()
            taken.clear()
            return made

        yield make


async def echo(asked: Asked) -> None:
    """Answer with what was asked for."""
    await asked.peer.send(ok(asked.name))


def remaining(answer: WireAnswer) -> int:
    return int(answer.headers["ratelimit-remaining"])


# --- answers ---


def test_pipelined_requests_are_answered_in_order(front: Open) -> None:
    async def slow_first(asked: Asked) -> None:
        if asked.name == b"first":
            await asyncio.sleep(0.05)
        await asked.peer.send(ok(asked.name))

    gate = front(slow_first)
    with gate.wire() as wire:
        wire.send(
            gate.get("first")
            + gate.post("second")
            + gate.raw("GET", "/livez")
            + gate.raw("GET", "/api/mlflow/none")
            + gate.get("third", "Expect: 100-continue")
            + gate.get("fourth")
        )
        answers = [wire.answer() for _ in range(6)]
        assert [a.status for a in answers] == [200, 200, 200, 404, 200, 200]
        assert answers[0].body == b"first"
        assert json.loads(answers[1].body) == {"name": "second"}
        assert [a.body for a in answers[4:]] == [b"third", b"fourth"]
        # And on after that, short again.
        gate.taken.clear()
        for name in ("fifth", "sixth"):
            wire.send(gate.get(name))
            assert wire.answer().body == name.encode()
        assert gate.taken == [True, True]


def test_a_short_answer_behind_an_ordinary_one_waits(front: Open) -> None:
    gate = front(echo)
    with gate.wire() as wire:
        wire.send(gate.raw("GET", "/livez") + gate.get("a") + gate.get("b"))
        assert [wire.answer().body for _ in range(3)][1:] == [b"a", b"b"]


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Broken"])
def test_a_refusal_of_mlflows_is_counted_once(front: Open, status: bytes) -> None:
    async def refuse(asked: Asked) -> None:
        body = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No."}'
        await asked.peer.send(ok(body, b"content-type: application/json", status=status))

    gate = front(refuse)
    left = remaining(gate.ask(gate.get("warm")))
    answer = gate.ask(gate.get("a"))
    number = int(status[:3])
    assert answer.status == number
    assert answer.headers["content-type"] == "application/problem+json"
    assert remaining(answer) == left - 1
    assert len(gate.mlflow.asked) == 1
    assert gate.metrics(status=number) == 1
    assert remaining(gate.ask(gate.get("warm"))) == left - 2


def test_a_chunked_answer_is_framed(front: Open) -> None:
    async def chunks(asked: Asked) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        if asked.name == b"parts":
            await asked.peer.send(head + b"2\r\nab\r\n")
            await asyncio.sleep(0.05)
            await asked.peer.send(b"1\r\nc\r\n0\r\n\r\n")
        else:
            await asked.peer.send(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

    gate = front(chunks)
    with gate.wire() as wire:
        wire.send(gate.get("whole"))
        answer = wire.answer()
        assert (answer.body, answer.headers["content-length"]) == (b"abc", "3")
        wire.send(gate.get("parts"))
        answer = wire.answer()
        assert answer.headers["transfer-encoding"] == "chunked"
        rest = wire.rest()
        while not rest.endswith(b"0\r\n\r\n"):
            rest += wire.socket.recv(1000)
        assert rest == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert gate.taken == [True, True]


def test_what_mlflow_says_beside_its_answer_stays_behind(front: Open) -> None:
    packed = gzip.compress(b"abc")

    async def beside(asked: Asked) -> None:
        await asked.peer.send(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nserver: mlflow\r\ncontent-encoding: gzip\r\n"
            b"transfer-encoding: chunked\r\ntrailer: set-cookie\r\n\r\n"
            b"%x\r\n%b\r\n0\r\nset-cookie: c=d\r\nx-end: 1\r\n\r\n" % (len(packed), packed)
        )

    gate = front(beside)
    with gate.wire() as wire:
        for _ in range(2):
            wire.send(gate.get("a"))
            answer = wire.answer()
            assert (answer.status, answer.body) == (200, packed)
            assert answer.headers["content-encoding"] == "gzip"
            assert not {"set-cookie", "server", "link", "x-end", "trailer"} & set(answer.headers)
    assert gate.taken == [True, True]


def test_an_answer_whose_length_is_hop_by_hop_is_framed(front: Open) -> None:
    async def nominate(asked: Asked) -> None:
        await asked.peer.send(ok(b"abc", b"connection: content-length"))

    gate = front(nominate)
    answer = gate.ask(gate.get("a"))
    assert (answer.body, answer.headers["content-length"]) == (b"abc", "3")


def test_an_answer_to_head_gets_no_length_of_ours(front: Open) -> None:
    async def chunked(asked: Asked) -> None:
        if asked.name == b"known":
            await asked.peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")
        else:
            await asked.peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

    gate = front(chunked)
    assert "content-length" not in gate.ask(gate.raw("HEAD", GET + "a")).headers
    answer = gate.ask(gate.raw("HEAD", GET + "known"))
    assert (answer.headers["content-length"], answer.body) == ("7", b"")


@pytest.mark.parametrize("size", [65_000, 65_537, 3_000_000])
def test_a_large_answer_arrives_whole(front: Open, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def large(asked: Asked) -> None:
        await asked.peer.send(ok(body))

    gate = front(large)
    with gate.wire() as wire:
        for _ in range(3):
            wire.send(gate.get("a"))
            assert wire.answer().body == body
    assert gate.taken == [True] * 3
    wait_until(gate.whole)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body(front: Open, status: bytes) -> None:
    async def empty(asked: Asked) -> None:
        await asked.peer.send(b"HTTP/1.1 %b\r\netag: x\r\n\r\n" % status)

    gate = front(empty)
    with gate.wire() as wire:
        for _ in range(2):
            wire.send(gate.get("a"))
            answer = wire.answer(bodiless=True)
            assert answer.status == int(status[:3])
            assert not {"content-length", "transfer-encoding"} & set(answer.headers)
    assert gate.taken == [True, True]


# --- MLflow fails ---


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nmore",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000,
        b"nonsense\r\n\r\n",
    ],
)
def test_a_broken_answer_gives_502(front: Open, data: bytes) -> None:
    async def broken(asked: Asked) -> None:
        await asked.peer.send(data)
        raise ConnectionError

    gate = front(broken)
    answer = gate.ask(gate.get("a"))
    assert (answer.status, answer.document["reason"]) == (502, "upstream_protocol")
    assert len(gate.mlflow.asked) == 1
    # It is counted after it is sent.
    wait_until(lambda: gate.metrics(status=502) == 1)
    wait_until(gate.whole)
    gate.warm()


def test_a_long_answer_that_breaks_off_never_looks_whole(front: Open) -> None:
    async def half(asked: Asked) -> None:
        await asked.peer.send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + bytes(500_000)
        )
        asked.peer.reset()

    gate = front(half)
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        with pytest.raises(EOFError):
            wire.answer()
    wait_until(gate.whole)
    gate.warm()


def test_a_connection_that_died_in_the_pool(front: Open) -> None:
    async def once(asked: Asked) -> None:
        if len(gate.mlflow.asked) == 1:
            raise ConnectionError  # without a byte of an answer
        await asked.peer.send(ok(asked.name))

    gate = front(once)
    # A GET is sent again on a new connection, once.
    left = remaining(gate.ask(gate.get("warm")))
    answer = gate.ask(gate.get("a"))
    assert (answer.status, answer.body, remaining(answer)) == (200, b"a", left - 1)
    assert [asked.peer.number for asked in gate.mlflow.asked] == [0, 1]
    # What might have been carried out is not.
    gate.mlflow.asked.clear()
    answer = gate.ask(gate.post("b"))
    assert (answer.status, len(gate.mlflow.asked)) == (502, 1)
    wait_until(gate.whole)


def test_a_silent_mlflow_gives_504(front: Open) -> None:
    gate = front(lambda asked: asked.peer.gone(), upstream_timeout=0.3)
    answer = gate.ask(gate.get("a"))
    assert (answer.status, answer.document["reason"]) == (504, "upstream_timeout")
    assert gate.metrics(status=504) == 1
    wait_until(gate.whole)


def test_above_its_share_a_tenant_waits_and_others_do_not(front: Open) -> None:
    go_on = threading.Event()

    async def hold(asked: Asked) -> None:
        if asked.name == b"held":
            await until(go_on.is_set)
        await asked.peer.send(ok(asked.name))

    gate = front(hold, upstream_connections=4, upstream_queue=0.3)
    other = gate.gateway.key()
    gate.warm(other)
    with gate.wire() as one, gate.wire() as two:
        for wire in (one, two):
            wire.send(gate.get("held"))
        wait_until(lambda: len(gate.mlflow.asked) == 2)
        answer = gate.ask(gate.get("a"))
        assert (answer.status, answer.document["reason"]) == (503, "upstream_busy")
        assert "one caller" in answer.document["message"]
        gate.warm(other)
        assert gate.ask(gate.get("b", key=other)).body == b"b"
        go_on.set()
        assert [one.answer().body, two.answer().body] == [b"held"] * 2
    assert gate.ask(gate.get("c")).body == b"c"
    wait_until(gate.whole)


# --- waiting for a connection to MLflow ---


@dataclass
class Holding:
    """Keeps requests for `held` unanswered until it is told to go on."""

    go_on: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, asked: Asked) -> None:
        if asked.name == b"held":
            await until(self.go_on.is_set)
        await asked.peer.send(ok(asked.name))


@contextmanager
def full(front: Open, **settings: Any) -> Iterator[tuple[Front, Holding]]:
    """A gateway with both connections to MLflow in use, until the holding goes on."""
    holding = Holding()
    gate = front(holding, upstream_connections=2, upstream_share=1, **settings)
    with gate.wire() as one, gate.wire() as two:
        for wire in (one, two):
            wire.send(gate.get("held"))
        wait_until(lambda: len(gate.mlflow.asked) == 2)
        try:
            yield gate, holding
        finally:
            holding.go_on.set()
        assert [one.answer().body, two.answer().body] == [b"held"] * 2
    wait_until(gate.whole)


def waiting(gate: Front, number: int) -> None:
    """Wait until so many requests wait for a connection to MLflow."""
    wait_until(lambda: gate.pool.usage().waiting == number)


def test_who_waits_on_the_short_way_is_served_in_order(front: Open) -> None:
    names = [f"n{number}" for number in range(8)]
    with ExitStack() as stack, full(front) as (gate, holding):
        wires = [stack.enter_context(gate.wire()) for _ in names]
        for number, (wire, name) in enumerate(zip(wires, names, strict=True)):
            wire.send(gate.get(name))
            waiting(gate, number + 1)
        holding.go_on.set()
        assert [wire.answer().body.decode() for wire in wires] == names
        assert gate.taken == [True] * 10
        assert [asked.name.decode() for asked in gate.mlflow.asked[2:]] == names


def test_who_leaves_while_waiting_gives_the_place_up(front: Open) -> None:
    with full(front) as (gate, holding):
        with gate.wire() as wire:
            wire.send(gate.get("gone"))
            waiting(gate, 1)
        waiting(gate, 0)
        with gate.wire() as wire:
            wire.send(gate.get("a"))
            waiting(gate, 1)
            holding.go_on.set()
            assert wire.answer().body == b"a"
        assert [asked.name for asked in gate.mlflow.asked[2:]] == [b"a"]
        assert gate.metrics(status=0) == 1


def test_a_request_behind_one_that_waits_keeps_its_place(front: Open) -> None:
    with full(front) as (gate, holding):
        with gate.wire() as wire, gate.wire() as last:
            wire.send(gate.get("a"))
            waiting(gate, 1)
            last.send(gate.get("last"))
            waiting(gate, 2)
            wire.send(gate.get("b") + gate.get("c"))
            # It goes on on the ordinary way, in the place that it has.
            wait_until(lambda: any(isinstance(one, RequestResponseCycle) for one in gate.cycles))
            holding.go_on.set()
            assert [wire.answer().body for _ in "abc"] == [b"a", b"b", b"c"]
            assert last.answer().body == b"last"
        assert [asked.name for asked in gate.mlflow.asked[2:4]] == [b"a", b"last"]
        assert sorted(asked.name for asked in gate.mlflow.asked[4:]) == [b"b", b"c"]


def test_who_leaves_with_a_request_behind_one_that_waits(front: Open) -> None:
    with full(front) as (gate, holding):
        with gate.wire() as wire:
            wire.send(gate.get("a"))
            waiting(gate, 1)
            wire.send(gate.get("b"))
        waiting(gate, 0)
        holding.go_on.set()
        assert gate.ask(gate.get("c")).body == b"c"
        assert [asked.name for asked in gate.mlflow.asked[2:]] == [b"c"]


def test_who_has_waited_too_long_gets_503(front: Open) -> None:
    with full(front, upstream_queue=0.3) as (gate, _):
        before = remaining(gate.ask(gate.get("a")))
        answer = gate.ask(gate.get("b"))
        assert (answer.status, answer.document["reason"]) == (503, "upstream_busy")
        assert remaining(answer) == before - 1
        assert gate.metrics(status=503) == 2


def test_an_mlflow_that_is_away_gives_502(front: Open) -> None:
    async def leave(asked: Asked) -> None:
        assert gate.mlflow.server is not None
        assert gate.mlflow.server.listener is not None
        gate.mlflow.server.listener.close()
        asked.peer.reset()

    gate = front(leave)
    for name in "ab":  # the first loses its connection, the second finds none
        answer = gate.ask(gate.get(name))
        assert (answer.status, answer.document["reason"]) == (502, "upstream_unreachable")
    assert gate.metrics(status=502) == 2
    wait_until(gate.whole)


# --- counting in Redis ---


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningRedis]:
    """A Redis that is waited for however long it takes."""
    monkeypatch.setattr(redis_counter, "REDIS_SECONDS", 60.0)
    with RunningRedis(tmp_path) as running:
        yield running


def test_redis_counts_on_the_short_way(front: Open, redis: RunningRedis) -> None:
    gate = front(echo, limit=12, redis_url=SecretStr(redis.url))
    left = remaining(gate.ask(gate.get("first")))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: gate.ask_somehow(gate.get("a")), range(20)))
    passed = [answer for answer in answers if answer.status == 200]
    assert sorted(map(remaining, passed)) == list(range(left))
    assert {answer.body for answer in passed} == {b"a"}
    refused = [answer for answer in answers if answer.status != 200]
    assert {(answer.status, answer.document["reason"]) for answer in refused} == {
        (429, "rate_limited")
    }
    assert len(gate.mlflow.asked) == 1 + left
    assert gate.metrics(status=429) == len(refused) == 20 - left
    assert False not in gate.taken
    wait_until(gate.whole)


def test_who_leaves_while_redis_counts(front: Open, redis: RunningRedis) -> None:
    gate = front(echo, redis_url=SecretStr(redis.url))
    redis.pause()
    with gate.wire() as wire:
        wire.send(gate.get("gone"))
        wait_until(lambda: gate.taken == [True])
    wait_until(lambda: not gate.cycles)
    redis.resume()
    wait_until(lambda: gate.metrics(status=0) == 1)
    assert gate.ask(gate.get("a")).body == b"a"
    assert [asked.name for asked in gate.mlflow.asked] == [b"a"]
    wait_until(gate.whole)


def test_requests_behind_one_that_redis_counts(front: Open, redis: RunningRedis) -> None:
    gate = front(echo, redis_url=SecretStr(redis.url))
    redis.pause()
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.taken == [True])
        wire.send(gate.get("b") + gate.get("c"))
        wait_until(lambda: any(isinstance(one, RequestResponseCycle) for one in gate.cycles))
        redis.resume()
        answers = [wire.answer() for _ in "abc"]
    assert [answer.body for answer in answers] == [b"a", b"b", b"c"]
    counts = [remaining(answer) for answer in answers]
    assert counts == list(range(counts[0], counts[0] - 3, -1))
    wait_until(gate.whole)


def test_who_leaves_with_requests_behind_one_that_redis_counts(
    front: Open, redis: RunningRedis
) -> None:
    gate = front(echo, redis_url=SecretStr(redis.url))
    redis.pause()
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.taken == [True])
        wire.send(gate.get("b"))
        wait_until(lambda: any(isinstance(one, RequestResponseCycle) for one in gate.cycles))
    # Nothing is read of such a client, so that it may be served before it is missed.
    redis.resume()
    assert gate.ask(gate.get("c")).body == b"c"
    wait_until(lambda: not gate.cycles)
    wait_until(gate.whole)


def test_a_redis_that_has_gone_refuses_nobody(front: Open, redis: RunningRedis) -> None:
    gate = front(echo, redis_url=SecretStr(redis.url))
    redis.kill()
    for name in ("a", "b"):
        assert gate.ask(gate.get(name)).body == name.encode()
    wait_until(gate.whole)


def test_a_client_that_leaves_ends_the_request_at_mlflow(front: Open) -> None:
    gate = front(lambda asked: asked.peer.gone())
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.mlflow.asked)
    wait_until(lambda: gate.mlflow.gone)
    wait_until(lambda: gate.metrics(status=0) == 1)
    assert gate.taken == [True]
    assert gate.whole()


def test_a_client_that_leaves_with_more_requests_waiting(front: Open) -> None:
    gate = front(lambda asked: asked.peer.gone())
    with gate.wire() as wire:
        wire.send(gate.get("a") + gate.get("b"))
        wait_until(lambda: gate.mlflow.asked)
    wait_until(lambda: gate.metrics(status=0) == 1)
    wait_until(gate.whole)
    assert [asked.name for asked in gate.mlflow.asked] == [b"a"]
    assert gate.taken == [True]


# --- requests ---


def test_a_body_in_two_segments(front: Open) -> None:
    gate = front(echo)
    raw = gate.post("split")
    with gate.wire() as wire:
        wire.send(raw[:-5])
        wait_until(lambda: any(cycle and not cycle.response_complete for cycle in gate.cycles))
        wire.send(raw[-5:])
        assert json.loads(wire.answer().body) == {"name": "split"}
        assert gate.taken == []
        wire.send(gate.post("whole"))
        assert json.loads(wire.answer().body) == {"name": "whole"}
    assert gate.taken == [True]


@pytest.mark.parametrize("garbage", [b"\0\0\0\0", b"garbage\r\n\r\n", b"GET  /\r\n\r\n"])
def test_what_follows_a_body_is_no_part_of_it(front: Open, garbage: bytes) -> None:
    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.05)
        await asked.peer.send(ok(asked.body))

    gate = front(slow)
    with gate.wire() as wire:
        wire.send(gate.post("a") + garbage)
        statuses = []
        with suppress(EOFError):
            while True:
                statuses.append(wire.answer().status)
        assert wire.rest() == b""
    # One connection, one answer that says what was wrong or none; and MLflow saw no second request.
    assert statuses in ([], [400], [200, 400], [200])
    assert all(asked.body == b'{"name": "a"}' for asked in gate.mlflow.asked)
    assert len(gate.mlflow.asked) <= 1
    wait_until(gate.whole)


def test_connection_close_and_http_1_0(front: Open) -> None:
    gate = front(echo)
    for raw in (
        gate.get("a", "Connection: close"),
        gate.get("a").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        with gate.wire() as wire:
            wire.send(raw)
            answer = wire.answer()
            assert (answer.headers["connection"], answer.body) == ("close", b"a")
            assert wire.ended
    assert gate.taken == []


def test_expect_continue(front: Open) -> None:
    gate = front(echo)
    raw = gate.post("a", "Expect: 100-continue")
    with gate.wire() as wire:
        wire.send(raw[:-13])
        assert wire.answer().status == 100
        wire.send(raw[-13:])
        assert json.loads(wire.answer().body) == {"name": "a"}
    assert gate.taken == []


def test_a_chunked_request(front: Open) -> None:
    gate = front(echo)
    for extra in ([], ["Content-Length: 5"]):
        with gate.wire() as wire:
            head = ["Transfer-Encoding: chunked", *extra]
            body = b'd\r\n{"name": "a"}\r\n0\r\n\r\n'
            wire.send(gate.raw("POST", POST, *head, body=body) + gate.get("b"))
            answer = wire.answer()
            if extra:
                assert answer.status == 400
                continue
            assert json.loads(answer.body) == {"name": "a"}
            assert wire.answer().body == b"b"
    assert True not in gate.taken
    assert len(gate.mlflow.asked) == 2


def test_a_limit_is_exact_under_concurrency(front: Open) -> None:
    gate = front(echo, limit=30)
    left = remaining(gate.ask(gate.get("warm")))
    before = len(gate.taken)

    def one(number: int) -> WireAnswer:
        with gate.wire() as wire:
            wire.send(gate.get(str(number)))
            return wire.answer()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(one, range(50)))
    statuses = [answer.status for answer in answers]
    assert sorted(statuses) == [200] * left + [429] * (50 - left)
    assert True in gate.taken[before:]
    passed = [answer for answer in answers if answer.status == 200]
    assert sorted(map(remaining, passed)) == list(range(left))
    assert len(gate.mlflow.asked) == left
    wait_until(gate.whole)
    assert gate.ask(gate.get("a"), short=False).status == 429


def test_no_answer_crosses_to_another_connection(front: Open) -> None:
    async def jumble(asked: Asked) -> None:
        await asyncio.sleep(hash(asked.name) % 5 / 1000)
        await asked.peer.send(ok(asked.name))

    gate = front(jumble)

    def talk(number: int) -> None:
        with gate.wire() as wire:
            for turn in range(20):
                name = f"{number}-{turn}"
                wire.send(gate.get(name))
                assert wire.answer().body == name.encode()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(talk, range(20)))
    assert gate.taken.count(True) > 200
    wait_until(gate.whole)


def test_a_refused_request_leaves_a_connection_its_age(front: Open) -> None:
    """A connection that nothing was sent on is as old as before: MLflow closes it by its age."""
    gate = front(echo, limit=5)
    while remaining(gate.ask(gate.get("warm"))):
        pass
    age = dict(gate.pool._idle)
    assert gate.ask(gate.get("a"), short=False).status == 429
    assert dict(gate.pool._idle) == age


def test_a_revoked_key(front: Open) -> None:
    gate = front(echo)
    admin = gate.gateway.key(scopes=[Scope.ADMIN])
    assert gate.ask(gate.get("a")).status == 200
    found = sql(gate.gateway, "select id from api_keys where parent is null order by created_at")
    with gate.gateway.client(admin) as http:
        assert http.delete(f"/api/admin/keys/{found[0][0]}").status_code == 204

    def refused() -> bool:
        with gate.wire() as wire:
            wire.send(gate.get("a"))
            return wire.answer().status == 401

    wait_until(refused)  # the word of it comes from the database
    gate.mlflow.asked.clear()
    assert gate.ask(gate.get("a"), short=False).status == 401
    assert gate.mlflow.asked == []


def test_the_access_log_has_one_line_for_each_request(
    front: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    async def some(asked: Asked) -> None:
        await asked.peer.send(ok(b"{}", status=b"404 No" if asked.name == b"none" else b"200 OK"))

    gate = front(some, access_log="all")
    for name in ("a", "none"):
        gate.ask(gate.get(name, f"X-Request-ID: id-{name}"))
    lines: list[str] = []

    def logged() -> bool:
        captured = capfd.readouterr()
        lines.extend((captured.out + captured.err).splitlines())
        return any("id-none" in line for line in lines)

    wait_until(logged)
    for name, status in (("a", 200), ("none", 404)):
        (line,) = [json.loads(line) for line in lines if f'"id-{name}"' in line]
        assert (line["event"], line["status"]) == ("request", status)
        assert line["principal"]


def test_a_shutdown_lets_a_short_request_finish(front: Open) -> None:
    go = threading.Event()

    async def held(asked: Asked) -> None:
        await asyncio.to_thread(go.wait, 30)
        await asked.peer.send(ok(asked.name))

    gate = front(held)
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.mlflow.asked)
        gate.gateway._server.end()
        wait_until(lambda: not gate.gateway._server.servers[0].is_serving())
        (cycle,) = gate.cycles
        wait_until(lambda: not cycle.keep_alive)
        go.set()
        answer = wire.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"a", "close")
        assert wire.ended
    assert gate.taken == [True]


def test_headers_of_the_envelope(front: Open) -> None:
    gate = front(echo, cors_origins="https://app.example")
    answer = gate.ask(
        gate.get(
            "a", "Origin: https://app.example", f"Traceparent: {TRACEPARENT}", "X-Request-ID: mine"
        )
    )
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "date" in answer.headers
    head = gate.mlflow.asked[0].head
    assert f"traceparent: {TRACEPARENT}\r\n".encode() in head
    assert b"x-request-id: mine\r\n" in head
    assert b"authorization" not in head
    assert "access-control-allow-origin" not in gate.ask(gate.get("a", "Origin: https://x")).headers


def test_a_wallet_reads_on_the_short_way_and_writes_on_the_ordinary(front: Open) -> None:
    gate = front(echo)
    wallet = Wallet()
    lines = [f"{name}: {value}" for name, value in wallet.headers().items()]
    for name in ("first", "second"):
        assert gate.ask(gate.get(name, *lines)).body == name.encode()
    assert gate.ask(gate.post("third", *lines), short=False).status == 200
    answer = gate.ask(gate.post("again", *lines), short=False)
    assert answer.status == 401
    assert len(gate.mlflow.asked) == 3


# --- what must not pile up ---


def test_a_thousand_that_leave_take_no_connection_with_them(front: Open) -> None:
    gate = front(lambda asked: asked.peer.gone(), upstream_connections=4)

    def leave(_: int) -> None:
        with gate.wire() as wire:
            wire.send(gate.get("warm") + gate.get("leave") * 2)
            wire.answer()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(500)))

    def leave_at_once(_: int) -> None:
        with gate.wire() as wire:
            wire.send(gate.get("leave"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave_at_once, range(500)))
    wait_until(gate.whole)
    assert len(gate.pool._members) <= 4
    gate.warm()


def test_an_idle_connection_keeps_no_body(front: Open) -> None:
    """Thousands of clients may keep their connections, and each has sent something large before."""
    gate = front(echo)
    name = "n" * 50_000
    with gate.wire() as wire:
        wire.send(gate.post(name))
        assert wire.answer().status == 200
        assert gate.taken == [True]
        (cycle,) = gate.cycles
        found, left = [], [cycle]
        while left:
            found += [one for one in left if isinstance(one, bytes)]
            left = [one for one in gc.get_referents(*left) if _is_part(one)]
    assert found
    assert not any(name.encode() in one for one in found)


def _is_part(one: Any) -> bool:
    """Whether it is a part of one request, and no part of the gateway."""
    return isinstance(one, bytes | Exchange | UpstreamRequest | Transfer | RequestLine)


def test_a_request_leaves_nothing_to_the_garbage_collector(front: Open) -> None:
    gate = front(echo)
    with gate.wire() as wire:

        def ask(times: int) -> None:
            for _ in range(times):
                wire.send(gate.get("a") if _ % 2 else gate.post("b"))
                assert wire.answer().status == 200

        ask(50)
        gc.collect()
        gc.disable()
        try:
            ask(2000)
            gate.mlflow.asked.clear()
            left = gc.collect()
        finally:
            gc.enable()
    assert gate.taken.count(True) == 2050
    assert left < 200
