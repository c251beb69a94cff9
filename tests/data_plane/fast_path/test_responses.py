"""What MLflow answers, or fails to, and what becomes of it on the short way."""

import asyncio
import gzip
import json

import pytest

from tests.data_plane.fast_path.harness import (
    GET,
    Asked,
    Open,
    echo,
    ok,
    remaining,
)
from tests.support.waiting import wait_until


def test_pipelined_requests_are_answered_in_order(front: Open) -> None:
    async def slow_first(asked: Asked) -> None:
        if asked.name == b"first":
            await asyncio.sleep(0.05)
        await asked.connection.send(ok(asked.name))

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
        await asked.connection.send(ok(body, b"content-type: application/json", status=status))

    gate = front(refuse)
    left = remaining(gate.ask(gate.get("warm")))
    answer = gate.ask(gate.get("a"))
    number = int(status[:3])
    assert answer.status == number
    assert answer.headers["content-type"] == "application/problem+json"
    assert remaining(answer) == left - 1
    assert len(gate.mlflow.asked) == 1
    gate.counted(1, status=number)
    assert remaining(gate.ask(gate.get("warm"))) == left - 2


def test_a_chunked_answer_is_framed(front: Open) -> None:
    async def chunks(asked: Asked) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        if asked.name == b"parts":
            await asked.connection.send(head + b"2\r\nab\r\n")
            await asyncio.sleep(0.05)
            await asked.connection.send(b"1\r\nc\r\n0\r\n\r\n")
        else:
            await asked.connection.send(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

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
        await asked.connection.send(
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
        await asked.connection.send(ok(b"abc", b"connection: content-length"))

    gate = front(nominate)
    answer = gate.ask(gate.get("a"))
    assert (answer.body, answer.headers["content-length"]) == (b"abc", "3")


def test_an_answer_to_head_gets_no_length_of_ours(front: Open) -> None:
    async def chunked(asked: Asked) -> None:
        if asked.name == b"known":
            await asked.connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")
        else:
            await asked.connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

    gate = front(chunked)
    assert "content-length" not in gate.ask(gate.raw("HEAD", GET + "a")).headers
    answer = gate.ask(gate.raw("HEAD", GET + "known"))
    assert (answer.headers["content-length"], answer.body) == ("7", b"")


@pytest.mark.parametrize("size", [65_000, 65_537, 3_000_000])
def test_a_large_answer_arrives_whole(front: Open, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def large(asked: Asked) -> None:
        await asked.connection.send(ok(body))

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
        await asked.connection.send(b"HTTP/1.1 %b\r\netag: x\r\n\r\n" % status)

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
        await asked.connection.send(data)
        raise ConnectionError

    gate = front(broken)
    answer = gate.ask(gate.get("a"))
    assert (answer.status, answer.document["reason"]) == (502, "upstream_protocol")
    assert len(gate.mlflow.asked) == 1
    # It is counted after it is sent.
    gate.counted(1, status=502)
    wait_until(gate.whole)
    gate.warm()


def test_a_long_answer_that_breaks_off_never_looks_whole(front: Open) -> None:
    async def half(asked: Asked) -> None:
        await asked.connection.send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + bytes(500_000)
        )
        asked.connection.reset()

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
        await asked.connection.send(ok(asked.name))

    gate = front(once)
    # A GET is sent again on a new connection, once.
    left = remaining(gate.ask(gate.get("warm")))
    answer = gate.ask(gate.get("a"))
    assert (answer.status, answer.body, remaining(answer)) == (200, b"a", left - 1)
    assert [asked.connection.number for asked in gate.mlflow.asked] == [0, 1]
    # What might have been carried out is not.
    gate.mlflow.asked.clear()
    answer = gate.ask(gate.post("b"))
    assert (answer.status, len(gate.mlflow.asked)) == (502, 1)
    wait_until(gate.whole)


def test_a_silent_mlflow_gives_504(front: Open) -> None:
    gate = front(lambda asked: asked.connection.wait_closed(), upstream_read_timeout=0.3)
    answer = gate.ask(gate.get("a"))
    assert (answer.status, answer.document["reason"]) == (504, "upstream_read_timeout")
    gate.counted(1, status=504)
    wait_until(gate.whole)
