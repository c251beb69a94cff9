"""The pool of connections: reuse, retries, limits, the queue, TLS.

Longer than most files here: the scripts of the upstream stand beside the tests that use them.
"""

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
from app.data_plane.upstream.pool import Address, Pool, PoolLimits
from tests.data_plane.upstream.forwarding_app import (
    Forwarding,
    all_event_loops_and_copy_modes,
)
from tests.support.scripted_upstream import (
    OK,
    Script,
    UpstreamConnection,
    scripted_upstream,
)
from tests.support.waiting import until

GET = b"GET / HTTP/1.1\r\nhost: g\r\n\r\n"


def reset_when_reused(heads: list[bytes]) -> Script:
    async def script(connection: UpstreamConnection) -> None:
        heads.append(await connection.respond(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        if connection.number == 0:
            # Reads the next request, like a server that closes at the same moment.
            heads.append(await connection.read_head())
            connection.reset()
        else:
            await connection.wait_closed()

    return script


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE"])
async def test_a_pooled_connection_that_was_closed_is_replaced_once(
    forwarding: Forwarding, method: bytes
) -> None:
    heads: list[bytes] = []

    async with forwarding(reset_when_reused(heads)) as (app, upstream):
        assert (await app.get()).status == 200
        response = await app.send(method + b" / HTTP/1.1\r\nhost: g\r\n\r\n")
        assert response.status == 200
        assert app.errors == []
        assert len(upstream.connections) == 2
        assert heads[1] == heads[2]


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nhost: g\r\n\r\n",
        b"PATCH / HTTP/1.1\r\nhost: g\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n\r\n{}",
        b"PUT / HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
@pytest.mark.parametrize("buffered", [False, True])
async def test_a_request_that_may_have_had_an_effect_is_not_repeated(
    forwarding: Forwarding, raw: bytes, buffered: bool
) -> None:
    heads: list[bytes] = []

    async with forwarding(reset_when_reused(heads), buffered=buffered) as (app, upstream):
        await app.get()
        assert (await app.send(raw)).status == 502
        assert isinstance(app.errors[0], UpstreamProtocolError)
        assert len(upstream.connections) == 1


async def test_an_unexpected_error_while_connecting_is_a_500(
    forwarding: Forwarding,
) -> None:
    async with forwarding.app("http://mlflow..svc:5000") as app:
        assert (await app.get()).status == 500


async def test_closing_the_pool_fails_the_requests_that_wait_for_a_connection() -> None:
    limits = PoolLimits(1, queue_timeout=30, connect_timeout=30, idle_timeout=30)
    pool = Pool(Address("127.0.0.1", 9), limits)
    slots = [pool.acquire() for _ in range(2)]  # the first is being opened, the second in the queue
    await pool.aclose()
    for slot in slots:
        with pytest.raises(UpstreamUnreachableError):
            await slot


@pytest.mark.parametrize(("slow", "status"), [(False, 200), (True, 502)])
async def test_a_refused_connection_is_retried_once(
    forwarding: Forwarding, slow: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = Pool._connect
    tries = 0

    async def second_time(self: Pool) -> Connection:
        nonlocal tries
        tries += 1
        if tries == 1:
            # A connection that timed out is not tried again.
            raise UpstreamUnreachableError("No.") from (TimeoutError() if slow else OSError())
        return await connect(self)

    monkeypatch.setattr(Pool, "_connect", second_time)

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond()

    async with forwarding(script) as (app, upstream):
        assert (await app.send(b"POST / HTTP/1.1\r\nhost: g\r\n\r\n")).status == status
        assert (tries, len(upstream.connections)) == ((1, 0) if slow else (2, 1))


async def test_a_new_connection_that_is_reset_is_not_replaced(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        connection.reset()

    async with forwarding(script) as (app, upstream):
        assert (await app.get()).status == 502
        assert len(upstream.connections) == 1


async def test_a_replacement_that_is_reset_is_not_replaced(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        if connection.number == 0:
            await connection.respond()
        await connection.read_head()
        connection.reset()

    async with forwarding(script) as (app, upstream):
        await app.get()
        assert (await app.get()).status == 502
        assert len(upstream.connections) == 2


@pytest.mark.parametrize("late", [b"", OK, b"x"], ids=["closed", "a-response", "a-byte"])
async def test_an_idle_connection_that_is_closed_or_gets_bytes_is_dropped(
    forwarding: Forwarding, late: bytes
) -> None:
    idle = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond()
        if connection.number == 0:
            await idle.wait()
            if late:
                await connection.send(late)
                await connection.wait_closed()
        else:
            await connection.wait_closed()

    async with forwarding(script) as (app, upstream):
        await app.get()
        pool = app.upstream._pool
        await until(lambda: pool._idle)
        idle.set()
        await until(lambda: not pool._idle)
        # A POST is not retried, so that the use of a dead connection would show.
        response = await app.send(b"POST / HTTP/1.1\r\nhost: g\r\n\r\n")
        assert (response.status, response.body) == (200, b"ok")
        assert len(upstream.connections) == 2


async def test_an_idle_connection_is_closed_after_its_timeout(forwarding: Forwarding) -> None:
    closed = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.respond()
        await connection.wait_closed()
        closed.set()

    async with forwarding(script, idle_timeout=0.2) as (app, upstream):
        await app.get()
        await closed.wait()
        assert (await app.get()).status == 200
        assert len(upstream.connections) == 2


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_the_server_closes_is_not_reused(
    forwarding: Forwarding, wire: bytes
) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(wire)
        await connection.wait_closed()

    async with forwarding(script) as (app, upstream):
        for _ in range(2):
            assert (await app.get()).status == 200
        assert len(upstream.connections) == 2


async def test_the_limit_of_connections_holds_and_the_queue_is_in_order(
    forwarding: Forwarding,
) -> None:
    order: list[bytes] = []
    turns = asyncio.Semaphore(0)

    async def script(connection: UpstreamConnection) -> None:
        while True:
            order.append((await connection.read_head()).split()[1])
            await turns.acquire()
            await connection.send(OK)

    async with forwarding(script, max_connections=2) as (app, upstream):
        requests = []
        for i in range(12):
            requests.append(asyncio.ensure_future(app.get(b"/%d" % i)))
            await until(lambda begun=i + 1: len(order) == min(begun, 2))  # type: ignore[misc]
            await app.wait_queued(max(0, i - 1))
        for i in range(12):
            turns.release()
            await until(lambda begun=i + 3: len(order) == min(begun, 12))  # type: ignore[misc]
        responses = await asyncio.gather(*requests)
        assert {response.status for response in responses} == {200}
        assert order == [b"/%d" % i for i in range(12)]
        assert len(upstream.connections) == 2


async def test_the_queue_advances_when_connections_are_closed(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
        )

    async with forwarding(script, max_connections=1) as (app, upstream):
        responses = await asyncio.gather(*(app.get() for _ in range(8)))
        assert {response.status for response in responses} == {200}
        assert len(upstream.connections) == 8


async def test_waiting_too_long_for_a_connection_is_a_503(forwarding: Forwarding) -> None:
    release = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.read_head()
        await release.wait()
        await connection.send(OK)

    async with forwarding(script, max_connections=1, queue_timeout=0.2) as (app, upstream):
        first = asyncio.ensure_future(app.get())
        await until(lambda: upstream.connections)
        response = await app.get()
        assert response.status == 503
        assert response.header(b"retry-after") == b"1"
        assert isinstance(app.errors[0], UpstreamBusyError)
        release.set()
        assert (await first).status == 200


async def test_a_client_that_disconnects_in_the_queue_is_not_forwarded(
    forwarding: Forwarding,
) -> None:
    release = asyncio.Event()
    targets: list[bytes] = []

    async def script(connection: UpstreamConnection) -> None:
        while True:
            targets.append((await connection.read_head()).split()[1])
            await release.wait()
            await connection.send(OK)

    async with forwarding(script, max_connections=1, queue_timeout=30) as (app, upstream):
        first = asyncio.ensure_future(app.get(b"/first"))
        await until(lambda: upstream.connections)
        _, writer = await app.connect()
        writer.write(b"GET /gone HTTP/1.1\r\nhost: g\r\n\r\n")
        await app.wait_queued(1)
        writer.close()
        await app.wait_finished()
        release.set()
        assert (await first).status == 200
        assert (await app.get(b"/last")).status == 200
        assert targets == [b"/first", b"/last"]


async def test_closing_the_client_ends_requests_in_flight(forwarding: Forwarding) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.respond(b"")
        await connection.wait_closed()

    async with forwarding(script, max_connections=1) as (app, upstream):
        requests = [asyncio.ensure_future(app.get()) for _ in range(2)]
        await until(lambda: upstream.connections and upstream.connections[0].heads)
        await app.wait_queued(1)
        await app.upstream.aclose()
        assert [response.status for response in await asyncio.gather(*requests)] == [502, 502]


# --- TLS ---


def certificates(folder: Path) -> tuple[Path, Path]:
    """Files with a self-signed certificate for 127.0.0.1: without its key, and with it."""
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
    """The sockets that this process has open under more than one file descriptor."""
    opened: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # it was closed meanwhile
            opened[os.readlink(f"/proc/self/fd/{number}")] += 1
    return [what for what, times in opened.items() if times > 1 and what.startswith("socket:")]


def server_context(server: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return context


@all_event_loops_and_copy_modes
async def test_tls_connections_carry_large_bodies_and_are_reused(
    forwarding: Forwarding, tmp_path: Path
) -> None:
    """Encrypted bodies cannot be spliced, since the process encrypts and decrypts them."""
    authority, server_pem = certificates(tmp_path)
    body = bytes(range(256)) * 20_000

    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.read_head()
            assert await connection.reader.readexactly(len(body)) == body
            await connection.send(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )

    async with (
        scripted_upstream(script, server_context(server_pem)) as upstream,
        forwarding.app(f"https://127.0.0.1:{upstream.port}", ca_file=authority) as app,
    ):
        reader, writer = await app.connect()
        for _ in range(4):
            writer.write(
                b"PUT / HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            response = await reader.readuntil(b"\r\n\r\n")
            assert response.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(len(body)) == body
        left = opened_twice()
        writer.close()
        assert left == []
        assert len(upstream.connections) == 1
        assert not app.spliced


@pytest.mark.parametrize("trouble", ["unknown-authority", "other-name", "no-tls"])
async def test_an_upstream_without_a_valid_certificate_gets_no_request(
    forwarding: Forwarding, tmp_path: Path, trouble: str
) -> None:
    authority, server_pem = certificates(tmp_path)
    context = None if trouble == "no-tls" else server_context(server_pem)
    host = "localhost" if trouble == "other-name" else "127.0.0.1"
    heads: list[bytes] = []

    async def script(connection: UpstreamConnection) -> None:
        await connection.reader.read(1)
        heads.append(await connection.respond(b"this is not TLS"))

    async with (
        scripted_upstream(script, context) as upstream,
        forwarding.app(
            f"https://{host}:{upstream.port}",
            ca_file=None if trouble == "unknown-authority" else authority,
            connect_timeout=2,
        ) as app,
    ):
        assert (await app.get()).status == 502
        expected = UpstreamUnreachableError if trouble == "no-tls" else UpstreamTLSError
        assert isinstance(app.errors[0], expected)
        assert heads == []
