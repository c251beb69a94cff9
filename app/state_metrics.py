"""Copies the state of the gateway's components into the metrics.

Each component counts in plain integers, so that a request costs it only an addition. They are read
here, before each exposition. PostgreSQL and MLflow are queried every few seconds, independently of
how often Prometheus scrapes.
"""

import asyncio
import os
from collections.abc import Mapping
from importlib.metadata import version
from threading import Lock

import structlog
from prometheus_client import Counter

from app.access.rate_limits.limiter import Limiter
from app.control_plane.health import NAME, ReadinessChecks
from app.control_plane.model_files import queue as model_files
from app.control_plane.registry import reconciler
from app.control_plane.transparency_log import service as transparency_log
from app.core.errors import GatewayError
from app.data_plane.fast_path import FastPath
from app.data_plane.upstream.client import UpstreamClient
from app.database.engine import Database
from app.edge.held_memory import HeldMemory
from app.edge.lifecycle import RequestLifecycle
from app.mlflow.client import MLflowClient
from app.telemetry.metrics import Metrics
from app.telemetry.multiprocess import DIRECTORY_VARIABLE

log = structlog.get_logger()

# Seconds between two queries of PostgreSQL and MLflow; shorter than a usual scrape interval.
INTERVAL = 10.0


class StateMetrics:
    """Keeps `metrics` up to date with the state of the other components."""

    def __init__(
        self,
        metrics: Metrics,
        fast_path: FastPath,
        lifecycle: RequestLifecycle,
        limiter: Limiter,
        held: Mapping[str, HeldMemory],
        upstream: UpstreamClient,
        database: Database,
        mlflow: MLflowClient,
        checks: ReadinessChecks,
    ) -> None:
        """held: the memory that is held for clients, by what it is held for."""
        self._metrics = metrics
        self._fast_path = fast_path
        self._lifecycle = lifecycle
        self._limits = limiter.limits
        self._held = held
        self._upstream = upstream
        self._database = database
        self._mlflow = mlflow
        self._checks = checks
        # The totals that the counters have been increased by so far, by counter and label.
        self._exported: dict[tuple[str, str], int] = {}
        # Requests to the metrics port are served in separate threads.
        self._lock = Lock()
        self._upstream_version: str | None = None
        metrics.build.labels(version(NAME)).set(1)
        metrics.refresh = self.refresh
        self.refresh()

    def refresh(self) -> None:
        """Copy the state that is in memory."""
        with self._lock:
            metrics, pool = self._metrics, self._upstream.usage()
            connections = list(self._fast_path.connections)
            metrics.client_connections.set(len(connections))
            metrics.in_flight.set(sum(connection.busy for connection in connections))
            for state, count in pool.connections.items():
                metrics.upstream_connections.labels(state).set(count)
            metrics.upstream_connections_max.set(pool.max_connections)
            metrics.upstream_waiting.set(pool.waiting)
            used, idle, most = self._database.usage()
            metrics.database_connections.labels("in_use").set(used)
            metrics.database_connections.labels("idle").set(idle)
            metrics.database_connections_max.set(most)
            self._increase_to(metrics.body_bytes, "in", self._lifecycle.bytes_in)
            self._increase_to(metrics.body_bytes, "out", self._lifecycle.bytes_out)
            for limit in self._limits:
                self._increase_to(metrics.limited, limit.name, limit.refused)
            for purpose, memory in self._held.items():
                metrics.client_memory.labels(purpose).set(memory.size)
                self._increase_to(metrics.client_memory_ended, purpose, memory.ended)

    async def run(self) -> None:
        """Query PostgreSQL and MLflow every few seconds, until cancelled."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                await self._try_update()
        finally:
            # Otherwise what this worker counted since the last time would be lost.
            self._refresh_shared()

    def _refresh_shared(self) -> None:
        """Refresh the metrics that the other workers' expositions include.

        An exposition refreshes only the metrics of its own process.
        """
        if DIRECTORY_VARIABLE in os.environ:
            self.refresh()

    async def _try_update(self) -> None:
        try:
            self._refresh_shared()
            await self.update_from_dependencies()
        except GatewayError as error:
            log.debug("state_metrics.postponed", reason=error.reason)
        except Exception:
            log.exception("state_metrics.failed")

    async def update_from_dependencies(self) -> None:
        """Update the metrics that come from PostgreSQL and MLflow, and the results of /readyz.

        Raises DatabaseUnavailableError, UpstreamError and UpstreamBusyError.
        """
        metrics = self._metrics
        checks = await self._checks()
        metrics.set_readiness({name: check.ready for name, check in checks.items()})
        async with self._database.transaction() as session:
            backlog, oldest = await reconciler.backlog(session)
            entries = await transparency_log.size(session)
            unread = await model_files.waiting(session)
        metrics.backlog.set(backlog)
        metrics.oldest.set(oldest)
        metrics.log_entries.set(entries)
        metrics.unread_models.set(unread)
        self._set_upstream_version(await self._mlflow.server_version() or "unknown")

    def _set_upstream_version(self, current: str) -> None:
        if current == self._upstream_version:
            return
        if self._upstream_version is not None:
            self._metrics.upstream_build.labels(self._upstream_version).set(0)
        self._metrics.upstream_build.labels(current).set(1)
        self._upstream_version = current

    def _increase_to(self, counter: Counter, label: str, total: int) -> None:
        """Increase a counter to a total that never decreases."""
        key = (counter._name, label)
        counter.labels(label).inc(total - self._exported.get(key, 0))
        self._exported[key] = total
