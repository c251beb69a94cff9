"""Prometheus metrics. Every label has a bounded set of values; none holds an id, a path or a name
that a caller chose."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.errors import StartupError

CONTENT_TYPE = CONTENT_TYPE_LATEST
# prometheus_client's own variable; a process that starts without it counts for itself.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
# From a cached answer to a large artifact, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """The gateway's own counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "hokusai_request_seconds",
            "Time to answer, by method, route of the manifest or of our own, and status.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.aborted = Counter(
            "hokusai_answers_aborted",
            "Answers that were cut off because the upstream failed after they had begun.",
            registry=self.registry,
        )
        self.limit_fallbacks = Counter(
            "hokusai_limit_fallbacks",
            "Requests counted in this process because Redis was away.",
            registry=self.registry,
        )
        # Looking a labelled child up costs more than counting with it.
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. A status of 0 means that the client left before an answer began."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.observe(seconds)

    def exposition(self) -> bytes:
        """Prometheus' text format; of all workers, where there are several."""
        return generate_latest(_of_all_workers() if SHARED in os.environ else self.registry)


@contextmanager
def served(
    host: str, port: int | None, registry: CollectorRegistry | None = None
) -> Iterator[None]:
    """Serve a registry, or the sum of all workers, on a port of its own, without authentication.

    Does nothing without a port. Raises StartupError where it cannot be had.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry or _of_all_workers())
    except OSError as error:
        raise StartupError(
            f"cannot serve metrics on {host} port {port}: {error.strerror}; set "
            "HOKUSAI_METRICS_PORT to a free port, or HOKUSAI_METRICS_HOST to another address"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """Let the workers that are started in here count together, in files of a directory."""
    with tempfile.TemporaryDirectory(prefix="hokusai-metrics-") as directory:
        os.environ[SHARED] = directory
        try:
            yield
        finally:
            del os.environ[SHARED]


def _of_all_workers() -> CollectorRegistry:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
