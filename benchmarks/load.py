"""The two kinds of load: many small requests, and one large body."""

import http.client
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.launcher import Target, program
from benchmarks.processes import cpu_seconds, peak_bytes, reset_peak

HERE = Path(__file__).parent
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
# The headers that the MLflow client sends.
HEADERS = {
    "User-Agent": "mlflow-python-client/3.17.2",
    "X-MLflow-Client-Version": "3.17.2",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
}
POST = HERE / "post.lua"
BLOCK = bytes(1024 * 1024)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Small:
    """One round of small requests. cpu: µs of CPU time per request; p50 and p99: ms."""

    requests: int
    cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Large:
    """One large body. rate: MB/s; cpu: s of CPU time per GB; peak: MB of resident memory."""

    rate: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Script:
    """A Lua script with which wrk builds the requests, and the script's arguments."""

    path: Path
    arguments: Sequence[str] = ()


def small_requests(
    target: Target,
    path: str,
    *,
    connections: int,
    seconds: int,
    script: Script | None = None,
    headers: Mapping[str, str] | None = None,
) -> Small:
    """Request `path` repeatedly with wrk: by GET, or as the script says.

    headers: instead of the target's credential. Raises RuntimeError for a response other than 2xx.
    """
    if headers is None:
        headers = {"Authorization": target.authorization} if target.authorization else {}
    command = [program("wrk"), "--latency", "--timeout", "60s"]
    command += ["-t1", f"-c{connections}", f"-d{seconds}s"]
    for name, value in {**HEADERS, **headers}.items():
        command += ["-H", f"{name}: {value}"]
    command += ["-s", str(script.path)] if script else []
    command += [target.base + path]
    command += ["--", *script.arguments] if script else []
    before = cpu_seconds(target.pid)
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu = cpu_seconds(target.pid) - before
    count = int(_match(r"(\d+) requests in", text)[0])
    if "Non-2xx" in text or "Socket errors" in text or not count:
        raise RuntimeError(f"{target.name} failed:\n{text}")
    return Small(
        requests=count,
        cpu=cpu / count * 1e6,
        rate=float(_match(r"Requests/sec:\s+([\d.]+)", text)[0]),
        p50=_milliseconds("50%", text),
        p99=_milliseconds("99%", text),
    )


def upload(target: Target, size: int) -> Large:
    """PUT an artifact of `size` bytes with a Content-Length."""
    return _measured(target, "PUT", size)


def download(target: Target, size: int) -> Large:
    """GET an artifact of `size` bytes."""
    return _measured(target, "GET", size)


def transfer(target: Target, method: str, size: int) -> None:
    """Transfer one body. Raises RuntimeError where it did not arrive completely."""
    connection = begin_request(target, method, str(size), size if method == "PUT" else None)
    if method == "PUT":
        for start in range(0, size, len(BLOCK)):
            connection.send(memoryview(BLOCK)[: size - start])
    response = connection.getresponse()
    buffer = bytearray(len(BLOCK))
    received = 0
    while count := response.readinto(buffer):
        received += count
    connection.close()
    if response.status != http.client.OK or (method == "GET" and received != size):
        raise RuntimeError(f"{target.name}: {response.status} and {received} bytes to {method}")


def begin_request(
    target: Target, method: str, artifact: str, length: int | None = None
) -> http.client.HTTPConnection:
    """A connection on which the head of a request for an artifact has been sent."""
    url = urlsplit(target.base)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=300)
    connection.putrequest(method, f"{url.path}{ARTIFACTS}/{artifact}")
    connection.putheader("Authorization", target.authorization)
    if length is not None:
        connection.putheader("Content-Length", str(length))
    connection.endheaders()
    return connection


def _measured(target: Target, method: str, size: int) -> Large:
    reset_peak(target.pid)
    cpu_before, started = cpu_seconds(target.pid), time.perf_counter()
    transfer(target, method, size)
    seconds = time.perf_counter() - started
    cpu = cpu_seconds(target.pid) - cpu_before
    return Large(size / seconds / 1e6, cpu / size * 1e9, peak_bytes(target.pid) / 1e6)


def _milliseconds(percentile: str, text: str) -> float:
    value, unit = _match(rf"{percentile}\s+([\d.]+)(us|ms|s|m)", text)
    return float(value) * _UNITS[unit]


def _match(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"cannot read the output of wrk:\n{text}")
    return found.groups()
