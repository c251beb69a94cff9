"""Connections: kept, repeated on, limited, secured."""

import asyncio
import os
import ssl
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.core.errors import (
    UpstreamBusyError,
    UpstreamProtocolError,
    UpstreamTLSError,
    UpstreamUnreachableError,
)
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.pool import Pool, PoolLimits
from tests.support.scripted_upstream import (
    OK,
    Peer,
    Run,
    Script,
    each_loop,
    gateway,
    hostile,
    scene,
    splicing_on,
    until,
)

pytestmark = each_loop

GET = b"GET / HTTP/1.1\r\nhost: g\r\n\r\n"


def dies_when_used_again(heads: list[bytes]) -> Script:
    async def script(peer: Peer) -> None:
        heads.append(await peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        if peer.number == 0:
            # Reads the next request, as a server does that closes at the same moment.
            heads.append(await peer.head())
            peer.reset()
        else:
            await peer.gone()

    return script


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE"])
def test_a_connection_that_died_in_the_pool_is_replaced_once(run: Run, method: bytes) -> None:
    heads: list[bytes] = []

    async def main() -> None:
        async with scene(dies_when_used_again(heads)) as (front, server):
            assert (await front.get()).status == 200
            answer = await front.ask(method + b" / HTTP/1.1\r\nhost: g\r\n\r\n")
            assert answer.status == 200
            assert front.errors == []
            assert len(server.peers) == 2
            assert heads[1] == heads[2]

    run(main())


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nhost: g\r\n\r\n",
        b"PATCH / HTTP/1.1\r\nhost: g\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n\r\n{}",
        b"PUT / HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
@pytest.mark.parametrize("held", [False, True])
def test_what_may_have_had_an_effect_is_not_repeated(run: Run, raw: bytes, held: bool) -> None:
    heads: list[bytes] = []

    async def main() -> None:
        async with scene(dies_when_used_again(heads), held=held) as (front, server):
            await front.get()
            assert (await front.ask(raw)).status == 502
            assert isinstance(front.errors[0], UpstreamProtocolError)
            assert len(server.peers) == 1

    run(main())


def test_what_nobody_thought_of_when_connecting_is_an_answer_too(run: Run) -> None:
    async def main() -> None:
        async with gateway("http://mlflow..svc:5000") as front:
            assert (await front.get()).status == 500

    run(main())


def test_who_waits_for_a_connection_is_told_of_the_end(run: Run) -> None:
    async def main() -> None:
        limits = PoolLimits(1, queue_timeout=30, connect_timeout=30, idle_timeout=30)
        pool = Pool("127.0.0.1", 9, None, limits)
        slots = [pool.acquire() for _ in range(2)]  # being opened, and in the queue
        await pool.aclose()
        for slot in slots:
            with pytest.raises(UpstreamUnreachableError):
                await slot

    run(main())


@pytest.mark.parametrize(("slow", "status"), [(False, 200), (True, 502)])
def test_a_refused_connection_is_tried_once_more(
    run: Run, slow: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = Pool._connect
    tries = 0

    async def second_time(self: Pool) -> Connection:
        nonlocal tries
        tries += 1
        if tries == 1:
            # One that took all of its time is not tried again.
            raise UpstreamUnreachableError("No.") from (TimeoutError() if slow else OSError())
        return await connect(self)

    monkeypatch.setattr(Pool, "_connect", second_time)

    async def script(peer: Peer) -> None:
        await peer.answer()

    async def main() -> None:
        async with scene(script) as (front, server):
            assert (await front.ask(b"POST / HTTP/1.1\r\nhost: g\r\n\r\n")).status == status
            assert (tries, len(server.peers)) == ((1, 0) if slow else (2, 1))

    run(main())


def test_a_fresh_connection_that_dies_is_not_replaced(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async def main() -> None:
        async with scene(script) as (front, server):
            assert (await front.get()).status == 502
            assert len(server.peers) == 1

    run(main())


def test_a_replacement_that_dies_is_not_replaced(run: Run) -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 0:
            await peer.answer()
        await peer.head()
        peer.reset()

    async def main() -> None:
        async with scene(script) as (front, server):
            await front.get()
            assert (await front.get()).status == 502
            assert len(server.peers) == 2

    run(main())


@pytest.mark.parametrize("late", [b"", OK, b"x"], ids=["closed", "an-answer", "a-byte"])
def test_a_connection_that_changes_while_it_rests_is_dropped(run: Run, late: bytes) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer()
        if peer.number == 0:
            await asyncio.sleep(0.05)
            if late:
                await peer.send(late)
                await peer.gone()
            closed.set()
        else:
            await peer.gone()

    async def main() -> None:
        async with scene(script) as (front, server):
            await front.get()
            await closed.wait()
            await asyncio.sleep(0.05)
            # A POST would not be repeated, so a dead connection would show.
            answer = await front.ask(b"POST / HTTP/1.1\r\nhost: g\r\n\r\n")
            assert (answer.status, answer.body) == (200, b"ok")
            assert len(server.peers) == 2

    run(main())


def test_a_connection_rests_no_longer_than_it_may(run: Run) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.gone()
        closed.set()

    async def main() -> None:
        async with scene(script, idle_timeout=0.2) as (front, server):
            await front.get()
            await asyncio.wait_for(closed.wait(), 5)
            assert (await front.get()).status == 200
            assert len(server.peers) == 2

    run(main())


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
def test_a_connection_that_the_server_ends_is_not_used_again(run: Run, wire: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(wire)
        await peer.gone()

    async def main() -> None:
        async with scene(script) as (front, server):
            for _ in range(2):
                assert (await front.get()).status == 200
            assert len(server.peers) == 2

    run(main())


def test_the_limit_holds_and_the_queue_is_in_order(run: Run) -> None:
    order: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            order.append((await peer.head()).split()[1])
            await asyncio.sleep(0.02)
            await peer.send(OK)

    async def main() -> None:
        async with scene(script, max_connections=2) as (front, server):
            asks = []
            for i in range(12):
                asks.append(asyncio.ensure_future(front.get(b"/%d" % i)))
                await asyncio.sleep(0.005)
            answers = await asyncio.gather(*asks)
            assert {answer.status for answer in answers} == {200}
            assert order == [b"/%d" % i for i in range(12)]
            assert len(server.peers) == 2

    run(main())


def test_the_queue_moves_on_when_connections_are_cut(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")

    async def main() -> None:
        async with scene(script, max_connections=1) as (front, server):
            answers = await asyncio.gather(*(front.get() for _ in range(8)))
            assert {answer.status for answer in answers} == {200}
            assert len(server.peers) == 8

    run(main())


def test_waiting_too_long_for_a_connection_is_busy(run: Run) -> None:
    release = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await release.wait()
        await peer.send(OK)

    async def main() -> None:
        async with scene(script, max_connections=1, queue_timeout=0.2) as (front, server):
            first = asyncio.ensure_future(front.get())
            await until(lambda: server.peers)
            answer = await front.get()
            assert answer.status == 503
            assert answer.header(b"retry-after") == b"1"
            assert isinstance(front.errors[0], UpstreamBusyError)
            release.set()
            assert (await first).status == 200

    run(main())


def test_a_client_that_leaves_the_queue_is_never_sent_on(run: Run) -> None:
    release = asyncio.Event()
    targets: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            targets.append((await peer.head()).split()[1])
            await release.wait()
            await peer.send(OK)

    async def main() -> None:
        async with scene(script, max_connections=1, queue_timeout=30) as (front, server):
            first = asyncio.ensure_future(front.get(b"/first"))
            await until(lambda: server.peers)
            _, writer = await front.connect()
            writer.write(b"GET /gone HTTP/1.1\r\nhost: g\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.close()
            await front.finished()
            release.set()
            assert (await first).status == 200
            assert (await front.get(b"/last")).status == 200
            assert targets == [b"/first", b"/last"]

    run(main())


def test_closing_ends_what_is_in_flight(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"")
        await peer.gone()

    async def main() -> None:
        async with scene(script, max_connections=1) as (front, server):
            asks = [asyncio.ensure_future(front.get()) for _ in range(2)]
            await until(lambda: server.peers)
            await asyncio.sleep(0.05)
            await front.upstream.aclose()
            assert [answer.status for answer in await asyncio.gather(*asks)] == [502, 502]

    run(main())


# --- TLS ---


def certificates(folder: Path) -> tuple[Path, Path]:
    """An own authority that signed for 127.0.0.1; its certificate, and the server's with key."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    authority, server = folder / "ca.pem", folder / "server.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    authority.write_bytes(pem)
    server.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem
    )
    return authority, server


def opened_twice() -> list[str]:
    """The sockets that this process has open under more than one number."""
    opened: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # one that was open for a moment
            opened[os.readlink(f"/proc/self/fd/{number}")] += 1
    return [what for what, times in opened.items() if times > 1 and what.startswith("socket:")]


def server_context(server: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return context


@pytest.mark.parametrize("splicing", [False, True])
def test_tls_carries_large_bodies_and_is_kept(run: Run, tmp_path: Path, splicing: bool) -> None:
    """Nothing of it may go past the process that encrypts and decrypts it."""
    authority, server_pem = certificates(tmp_path)
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            assert await peer.reader.readexactly(len(body)) == body
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    async def main() -> None:
        async with (
            hostile(script, server_context(server_pem)) as server,
            gateway(f"https://127.0.0.1:{server.port}", ca_file=authority) as front,
        ):
            reader, writer = await front.connect()
            for _ in range(4):
                writer.write(
                    b"PUT / HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                )
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert await reader.readexactly(len(body)) == body
            left = opened_twice()
            writer.close()
            assert left == []
            assert len(server.peers) == 1
            assert not front.spliced

    (splicing_on(run) if splicing else run)(main())


@pytest.mark.parametrize("trouble", ["unknown-authority", "other-name", "no-tls"])
def test_an_upstream_that_is_not_who_it_should_be(run: Run, tmp_path: Path, trouble: str) -> None:
    authority, server_pem = certificates(tmp_path)
    context = None if trouble == "no-tls" else server_context(server_pem)
    host = "localhost" if trouble == "other-name" else "127.0.0.1"
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        heads.append(await peer.answer(b"this is not TLS"))

    async def main() -> None:
        async with (
            hostile(script, context) as server,
            gateway(
                f"https://{host}:{server.port}",
                ca_file=None if trouble == "unknown-authority" else authority,
                connect_timeout=2,
            ) as front,
        ):
            assert (await front.get()).status == 502
            expected = UpstreamUnreachableError if trouble == "no-tls" else UpstreamTLSError
            assert isinstance(front.errors[0], expected)
            assert heads == []

    run(main())
