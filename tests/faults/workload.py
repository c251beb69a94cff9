"""What users do all the while, and what they were told came of it.

Each worker sends in a thread of its own until it is told to stop, and never believes anything but
the status of an answer. Nothing here repeats a request of its own accord but `Registering`, whose
requests carry an Idempotency-Key.
"""

import secrets
import threading
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, Self

import httpx

from app.control_plane.attestations.checkpoint import Checkpoint, CheckpointVerifier

MLFLOW = "/api/mlflow/api/2.0/mlflow"
FILES = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"
# Seconds between two steps of a worker, and after one that failed: what has to start again needs
# the processor more.
PAUSE = 0.03
RETREAT = 0.3


class Worker(ABC):
    """Works while the `with` block lasts; an error of its own is raised at the end of it.

    answers: how often each status came, 0 for a connection that broke.
    """

    def __init__(self, url: str, key: str) -> None:
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )
        self.answers: Counter[int] = Counter()
        self._stop = threading.Event()
        self._well = True
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
        """One piece of work, under a name that no other has."""

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response | None:
        """Send once: the answer, or None where there was none."""
        try:
            answer = self.client.request(method, path, **request)
        except httpx.TransportError:
            self.answers[0] += 1
            self._well = False
            return None
        self.answers[answer.status_code] += 1
        if answer.status_code >= 500:
            self._well = False
        return answer

    def _run(self) -> None:
        try:
            while not self._stop.wait(PAUSE if self._well else RETREAT):
                self._well = True
                self.step(secrets.token_hex(8))
        except BaseException as error:  # told where the block ends
            self._failed = error


class Training(Worker):
    """Runs with a metric and a file, at MLflow's REST API.

    told: for each name, the status that its run was answered with. metrics, files: the names of the
    runs whose metric or file was answered with 2xx, with the run's id.
    """

    def __init__(self, url: str, key: str, experiment: str) -> None:
        super().__init__(url, key)
        self.experiment = experiment
        self.told: dict[str, int] = {}
        self.metrics: set[str] = set()
        self.files: dict[str, str] = {}

    def step(self, name: str) -> None:
        body = {"experiment_id": self.experiment, "tags": [{"key": "chaos", "value": name}]}
        made = self.ask("POST", f"{MLFLOW}/runs/create", json=body)
        if made is None:
            return
        self.told[name] = made.status_code
        if not made.is_success:
            return
        info = made.json()["run"]["info"]
        metric = {"run_id": info["run_id"], "key": "m", "value": 1.5, "timestamp": 1, "step": 0}
        logged = self.ask("POST", f"{MLFLOW}/runs/log-metric", json=metric)
        if logged is not None and logged.is_success:
            self.metrics.add(name)
        path = f"{info['artifact_uri'].removeprefix('mlflow-artifacts:/').lstrip('/')}/{name}"
        put = self.ask("PUT", f"{FILES}/{path}", content=content_of(name))
        if put is not None and put.is_success:
            self.files[name] = path


class Registering(Worker):
    """Registrations that are sent again, with their key, until they are answered for good.

    told: for each run, what it was registered as at last. open: those that wait for an answer.
    """

    def __init__(self, url: str, key: str, experiment: str) -> None:
        super().__init__(url, key)
        self.experiment = experiment
        self.told: dict[str, str] = {}
        self.open: set[str] = set()
        self.wrong: list[httpx.Response] = []

    def step(self, name: str) -> None:
        made = self.ask("POST", f"{MLFLOW}/runs/create", json={"experiment_id": self.experiment})
        if made is None or not made.is_success:
            return
        run = made.json()["run"]["info"]["run_id"]
        root = made.json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        file = f"{FILES}/{root.lstrip('/')}/model/MLmodel"
        metric = {"run_id": run, "key": "accuracy", "value": 0.5, "timestamp": 1, "step": 0}
        for answer in (
            self.ask("PUT", file, content=b"flavors: {}\n"),
            self.ask("POST", f"{MLFLOW}/runs/log-metric", json=metric),
        ):
            if answer is None or not answer.is_success:
                return
        self.open.add(run)
        for waiting in sorted(self.open):
            self.register(waiting)

    def register(self, run: str) -> bool:
        """Send a registration: whether that was its last answer."""
        body = {"run_id": run, "model_type": f"m-{run[:8]}"}
        headers = {"Idempotency-Key": run}
        answer = self.ask("POST", "/api/models/baseline", json=body, headers=headers)
        if answer is None or answer.status_code >= 500 or answer.status_code == 409:
            return False
        self.open.discard(run)
        if answer.status_code == 201:
            self.told[run] = answer.json()["model_id"]
        else:
            self.wrong.append(answer)
        return True


class Attesting(Worker):
    """Claimed attestations, and checkpoints of the log while it grows.

    told: the hashes that were answered.
    """

    def __init__(self, url: str, key: str, log_key: str) -> None:
        super().__init__(url, key)
        self.told: list[str] = []
        self.checkpoints: list[Checkpoint] = []
        self._verifier = CheckpointVerifier.parse(log_key)
        self._number = 0

    def step(self, name: str) -> None:
        self._number += 1
        body = {"kind": "claimed", "metrics": {"accuracy": self._number / 1_000_000}}
        answer = self.ask("POST", "/api/attestations", json=body)
        if answer is not None and answer.is_success:
            self.told.append(answer.json()["hash"])
        if self._number % 10 == 0:
            log = self.ask("GET", "/api/attestations/log")
            if log is not None and log.is_success:
                self.checkpoints.append(self._verifier.open(log.text))


class Refused(Worker):
    """Runs by somebody who may not make any, registrations that are wrong.

    told: for each name, the status that its run was answered with.
    """

    def __init__(self, url: str, key: str, experiment: str) -> None:
        super().__init__(url, key)
        self.experiment = experiment
        self.told: dict[str, int] = {}

    def step(self, name: str) -> None:
        body = {"experiment_id": self.experiment, "tags": [{"key": "chaos", "value": name}]}
        answer = self.ask("POST", f"{MLFLOW}/runs/create", json=body)
        if answer is not None:
            self.told[name] = answer.status_code


class Wrong(Worker):
    """Registrations of what is not there, each under a model's name of its own.

    told: for each name, the status.
    """

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.told: dict[str, int] = {}

    def step(self, name: str) -> None:
        body = {"run_id": name * 2, "model_type": f"w-{name}"}
        answer = self.ask("POST", "/api/models/baseline", json=body)
        if answer is not None:
            self.told[name] = answer.status_code


def content_of(name: str) -> bytes:
    """The bytes of a run's file."""
    return name.encode() * 4096


def train_with_the_client(experiment: str, stop: str) -> list[str]:
    """A user's program: MLflow's own client, until the file `stop` is there.

    The ids of the runs that the client said were well from beginning to end.
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
        except Exception:  # what the client gives up is not what is asked about
            with suppress(Exception):
                mlflow.end_run("FAILED")
            continue
        done.append(run.info.run_id)
    return done
