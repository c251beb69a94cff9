"""What users do during the chaos test, and the outcome of each request.

Each worker runs in a thread until it is stopped. Only the status of a response counts as an
outcome. Only `Registering` repeats requests, which carry an Idempotency-Key.
"""

import secrets
import threading
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, Self

import httpx

from app.control_plane.transparency_log.checkpoint import Checkpoint, CheckpointVerifier

MLFLOW = "/api/mlflow/api/2.0/mlflow"
FILES = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"
# Seconds between two steps of a worker, and after a failed one: the parts that start again need
# the processor.
PAUSE = 0.03
RETREAT = 0.3


class Worker(ABC):
    """Works while the `with` block lasts; raises the worker's own error when the block ends.

    responses: how often each status came; 0 stands for a broken connection.
    """

    def __init__(self, url: str, key: str) -> None:
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )
        self.responses: Counter[int] = Counter()
        self._stop = threading.Event()
        self._healthy = True
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    @abstractmethod
    def step(self, name: str) -> None:
        """One piece of work, under a unique name."""

    def send(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        """Send once; returns the response, or None if there was none."""
        try:
            response = self.client.request(method, path, **request)
        except httpx.TransportError:
            self.responses[0] += 1
            self._healthy = False
            return None
        self.responses[response.status_code] += 1
        if response.status_code >= 500:
            self._healthy = False
        return response

    def _run(self) -> None:
        try:
            while not self._stop.wait(PAUSE if self._healthy else RETREAT):
                self._healthy = True
                self.step(secrets.token_hex(8))
        except BaseException as error:  # raised when the block ends
            self._failed = error


class Training(Worker):
    """Runs with a metric and a file, at MLflow's REST API.

    outcomes: the status of the response for each run's name. metrics: the names of the runs whose
    metric had a 2xx response. files: likewise, with the path of the file.
    """

    def __init__(self, url: str, key: str, experiment: str) -> None:
        super().__init__(url, key)
        self.experiment = experiment
        self.outcomes: dict[str, int] = {}
        self.metrics: set[str] = set()
        self.files: dict[str, str] = {}

    def step(self, name: str) -> None:
        body = {"experiment_id": self.experiment, "tags": [{"key": "chaos", "value": name}]}
        made = self.send("POST", f"{MLFLOW}/runs/create", json=body)
        if made is None:
            return
        self.outcomes[name] = made.status_code
        if not made.is_success:
            return
        info = made.json()["run"]["info"]
        metric = {"run_id": info["run_id"], "key": "m", "value": 1.5, "timestamp": 1, "step": 0}
        logged = self.send("POST", f"{MLFLOW}/runs/log-metric", json=metric)
        if logged is not None and logged.is_success:
            self.metrics.add(name)
        path = f"{info['artifact_uri'].removeprefix('mlflow-artifacts:/').lstrip('/')}/{name}"
        put = self.send("PUT", f"{FILES}/{path}", content=content_of(name))
        if put is not None and put.is_success:
            self.files[name] = path


class Registering(Worker):
    """Registrations, each repeated with the same Idempotency-Key until it has a final response.

    outcomes: the model's id for each registered run. open: runs without a final response. wrong:
    unexpected final responses.
    """

    def __init__(self, url: str, key: str, experiment: str) -> None:
        super().__init__(url, key)
        self.experiment = experiment
        self.outcomes: dict[str, str] = {}
        self.open: set[str] = set()
        self.wrong: list[httpx.Response] = []

    def step(self, name: str) -> None:
        made = self.send("POST", f"{MLFLOW}/runs/create", json={"experiment_id": self.experiment})
        if made is None or not made.is_success:
            return
        run = made.json()["run"]["info"]["run_id"]
        root = made.json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        file = f"{FILES}/{root.lstrip('/')}/model/MLmodel"
        metric = {"run_id": run, "key": "accuracy", "value": 0.5, "timestamp": 1, "step": 0}
        for response in (
            self.send("PUT", file, content=b"flavors: {}\n"),
            self.send("POST", f"{MLFLOW}/runs/log-metric", json=metric),
        ):
            if response is None or not response.is_success:
                return
        self.open.add(run)
        for waiting in sorted(self.open):
            self.register(waiting)

    def register(self, run: str) -> bool:
        """Send a registration; returns whether the response is final."""
        body = {"run_id": run, "model_type": f"m-{run[:8]}"}
        headers = {"Idempotency-Key": run}
        response = self.send("POST", "/api/models/baseline", json=body, headers=headers)
        if response is None or response.status_code >= 500 or response.status_code == 409:
            return False
        self.open.discard(run)
        if response.status_code == 201:
            self.outcomes[run] = response.json()["model_id"]
        else:
            self.wrong.append(response)
        return True


class Attesting(Worker):
    """Claimed attestations, and checkpoints of the growing log.

    outcomes: the hashes of the attestations in 2xx responses.
    """

    def __init__(self, url: str, key: str, log_key: str) -> None:
        super().__init__(url, key)
        self.outcomes: list[str] = []
        self.checkpoints: list[Checkpoint] = []
        self._verifier = CheckpointVerifier.parse(log_key)
        self._number = 0

    def step(self, name: str) -> None:
        self._number += 1
        body = {"kind": "claimed", "metrics": {"accuracy": self._number / 1_000_000}}
        response = self.send("POST", "/api/attestations", json=body)
        if response is not None and response.is_success:
            self.outcomes.append(response.json()["hash"])
        if self._number % 10 == 0:
            log = self.send("GET", "/api/attestations/log")
            if log is not None and log.is_success:
                self.checkpoints.append(self._verifier.open(log.json()["checkpoint"]))


class Refused(Worker):
    """Attempts to create runs with a key that may only read.

    outcomes: the status of the response for each name.
    """

    def __init__(self, url: str, key: str, experiment: str) -> None:
        super().__init__(url, key)
        self.experiment = experiment
        self.outcomes: dict[str, int] = {}

    def step(self, name: str) -> None:
        body = {"experiment_id": self.experiment, "tags": [{"key": "chaos", "value": name}]}
        response = self.send("POST", f"{MLFLOW}/runs/create", json=body)
        if response is not None:
            self.outcomes[name] = response.status_code


class Wrong(Worker):
    """Registrations of runs that do not exist, each with its own model name.

    outcomes: the status of the response for each name.
    """

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.outcomes: dict[str, int] = {}

    def step(self, name: str) -> None:
        body = {"run_id": name * 2, "model_type": f"w-{name}"}
        response = self.send("POST", "/api/models/baseline", json=body)
        if response is not None:
            self.outcomes[name] = response.status_code


def content_of(name: str) -> bytes:
    """The bytes of a run's file."""
    return name.encode() * 4096


def train_with_the_client(experiment: str, stop: str) -> list[str]:
    """A user's program with MLflow's client, which runs until the file `stop` exists.

    Returns the ids of the runs that the client completed without an error.
    """
    import logging
    from contextlib import suppress
    from pathlib import Path

    import mlflow

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    done = []
    while not Path(stop).exists():
        try:
            with mlflow.start_run(experiment_id=experiment) as run:
                for step in range(3):
                    mlflow.log_metric("loss", 1 / (step + 1), step=step)
                mlflow.log_text("weights", "weights.txt")
        except Exception:  # only completed runs are checked
            with suppress(Exception):
                mlflow.end_run("FAILED")
            continue
        done.append(run.info.run_id)
    return done
