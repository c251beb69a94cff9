"""Prometheus metrics. Every label has a bounded set of values; none holds an id, a path or a name
that a caller chose. docs/operations.md lists them all."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from app.core.errors import REASONS, StartupError
from app.telemetry.multiprocess import SHARED, all_workers

CONTENT_TYPE = CONTENT_TYPE_LATEST
# From a cached answer to a large artifact, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """The gateway's own numbers, in a registry of their own.

    Counters of what is rare, and times, are counted as they happen. The rest are plain integers in
    the parts that they tell of, which `gauges.py` reads: before each answer where there is one
    process, and every few seconds where several workers share one exposition.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        # Called before an exposition. Collectors are asked in the order of their registration.
        self.refresh: Callable[[], None] = _nothing
        registry.register(_Refresh(self))
        ProcessCollector(registry=registry)
        self._requests = Histogram(
            "hokusai_request_seconds",
            "Time to answer, by method, route of the manifest or of our own, and status.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            "hokusai_errors",
            "Requests answered with an error, by the reason in it.",
            ["reason"],
            registry=registry,
        )
        self._authentication_failures = Counter(
            "hokusai_authentication_failures",
            "Credentials that were missing or not good, by what was wrong.",
            ["reason"],
            registry=registry,
        )
        self._upstream_errors = Counter(
            "hokusai_upstream_errors",
            "Requests to MLflow, callers' and the gateway's own, that got no answer to pass on.",
            ["reason"],
            registry=registry,
        )
        self.aborted = Counter(
            "hokusai_answers_aborted",
            "Answers that were cut off because the upstream failed after they had begun.",
            registry=registry,
        )
        self.limit_fallbacks = Counter(
            "hokusai_limit_fallbacks",
            "Requests counted in this process because Redis was away.",
            registry=registry,
        )
        self.limited = Counter(
            "hokusai_limited",
            "Requests refused with 429, by the limit that was used up.",
            ["limit"],
            registry=registry,
        )
        self.body_bytes = Counter(
            "hokusai_body_bytes",
            "Bytes of bodies, of requests (in) and of answers (out).",
            ["direction"],
            registry=registry,
        )
        self.registrations = Counter(
            "hokusai_registrations",
            "What came of requests to register a model.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.in_flight = self._sum("hokusai_requests_in_flight", "Requests being answered.")
        self.client_connections = self._sum(
            "hokusai_client_connections", "Open connections of clients."
        )
        self.upstream_connections = self._sum(
            "hokusai_upstream_connections", "Connections to MLflow.", "state"
        )
        self.upstream_connections_max = self._sum(
            "hokusai_upstream_connections_max", "Connections to MLflow that there may be."
        )
        self.upstream_waiting = self._sum(
            "hokusai_upstream_waiting", "Requests that wait for a free connection to MLflow."
        )
        self.database_connections = self._sum(
            "hokusai_database_connections", "Connections to PostgreSQL.", "state"
        )
        self.database_connections_max = self._sum(
            "hokusai_database_connections_max", "Connections to PostgreSQL that there may be."
        )
        # These are the same, whichever process tells them.
        self.backlog = self._same(
            "hokusai_reconciler_backlog", "Registrations left by their holder, or to be cleaned up."
        )
        self.oldest = self._same(
            "hokusai_reconciler_oldest_seconds", "Age of the oldest registration in the backlog."
        )
        self.log_entries = self._same(
            "hokusai_attestation_log_entries", "Entries of the log of attestations."
        )
        self.ready = Gauge(
            "hokusai_ready",
            "Whether what /readyz checks was well when it was last looked at.",
            ["check"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.build = self._same("hokusai_build_info", "Always 1.", "version")
        self.upstream_build = self._same(
            "hokusai_upstream_info", "1 for the version of the MLflow behind.", "version"
        )
        # A series that is there before its first event lets `rate` see that event.
        for reason in REASONS:
            self._errors.labels(reason)
        # Looking a labelled child up costs more than counting with it.
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. A status of 0 means that the client left before an answer began."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count an answer that is an error."""
        self._errors.labels(reason).inc()

    def not_authenticated(self, reason: str) -> None:
        """Count a credential that did not prove who calls."""
        self._authentication_failures.labels(reason).inc()

    def upstream_failed(self, reason: str) -> None:
        """Count a request to MLflow that failed."""
        self._upstream_errors.labels(reason).inc()

    def registered(self, kind: str, outcome: str) -> None:
        """Count what came of a request to register a model."""
        self.registrations.labels(kind, outcome).inc()

    def found_ready(self, checks: Mapping[str, bool]) -> None:
        """Keep what a look at the dependencies found."""
        for check, ready in checks.items():
            self.ready.labels(check).set(ready)

    def exposition(self) -> bytes:
        """Prometheus' text format; of all workers, where there are several."""
        return generate_latest(all_workers() if SHARED in os.environ else self.registry)

    def _sum(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode="livesum")

    def _same(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode="livemax")


class _Refresh(Collector):
    """Tells nothing itself: it has the others brought up to date."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        self.metrics.refresh()
        return ()


def _nothing() -> None:
    """What there is to refresh before anything runs."""


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
        server, thread = start_http_server(port, host, registry or all_workers())
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
