"""The metrics of several workers are combined from the files that they write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from app.telemetry.multiprocess import DIRECTORY_VARIABLE, combined_registry, metrics_directory
from tests.support.metrics import Scrape

WORKER = """
import sys
from app.telemetry.metrics import Metrics

metrics = Metrics()
metrics.count_error("not_found")
metrics.in_flight.set(int(sys.argv[1]))  # summed over the workers
metrics.backlog.set(int(sys.argv[1]))  # the same in all workers: the highest is shown
metrics.set_readiness({"upstream": sys.argv[1] == "1"})  # the lowest is shown
print("ready", flush=True)
sys.stdin.read()
"""


def combined() -> Scrape:
    return Scrape(generate_latest(combined_registry()).decode())


def worker(number: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate("")
    assert process.returncode == 0


def test_the_directory_exists_within_the_block() -> None:
    with metrics_directory():
        directory = Path(os.environ[DIRECTORY_VARIABLE])
        assert directory.is_dir()
    assert DIRECTORY_VARIABLE not in os.environ
    assert not directory.exists()


def test_workers_are_combined_by_the_kind_of_each_metric() -> None:
    with metrics_directory():
        one, two = worker(1), worker(2)
        found = combined()
        assert found.value("hokusai_errors_total", reason="not_found") == 2
        assert found.value("hokusai_requests_in_flight") == 3
        assert found.value("hokusai_reconciler_backlog") == 2
        assert found.value("hokusai_ready", check="upstream") == 0
        both = found.value("process_resident_memory_bytes")
        started = found.value("process_start_time_seconds")

        end(two)
        found = combined()
        # What a worker has counted remains; its gauges and its memory do not.
        assert found.value("hokusai_errors_total", reason="not_found") == 2
        assert found.value("hokusai_requests_in_flight") == 1
        assert found.value("hokusai_ready", check="upstream") == 1
        assert 0 < found.value("process_resident_memory_bytes") < both
        assert found.value("process_start_time_seconds") == started
        end(one)


def test_an_incomplete_file_of_a_starting_worker_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    # prometheus_client creates an empty file, and fills it afterwards.
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    (tmp_path / f"gauge_livesum_{os.getpid()}.db").write_bytes(bytes(1 << 16))
    assert combined().value("process_resident_memory_bytes") > 1_000_000
