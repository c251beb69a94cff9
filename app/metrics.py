"""Prometheus metrics. Every label has a bounded set of values; none holds an id, a path or a name
that a caller chose."""

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
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
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self.registry)
