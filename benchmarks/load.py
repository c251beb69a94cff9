"""The two loads: many small requests, and one large body."""

import http.client
import re
import subprocess
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.processes import cpu_seconds, peak_bytes, reset_peak
from benchmarks.stack import RUN, Target, program

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
# As the MLflow client sends them.
HEADERS = {
    "User-Agent": "mlflow-python-client/3.17.2",
    "X-MLflow-Client-Version": "3.17.2",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
}
BLOCK = bytes(1024 * 1024)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Small:
    """One round of small requests. cpu: µs of CPU time a request; p50 and p99: ms."""

    requests: int
    cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Large:
    """One large body. rate: MB/s; cpu: seconds of CPU time a GB; peak: MB of resident memory."""

    rate: float
    cpu: float
    peak: float


def small_requests(target: Target, key: str, *, connections: int, seconds: int) -> Small:
    """GET one run over and over, by wrk. Raises RuntimeError for any answer that is not 2xx."""
    headers = {**HEADERS, "Authorization": f"Bearer {key}"}
    command = [program("wrk"), "--latency", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    before = cpu_seconds(target.pid)
    finished = subprocess.run(
        [*command, target.base + RUN], capture_output=True, text=True, check=True
    )
    cpu = cpu_seconds(target.pid) - before
    text = finished.stdout
    count = int(_find(r"(\d+) requests in", text)[0])
    if "Non-2xx" in text or "Socket errors" in text or not count:
        raise RuntimeError(f"{target.name} failed:\n{text}")
    return Small(
        requests=count,
        cpu=cpu / count * 1e6,
        rate=float(_find(r"Requests/sec:\s+([\d.]+)", text)[0]),
        p50=_milliseconds("50%", text),
        p99=_milliseconds("99%", text),
    )


def upload(target: Target, key: str, size: int) -> Large:
    """PUT an artifact of `size` bytes with a Content-Length."""
    return _transfer(target, key, "PUT", size)


def download(target: Target, key: str, size: int) -> Large:
    """GET an artifact of `size` bytes."""
    return _transfer(target, key, "GET", size)


def _transfer(target: Target, key: str, method: str, size: int) -> Large:
    url = urlsplit(target.base)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=120)
    reset_peak(target.pid)
    before, began = cpu_seconds(target.pid), time.perf_counter()
    connection.putrequest(method, f"{url.path}{ARTIFACTS}/{size}")
    connection.putheader("Authorization", f"Bearer {key}")
    if method == "PUT":
        connection.putheader("Content-Length", str(size))
    connection.endheaders()
    if method == "PUT":
        for start in range(0, size, len(BLOCK)):
            connection.send(memoryview(BLOCK)[: size - start])
    answer = connection.getresponse()
    buffer = bytearray(len(BLOCK))
    received = 0
    while count := answer.readinto(buffer):
        received += count
    seconds = time.perf_counter() - began
    cpu = cpu_seconds(target.pid) - before
    connection.close()
    if answer.status != http.client.OK or (method == "GET" and received != size):
        raise RuntimeError(f"{target.name}: {answer.status} and {received} bytes to {method}")
    return Large(size / seconds / 1e6, cpu / size * 1e9, peak_bytes(target.pid) / 1e6)


def _milliseconds(percentile: str, text: str) -> float:
    number, unit = _find(rf"{percentile}\s+([\d.]+)(us|ms|s)", text)
    return float(number) * _UNITS[unit]


def _find(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"not what wrk prints:\n{text}")
    return found.groups()
