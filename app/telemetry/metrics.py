"""Prometheus metrics; docs/operations.md lists all of them.

Every label has a bounded set of values: none contains an id, a path or a name chosen by a caller.
"""

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
from app.telemetry.multiprocess import DIRECTORY_VARIABLE, combined_registry

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Upper bounds in seconds, from a cached response to a large artifact.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """The metrics of one process, in a registry of their own.

    Durations and rare events are recorded here as they happen. Frequent events are counted as plain
    integers by the components themselves; `app.state_metrics` copies those into the gauges and
    counters here: before each exposition in a single process, every few seconds in each of several
    workers.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        # Called before each exposition: collectors are called in the order of their registration.
        self.refresh: Callable[[], None] = _nothing
        registry.register(_Refresh(self))
        ProcessCollector(registry=registry)
        self._requests = Histogram(
            "hokusai_request_seconds",
            "Duration of requests, by method, route (of MLflow or the gateway) and status.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            "hokusai_errors",
            "Error responses, by reason.",
            ["reason"],
            registry=registry,
        )
        self._authentication_failures = Counter(
            "hokusai_authentication_failures",
            "Requests with a missing or invalid credential, by reason.",
            ["reason"],
            registry=registry,
        )
        self._upstream_errors = Counter(
            "hokusai_upstream_errors",
            "Requests to MLflow, forwarded or the gateway's own, that got no usable response.",
            ["reason"],
            registry=registry,
        )
        self.aborted = Counter(
            "hokusai_responses_aborted",
            "Responses that were cut off because MLflow failed after they had started.",
            registry=registry,
        )
        self.limit_fallbacks = Counter(
            "hokusai_limit_fallbacks",
            "Requests counted in this process because Redis was unavailable.",
            registry=registry,
        )
        self.limited = Counter(
            "hokusai_limited",
            "Responses with 429, by the limit that was exceeded.",
            ["limit"],
            registry=registry,
        )
        self.client_memory_ended = Counter(
            "hokusai_client_memory_ended",
            "Unfinished documents and unread responses that were ended for the memory they took.",
            ["purpose"],
            registry=registry,
        )
        self.body_bytes = Counter(
            "hokusai_body_bytes",
            "Bytes of the bodies of requests (in) and responses (out).",
            ["direction"],
            registry=registry,
        )
        self.registrations = Counter(
            "hokusai_registrations",
            "Requests to register a model, by kind and outcome.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.in_flight = self._summed_gauge("hokusai_requests_in_flight", "Requests in progress.")
        self.client_connections = self._summed_gauge(
            "hokusai_client_connections", "Open connections from clients."
        )
        self.client_memory = self._summed_gauge(
            "hokusai_client_memory_bytes",
            "Bytes held for documents that clients send, and responses that they do not read.",
            "purpose",
        )
        self.upstream_connections = self._summed_gauge(
            "hokusai_upstream_connections", "Connections to MLflow.", "state"
        )
        self.upstream_connections_max = self._summed_gauge(
            "hokusai_upstream_connections_max", "Maximum number of connections to MLflow."
        )
        self.upstream_waiting = self._summed_gauge(
            "hokusai_upstream_waiting", "Requests waiting for a free connection to MLflow."
        )
        self.database_connections = self._summed_gauge(
            "hokusai_database_connections", "Connections to PostgreSQL.", "state"
        )
        self.database_connections_max = self._summed_gauge(
            "hokusai_database_connections_max", "Maximum number of connections to PostgreSQL."
        )
        # The following have the same value in every process.
        self.backlog = self._common_gauge(
            "hokusai_reconciler_backlog", "Registrations to be resumed or cleaned up."
        )
        self.oldest = self._common_gauge(
            "hokusai_reconciler_oldest_seconds", "Age of the oldest registration in the backlog."
        )
        self.unread_models = self._common_gauge(
            "hokusai_model_files_waiting", "Models whose files are still to be read in MLflow."
        )
        self.log_entries = self._common_gauge(
            "hokusai_attestation_log_entries", "Entries of the transparency log of attestations."
        )
        self.ready = Gauge(
            "hokusai_ready",
            "1 if the check of /readyz succeeded when it last ran, else 0.",
            ["check"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.build = self._common_gauge("hokusai_build_info", "Always 1.", "version")
        self.upstream_build = self._common_gauge(
            "hokusai_upstream_info", "1 for the version of MLflow.", "version"
        )
        # Prometheus' rate() misses the first event of a series that does not exist before it.
        for reason in REASONS:
            self._errors.labels(reason)
        # Cached, because looking up a child by its labels takes longer than observing a value.
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record a request and its duration. status: 0 if the client left before the response."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.observe(seconds)

    def count_error(self, reason: str) -> None:
        """Count an error response."""
        self._errors.labels(reason).inc()

    def count_authentication_failure(self, reason: str) -> None:
        """Count a request with a missing or invalid credential."""
        self._authentication_failures.labels(reason).inc()

    def count_upstream_error(self, reason: str) -> None:
        """Count a request to MLflow that got no usable response."""
        self._upstream_errors.labels(reason).inc()

    def count_registration(self, kind: str, outcome: str) -> None:
        """Count a request to register a model."""
        self.registrations.labels(kind, outcome).inc()

    def set_readiness(self, checks: Mapping[str, bool]) -> None:
        """Set the result of each check of /readyz, by its name."""
        for check, ready in checks.items():
            self.ready.labels(check).set(ready)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format; of several workers, those of all together."""
        is_shared = DIRECTORY_VARIABLE in os.environ
        return generate_latest(combined_registry() if is_shared else self.registry)

    def _summed_gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode="livesum")

    def _common_gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode="livemax")


class _Refresh(Collector):
    """Has no metrics of its own: it refreshes the others before they are collected."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        self.metrics.refresh()
        return ()


def _nothing() -> None:
    """The `refresh` of metrics that no `StateMetrics` is attached to."""


@contextmanager
def serve_metrics(
    host: str, port: int | None, registry: CollectorRegistry | None = None
) -> Iterator[None]:
    """Serve metrics over HTTP on a separate port, without authentication, until the block ends.

    registry: that of a single process; None for the combined metrics of all workers. Does nothing
    if port is None. Raises StartupError if the port cannot be opened.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry or combined_registry())
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
