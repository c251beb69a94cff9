"""What the parts of the gateway know of themselves, as metrics.

Each part keeps plain integers, so that a request costs no more than an addition; here they are
read. What has to be asked of PostgreSQL and MLflow is asked every few seconds, however often
Prometheus comes.
"""

import asyncio
import os
import re
from importlib.metadata import version
from threading import Lock

import structlog
from prometheus_client import Counter

from app.access.rate_limits.limiter import Limiter
from app.control_plane.attestations import transparency_log as attestation_log
from app.control_plane.health import NAME, Checks
from app.control_plane.registry import reconciler
from app.core.errors import GatewayError
from app.data_plane.fast_path import FastPath
from app.data_plane.upstream.client import UpstreamClient
from app.database.engine import Database
from app.edge.lifecycle import RequestLifecycle
from app.mlflow.client import MLflowClient
from app.telemetry.metrics import Metrics
from app.telemetry.multiprocess import SHARED

log = structlog.get_logger()

# Seconds between two looks at PostgreSQL and MLflow; less than between two of Prometheus'.
INTERVAL = 10.0
# MLflow's word for its version becomes a label.
VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")


class StateMetrics:
    """Brings `metrics` up to date with the parts of the gateway."""

    def __init__(
        self,
        metrics: Metrics,
        fast_path: FastPath,
        lifecycle: RequestLifecycle,
        limiter: Limiter,
        upstream: UpstreamClient,
        database: Database,
        mlflow: MLflowClient,
        checks: Checks,
    ) -> None:
        self._metrics = metrics
        self._fast_path = fast_path
        self._lifecycle = lifecycle
        self._limits = limiter.limits
        self._upstream = upstream
        self._database = database
        self._mlflow = mlflow
        self._checks = checks
        self._told: dict[tuple[str, str], int] = {}
        # Prometheus' requests are answered in threads of their own.
        self._lock = Lock()
        self._upstream_version: str | None = None
        metrics.build.labels(version(NAME)).set(1)
        metrics.refresh = self.refresh
        self.refresh()

    def refresh(self) -> None:
        """Read what is known without asking anybody."""
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
            self._count(metrics.body_bytes, "in", self._lifecycle.bytes_in)
            self._count(metrics.body_bytes, "out", self._lifecycle.bytes_out)
            for limit in self._limits:
                self._count(metrics.limited, limit.name, limit.refused)

    async def run(self) -> None:
        """Ask PostgreSQL and MLflow every few seconds until cancelled."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                await self._look()
        finally:
            # What was counted since the last time would be lost with this process.
            self._share()

    def _share(self) -> None:
        """Tell the other workers' readers what only this process knows."""
        if SHARED in os.environ:
            self.refresh()

    async def _look(self) -> None:
        try:
            self._share()
            await self.ask()
        except GatewayError as error:
            log.debug("gauges.postponed", reason=error.reason)
        except Exception:
            log.exception("gauges.failed")

    async def ask(self) -> None:
        """Look at the dependencies, and at what the database has to tell.

        Raises DatabaseUnavailableError, UpstreamError and UpstreamBusyError.
        """
        metrics = self._metrics
        checks = await self._checks()
        metrics.found_ready({name: check.ready for name, check in checks.items()})
        async with self._database.transaction() as session:
            backlog, oldest = await reconciler.backlog(session)
            entries = await attestation_log.size(session)
        metrics.backlog.set(backlog)
        metrics.oldest.set(oldest)
        metrics.log_entries.set(entries)
        self._tell_version(await self._mlflow.version())

    def _tell_version(self, given: str) -> None:
        found = given if VERSION.fullmatch(given) else "unknown"
        if found == self._upstream_version:
            return
        if self._upstream_version is not None:
            self._metrics.upstream_build.labels(self._upstream_version).set(0)
        self._metrics.upstream_build.labels(found).set(1)
        self._upstream_version = found

    def _count(self, counter: Counter, label: str, total: int) -> None:
        """Bring a counter up to an integer that only grows."""
        key = (counter._name, label)
        counter.labels(label).inc(total - self._told.get(key, 0))
        self._told[key] = total
