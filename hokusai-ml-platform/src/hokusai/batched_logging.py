"""Sending what a run logs in batches: MLflow's asynchronous logging, for the time of one block.

One `log_metric` is one request to the gateway, and a key has a limit of requests. MLflow can put
what is logged into a queue, and send it as batches of up to 1,000 values. Here that is turned on
for a block, and made to behave as logging without it does: what was logged is sent before anything
is read, before a registration or an attestation, and at the end of the block; and what
MLflow could not log is raised.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, Iterator

ENABLED = "MLFLOW_ENABLE_ASYNC_LOGGING"
BUFFERING = "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS"
# How long MLflow collects values before it sends them, in whole seconds.
BUFFERING_SECONDS = 3
# The threads of MLflow's queue. They must not wait for the queue that they are emptying.
_QUEUE_THREADS = "MLflow"


class _PendingLogs:
    """What the blocks of this process have logged, and MLflow has not confirmed yet."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._blocks = 0
        self._operations: list[Any] = []
        self._failure: BaseException | None = None

    def begin(self) -> None:
        with self._lock:
            self._blocks += 1

    def end(self) -> None:
        """Raise what could not be logged, if it was not raised before."""
        with self._lock:
            self._blocks -= 1
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def add(self, operation: Any) -> None:
        with self._lock:
            # Those that are done need not be kept, so that a long run takes no memory.
            if len(self._operations) >= 1000:
                self._collect()
            self._operations.append(operation)

    def flush(self) -> None:
        if not self._blocks or threading.current_thread().name.startswith(_QUEUE_THREADS):
            return
        with self._lock:
            self._collect()
            if self._operations:
                import mlflow

                mlflow.flush_async_logging()
                self._collect()

    def _collect(self) -> None:
        """Drop the operations that are done, and keep the first failure among them."""
        pending = []
        for operation in self._operations:
            futures = operation._operation_futures
            if not all(future.done() for future in futures):
                pending.append(operation)
                continue
            failures = [future.exception() for future in futures if future.exception()]
            if failures and self._failure is None:
                self._failure = failures[0]
        self._operations = pending


_pending = _PendingLogs()


def flush() -> None:
    """Send what has been logged and is still in MLflow's queue, and wait until it is there.

    Without a block of `batched_logging` it does nothing.
    """
    _pending.flush()


@contextlib.contextmanager
def batched_logging() -> Iterator[None]:
    """Let MLflow log in batches inside the `with` block, and send the rest at its end.

    Where the caller has set `MLFLOW_ENABLE_ASYNC_LOGGING`, to whatever value, nothing is changed.

    Raises:
        mlflow.exceptions.MlflowException: Something could not be logged.
    """
    if os.environ.get(ENABLED, "").strip() and not _pending._blocks:
        yield
        return
    from mlflow.tracking._tracking_service.utils import _get_store

    previous = {name: os.environ.get(name) for name in (ENABLED, BUFFERING)}
    os.environ[ENABLED] = "true"
    os.environ.setdefault(BUFFERING, str(BUFFERING_SECONDS))
    store = _get_store()
    log_batch_async = store.log_batch_async

    def recorded(*arguments: Any, **named: Any) -> Any:
        operation = log_batch_async(*arguments, **named)
        _pending.add(operation)
        return operation

    _pending.begin()
    store.log_batch_async = recorded
    failed = True
    try:
        yield
        failed = False
    finally:
        try:
            _pending.flush()
        finally:
            store.log_batch_async = log_batch_async
            for name, value in previous.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            # An error of the block itself is more important than one of its logging.
            with contextlib.suppress(Exception) if failed else contextlib.nullcontext():
                _pending.end()
