"""The metrics of several workers as one: prometheus_client's files, which each worker writes."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, multiprocess
from prometheus_client.registry import Collector

# prometheus_client's own variable; a process that starts without it counts for itself.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
# Of this the sum of several processes says nothing; the oldest does.
OLDEST = "process_start_time_seconds"


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """Let the workers that are started in here count together, in files of a directory."""
    with tempfile.TemporaryDirectory(prefix="hokusai-metrics-") as directory:
        os.environ[SHARED] = directory
        try:
            yield
        finally:
            del os.environ[SHARED]


def all_workers() -> CollectorRegistry:
    """A registry that tells the workers' numbers together."""
    directory = Path(os.environ[SHARED])
    registry = CollectorRegistry()
    registry.register(Processes(directory))
    registry.register(Workers(directory))
    return registry


class Workers(Collector):
    """What the workers have written into the directory, together."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        # A file is empty for a moment when it is made, and prometheus_client fails over it.
        files = [str(path) for path in self.directory.glob("*.db") if _size(path)]
        found: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return found


def _size(path: Path) -> int:
    """In bytes; 0 for a file that another scrape has just removed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Processes(Collector):
    """The standard metrics of processes, summed over those that write into the directory.

    What a process that has ended said of its present is removed on the way, so it has to be asked
    before the files are read.
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
                known = total.setdefault(metric.name, metric)
                if known is not metric:
                    join = min if metric.name == OLDEST else sum
                    (mine,), (other,) = known.samples, metric.samples
                    known.samples = [mine._replace(value=join((mine.value, other.value)))]
        return total.values()
