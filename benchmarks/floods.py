"""What one client address can do at its worst, for some seconds.

    python -m benchmarks.floods NAME URL SECONDS KEY

KEY: of a tenant with the default limits. All connections come from `ADDRESS`. Each flood is bounded
in connections and in time; what it gets in response does not matter to it.
"""

import asyncio
import itertools
import json
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from coincurve import PrivateKey
from eth_hash.auto import keccak

from app.access.identity.key_format import new_key
from app.core.ethereum import checksum_address, personal_digest

ADDRESS = "127.0.0.2"
JSON = "application/json"
VICTIM = "hkm_1"


class Attacker:
    """Sends requests from `ADDRESS`."""

    def __init__(self, url: str, seconds: float, key: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.seconds = seconds
        self.key = {"Authorization": f"Bearer {key}"}

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", kind: str = JSON
    ) -> bytes:
        """A request as bytes."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def repeat(self, connections: int, make: Callable[[], bytes]) -> None:
        """Send requests one after the other, on several connections at once."""
        await self._during(*(self._one_by_one(make) for _ in range(connections)))

    async def unread(self, connections: int, request: bytes) -> None:
        """Send one request on each connection, and do not read the responses."""
        await self._during(*(self._send_and_wait(request) for _ in range(connections)))

    async def slow(self, connections: int, request: bytes, rest: int) -> None:
        """Send all but the end of a request on each connection, and that at 300 bytes a second."""
        head, tail = request[:-rest], request[-rest:]
        await self._during(*(self._trickle(head, tail) for _ in range(connections)))

    async def _during(self, *tasks: Awaitable[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                await asyncio.gather(*tasks)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            self.host, self.port, local_addr=(ADDRESS, 0), limit=2**26
        )

    async def _one_by_one(self, make: Callable[[], bytes]) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                reader, writer = await self._open()
                try:
                    while True:
                        writer.write(make())
                        await writer.drain()
                        await _read_response(reader)
                finally:
                    writer.close()
            await asyncio.sleep(0.01)

    async def _send_and_wait(self, request: bytes) -> None:
        with suppress(OSError):
            _, writer = await self._open()
            writer.write(request)
            await asyncio.sleep(self.seconds)
            writer.close()

    async def _trickle(self, head: bytes, tail: bytes) -> None:
        with suppress(OSError):
            _, writer = await self._open()
            writer.write(head)
            for start in range(0, len(tail), 300):
                await writer.drain()
                await asyncio.sleep(1)
                writer.write(tail[start : start + 300])


async def _read_response(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if not found or b"\r\nconnection: close" in head:
        raise ConnectionError("the connection ends")
    await reader.readexactly(int(rest.partition(b"\r\n")[0]))


def wallet() -> dict[str, str]:
    """The headers of a request that a new wallet signs."""
    key = PrivateKey(secrets.token_bytes(32))
    address = checksum_address(f"0x{keccak(key.public_key.format(False)[1:])[12:].hex()}")
    message = f"Hokusai API Access - {datetime.now(UTC).replace(tzinfo=None).isoformat()}"
    raw = key.sign_recoverable(personal_digest(message.encode()), hasher=None)
    signature = f"0x{raw[:64].hex()}{27 + raw[64]:02x}"
    return {"X-ETH-Address": address, "X-ETH-Message": message, "X-ETH-Signature": signature}


def members(count: int) -> bytes:
    """A JSON object with many members."""
    return b"{%s}" % b",".join(b'"%d":0' % number for number in range(count))


def _claim() -> bytes:
    contribution = {"contributor": "0x" + secrets.token_hex(20), "x": secrets.token_hex(700_000)}
    body = {
        "kind": "claimed",
        "metrics": {"accuracy": 0.5, "loss": secrets.randbelow(10**9) / 10**9},
        "data_contribution": contribution,
    }
    return json.dumps(body).encode()


def _reads() -> Iterator[str]:
    address = "0x" + "1" * 40
    return itertools.cycle(
        [
            "/api/models?limit=1000",
            f"/api/models/{VICTIM}",
            f"/api/models/{VICTIM}/lineage?limit=1000",
            "/api/models?kind=tokenized&type=type-11",
            "/api/contributors?limit=1000",
            f"/api/contributors/{address}",
            f"/api/contributors/{address}/contributions?limit=1000",
            f"/api/contributors/{address}/attestations?limit=1000",
            "/api/attestations?limit=1000",
            "/api/attestations/log",
            "/api/attestations/log/entries?limit=1000",
            "/api/attestations/log/proof?index=0",
            "/.well-known/hokusai-attestor.json",
            "/api/auth/nonce",
            "/api/auth/whoami",
            "/api/limits",
            "/api/keys?limit=1000",
            "/openapi.json",
            "/docs",
            "/readyz",
        ]
    )


SURROGATES = b'{"x":"\\ud83d\\ude00","y":[%s]}' % b",".join([b"[]"] * 690_000)
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search"
FLOODS: dict[str, Callable[[Attacker], Awaitable[None]]] = {
    # Requests that new wallets sign: for a list, for keys, for entries of the log, for workspaces.
    "wallets": lambda a: a.repeat(4, lambda: a.request("GET", "/api/models", wallet())),
    "wallet-keys": lambda a: a.repeat(
        4, lambda: a.request("POST", "/api/keys", wallet(), b'{"name":"flood"}')
    ),
    "claims": lambda a: a.repeat(
        4, lambda: a.request("POST", "/api/attestations", wallet(), _claim())
    ),
    "workspaces": lambda a: a.repeat(
        4,
        lambda: a.request(
            "POST", "/api/attestations", wallet(), b'{"improved_run_id":"%s"}' % (b"0" * 32)
        ),
    ),
    # Documents with many members, and responses that nobody reads.
    "members": lambda a: a.repeat(
        4, _constant(a.request("POST", "/api/auth/token", {}, members(100_000)))
    ),
    "unread": lambda a: a.unread(9, a.request("POST", "/api/auth/token", {}, members(190_000))),
    "unread-lists": lambda a: a.unread(100, a.request("GET", "/api/models?limit=1000", a.key) * 20),
    # Documents with many scalars and lists, also of a media type that is not JSON's.
    "scalars": lambda a: a.repeat(
        4,
        _constant(
            a.request(
                "POST", "/api/attestations/verify", {}, b'{"a":[%s]}' % (b"0," * 999_999 + b"0")
            )
        ),
    ),
    "lists-as-text": lambda a: a.repeat(
        12,
        _constant(
            a.request(
                "POST",
                "/api/attestations/verify",
                {},
                b'{"a":[%s]}' % b",".join([b"[]"] * 600_000),
                "text/plain",
            )
        ),
    ),
    "surrogates": lambda a: a.repeat(4, _constant(a.request("POST", SEARCH, a.key, SURROGATES))),
    "slow-bodies": lambda a: a.slow(
        80, a.request("POST", "/api/attestations/verify", {}, b'"%s"' % (b"x" * 1_999_000)), 50_000
    ),
    # Few bytes that are much work: requests that wait behind others, and chunks of a byte each.
    "pipelined": lambda a: a.repeat(4, _constant(a.request("GET", "/livez", {}) * 8_000)),
    "tiny-chunks": lambda a: a.repeat(
        4,
        _constant(
            a.request("POST", "/api/attestations/verify", {"Transfer-Encoding": "chunked"})
            + b"1\r\n0\r\n" * 200_000
        ),
    ),
    # What no limit counts, and keys that do not exist.
    "probes": lambda a: a.repeat(32, _constant(a.request("GET", "/livez", {}))),
    "guesses": lambda a: a.repeat(
        32, lambda: a.request("GET", "/api/models", {"X-API-Key": new_key()})
    ),
    # Every read, as fast as possible, with a key; and proxied requests.
    "reads": lambda a: a.repeat(16, _reading(a)),
    "proxied": lambda a: a.repeat(
        64, _constant(a.request("GET", "/api/mlflow/api/2.0/mlflow/runs/get?run_id=a", a.key))
    ),
}


def _constant(request: bytes) -> Callable[[], bytes]:
    return lambda: request


def _reading(attacker: Attacker) -> Callable[[], bytes]:
    paths = _reads()
    return lambda: attacker.request("GET", next(paths), attacker.key)


def main() -> None:
    name, url, seconds, key = sys.argv[1:]
    attacker = Attacker(url, float(seconds), key)

    async def flood() -> None:
        await FLOODS[name](attacker)

    asyncio.run(flood())


if __name__ == "__main__":
    main()
