"""Combines the metrics of several workers, which each worker writes to files of one directory.

This is prometheus_client's multiprocess mode.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, multiprocess
from prometheus_client.registry import Collector

# The environment variable of prometheus_client's multiprocess mode: the directory.
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# The one metric of processes that is not summed: the combined value is the oldest start.
START_TIME = "process_start_time_seconds"


@contextmanager
def metrics_directory() -> Iterator[None]:
    """Make the workers started within the block write their metrics to a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="hokusai-metrics-") as directory:
        os.environ[DIRECTORY_VARIABLE] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY_VARIABLE]


def combined_registry() -> CollectorRegistry:
    """A registry of the combined metrics of all workers. Needs PROMETHEUS_MULTIPROC_DIR."""
    directory = Path(os.environ[DIRECTORY_VARIABLE])
    registry = CollectorRegistry()
    registry.register(ProcessMetrics(directory))
    registry.register(WorkerMetrics(directory))
    return registry


class WorkerMetrics(Collector):
    """The metrics that the workers have written to the directory, combined."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        # A new file is empty for a moment, and prometheus_client cannot read an empty file.
        files = [str(path) for path in self.directory.glob("*.db") if _size(path)]
        found: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return found


def _size(path: Path) -> int:
    """The file's size in bytes; 0 if another scrape has just removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class ProcessMetrics(Collector):
    """The standard metrics of processes (`process_*`), summed over the workers.

    For a process that has ended, it removes the files of that process's live gauges; so it has to
    be collected before `WorkerMetrics`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        total: dict[str, Metric] = {}
        for pid in {path.stem.rpartition("_")[2] for path in self.directory.glob("*.db")}:
            found = list(ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect())  # type: ignore[misc]
            if not found:
                multiprocess.mark_process_dead(pid, self.directory)  # type: ignore[no-untyped-call]
            for metric in found:
                combined = total.setdefault(metric.name, metric)
                if combined is not metric:
                    combine = min if metric.name == START_TIME else sum
                    (sample,), (other,) = combined.samples, metric.samples
                    combined.samples = [sample._replace(value=combine((sample.value, other.value)))]
        return total.values()
