"""Documents in the gateway's memory are bounded, in sum and for each client address."""

import asyncio
import gc
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import Message

from app.control_plane.attestations import log_verification
from app.control_plane.attestations.verification import CheckResult, verify
from app.core import canonical_json, strict_json
from app.core.canonical_json import parse
from app.core.errors import GatewayBusyError, TooManyDocumentsError
from app.data_plane.proxy import application as proxy
from app.database.engine import Database
from app.edge import bounded_threads
from app.edge.body import UNCOUNTED, BodyInMemory, read_body
from app.edge.bounded_threads import BoundedThreads
from app.edge.documents import MAX_HELD_OF_ADDRESS, MAX_INLINE, Documents
from app.edge.held_memory import HeldMemory
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.raw_http import RawConnection, RawResponse, request
from tests.support.responses import good
from tests.support.waiting import wait_until

# What one unfinished request has sent of the largest document.
SENT = 1_950_000
LARGEST = 2 * 1024 * 1024
VERIFY = "POST /api/attestations/verify HTTP/1.1"


@pytest.fixture
def attacked(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running


def held(gateway: RunningGateway) -> HeldMemory:
    return gateway.service(Documents).held


class Unfinished(RawConnection):
    """A connection that has sent a document but for its end. source: its loopback address."""

    def __init__(
        self, gateway: RunningGateway, source: str = "127.0.0.1", sent: int = SENT
    ) -> None:
        super().__init__(gateway)
        self.socket.close()
        self.socket = socket.create_connection(
            ("127.0.0.1", gateway.port), timeout=60, source_address=(source, 0)
        )
        length = f"Content-Length: {LARGEST}"
        self.send(request(VERIFY, "Content-Type: application/json", length, body=b" " * sent))
        self.left = LARGEST - sent

    def finish(self) -> RawResponse:
        """The response after the rest of the document, which is not valid JSON."""
        self.send(b" " * self.left)
        return self.read_response()


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    """Closes at its end the connections that entered it."""
    with ExitStack() as stack:
        yield stack


def test_unfinished_documents_of_one_address_have_a_bound(
    attacked: RunningGateway, connections: ExitStack
) -> None:
    within = MAX_HELD_OF_ADDRESS // SENT
    many = [connections.enter_context(Unfinished(attacked)) for _ in range(within)]
    wait_until(lambda: held(attacked).size == within * SENT)
    for _ in range(40):
        many.append(connections.enter_context(Unfinished(attacked)))
        # The next one, after this has been received.
        wait_until(lambda: held(attacked).ended + within == len(many))
        wait_until(lambda: held(attacked).size == within * SENT)
    # The oldest were ended, so that no sender of many can keep the next one out.
    for connection in many[:40]:
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (429, "too_many_documents")
        assert response.headers["retry-after"] == "1"
        assert connection.closed_by_gateway
    for connection in many[40:]:
        assert connection.finish().document["reason"] == "invalid_parameter"
    wait_until(lambda: held(attacked).size == 0)


def test_unfinished_documents_of_one_address_end_none_of_another(
    attacked: RunningGateway, connections: ExitStack
) -> None:
    held(attacked).total = 9 * SENT + LARGEST
    other = connections.enter_context(Unfinished(attacked, "127.0.0.2"))
    wait_until(lambda: held(attacked).size == SENT)
    many = []
    for _ in range(12):
        many.append(connections.enter_context(Unfinished(attacked)))
        wait_until(lambda: held(attacked).ended == max(0, len(many) - 9))
        wait_until(lambda: held(attacked).size == min(len(many) + 1, 10) * SENT)
    for connection in many[:3]:
        response = connection.read_response()
        assert (response.status, response.document["reason"]) == (503, "gateway_busy")
        assert response.headers["retry-after"] == "1"
    assert other.finish().document["reason"] == "invalid_parameter"
    assert held(attacked).ended == 3


@pytest.mark.parametrize("ending", ["response", "disconnect"])
def test_memory_counts_until_the_request_ends(attacked: RunningGateway, ending: str) -> None:
    connection = Unfinished(attacked, sent=20_000)
    wait_until(lambda: held(attacked).size == 20_000)
    if ending == "response":
        connection.finish()
    connection.socket.close()
    wait_until(lambda: held(attacked).size == 0)


def test_the_bytes_of_a_proxied_document_count_too(attacked: RunningGateway) -> None:
    key = attacked.key()
    with attacked.client(key) as client:
        good(client.get("/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"))
    with RawConnection(attacked) as connection:
        connection.send(
            request(
                "POST /api/mlflow/api/2.0/mlflow/experiments/search HTTP/1.1",
                f"Authorization: Bearer {key}",
                "Content-Length: 900000",
                body=b" " * 800_000,
            )
        )
        wait_until(lambda: held(attacked).size == 800_000)
    wait_until(lambda: held(attacked).size == 0)


def test_a_small_document_is_read_while_others_fill_the_memory(attacked: RunningGateway) -> None:
    full = held(attacked).hold("192.0.2.1", lambda _: None)
    full.may_end = False
    held(attacked).per_address = held(attacked).total
    full.grow(held(attacked).total)
    for size, status in [(UNCOUNTED, 400), (UNCOUNTED + 1, 503)]:
        with RawConnection(attacked) as connection:
            headers = ("Content-Type: application/json", f"Content-Length: {size}")
            connection.send(request(VERIFY, *headers, body=b" " * size))
            assert connection.read_response().status == status


def test_what_is_complete_is_not_ended() -> None:
    memory = HeldMemory(total=100, per_address=60)
    ended: list[str] = []
    first, second, third = (
        memory.hold(address, lambda _, name=name: ended.append(name))  # type: ignore[misc]
        for name, address in (("first", "a"), ("second", "a"), ("third", "b"))
    )
    first.grow(40)
    first.may_end = False
    second.grow(20)
    assert (ended, memory.size_of("a")) == ([], 60)
    second.grow(1)
    assert (ended, memory.size_of("a")) == (["second"], 40)
    third.grow(60)
    assert (ended, memory.size) == (["second"], 100)
    # The address with the most has to give way, though it is another one that grows.
    first.grow(5)
    assert (ended, memory.size, memory.size_of("b")) == (["second", "third"], 45, 0)
    first.release()
    first.release()
    assert (memory.size, memory.size_of("a")) == (0, 0)


# --- threads ---

EXPERIMENTS = "/api/mlflow/api/2.0/mlflow/experiments/create"
SET_TAG = "/api/mlflow/api/2.0/mlflow/runs/set-tag"


@pytest.mark.parametrize("size", [MAX_INLINE // 2, 2 * MAX_INLINE])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/api/models/baseline", "parse"),
        ("/api/attestations/verify", "parse"),
        (EXPERIMENTS, "parse"),
        (SET_TAG, "check_text"),
    ],
)
def test_a_large_document_is_read_in_a_thread(
    gateway: RunningGateway,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    function: str,
    chunked: bool,
    size: int,
) -> None:
    threads = []
    module = proxy if function == "check_text" else strict_json
    original = getattr(module, function)

    def recorded(*args: Any, **kwargs: Any) -> Any:
        threads.append(threading.current_thread().name)
        return original(*args, **kwargs)

    with gateway.client(gateway.key(), **{"Content-Type": "application/json"}) as client:
        good(client.get("/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"))
        monkeypatch.setattr(module, function, recorded)
        body = b'{"a": "\\u00e4' + b"x" * size + b'"}'
        client.post(path, content=iter([body]) if chunked else body)
    assert len(threads) >= 1
    assert {name.startswith("uvloop") for name in threads} == {size > MAX_INLINE}


def test_verifying_holds_no_database_connection(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = gateway.service(Database)
    used = []

    def recorded(*arguments: Any) -> dict[str, CheckResult]:
        used.append((database.usage()[0], threading.current_thread().name[:7]))
        return verify(*arguments)

    def parsed(text: str | bytes) -> Any:
        used.append((database.usage()[0], threading.current_thread().name[:7]))
        return parse(text)

    monkeypatch.setattr(log_verification, "verify", recorded)
    monkeypatch.setattr(canonical_json, "parse", parsed)
    with gateway.client() as client:
        for media_type in ("application/json", "text/plain"):
            document = b'{"a": "' + b"x" * 100_000 + b'"}'
            headers = {"Content-Type": media_type}
            response = client.post("/api/attestations/verify", content=document, headers=headers)
            assert good(response)["valid"] is False
    assert used == [(0, "uvloop_")] * 4


class Workers:
    """Counts the functions that run at once, of each address, until they may end."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.may_end = threading.Event()

    def work(self, address: str) -> str:
        self.running.append(address)
        assert self.may_end.wait(60)
        return address


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_one_of_an_address_runs_at_a_time_and_few_in_all() -> None:
    threads, workers = BoundedThreads(), Workers()
    addresses = ["a", "a", "b", "c", "a", "d"]
    tasks = [
        asyncio.create_task(threads.run(address, workers.work, address)) for address in addresses
    ]
    await until(lambda: len(workers.running) == bounded_threads.THREADS)
    await asyncio.sleep(0.05)
    assert sorted(workers.running) == ["a", "b"]
    workers.may_end.set()
    assert await asyncio.gather(*tasks) == addresses


@pytest.mark.parametrize(
    ("others", "error"),
    [
        (["a"] * bounded_threads.MAX_WAITING_OF_ADDRESS, TooManyDocumentsError),
        ([str(number) for number in range(bounded_threads.MAX_WAITING)], GatewayBusyError),
    ],
)
async def test_more_than_may_wait_are_refused(others: list[str], error: type[Exception]) -> None:
    threads, workers = BoundedThreads(), Workers()
    tasks = [asyncio.create_task(threads.run(one, workers.work, one)) for one in others]
    await until(lambda: bool(workers.running))
    with pytest.raises(error):
        await threads.run("a", workers.work, "a")
    workers.may_end.set()
    await asyncio.gather(*tasks)
    # Nothing is left of those that have ended.
    assert await threads.run("a", workers.work, "a") == "a"


async def test_an_error_in_a_thread_is_raised_and_frees_it() -> None:
    threads = BoundedThreads()
    for _ in range(2 * bounded_threads.THREADS):
        with pytest.raises(ZeroDivisionError):
            await threads.run("a", divmod, 1, 0)


async def test_the_memory_of_a_body_that_was_ended_is_free_at_once() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    body = BodyInMemory(HeldMemory(total=10**6, per_address=50_000), "192.0.2.1")
    # Both it and what was received are in the frame that raises.
    ended, freed = False, weakref.ref(receive)
    gc.disable()
    try:
        try:
            await read_body(receive, body, limit=10**6, body_timeout=1)
        except TooManyDocumentsError:
            ended = True
        del receive
        assert ended
        assert freed() is None
    finally:
        gc.enable()
