"""SIGTERM in the middle of large transfers: they end whole, and nothing new begins."""

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.standalone.mlflow_server import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.process import GatewayProcess
from tests.support.redis import free_port
from tests.support.training import Training
from tests.support.waiting import wait_until

CHUNK = os.urandom(1024 * 1024)
CHUNKS = 200
GRACE = 120


@dataclass
class Ending:
    """A gateway process that will be ended, and a tenant that stays reachable over another."""

    process: GatewayProcess
    training: Training
    root: str

    def client(self) -> httpx.Client:
        """A client of the process that will end."""
        return httpx.Client(
            base_url=self.process.url,
            headers={"Authorization": self.training.client.headers["Authorization"]},
            timeout=GRACE,
            trust_env=False,
        )

    def file(self, name: str) -> str:
        return f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{self.root}/{name}"

    def terminate(self) -> None:
        """SIGTERM; return once new connections are refused."""
        self.process.terminate()
        wait_until(self._refuses)

    def _refuses(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.process.port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False


Begin = Callable[[int], Ending]


@pytest.fixture
def begin(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> Iterator[Begin]:
    """Starts a process with a grace period of so many seconds."""
    database = new_database()
    with (
        RunningGateway(database, mlflow_server.url) as staying,
        Training.of(staying) as training,
        ExitStack() as stack,
    ):
        pepper, attestor = staying.settings.key_pepper, staying.settings.attestor_key
        assert pepper is not None
        assert attestor is not None
        run = training.mlflow("runs/create", experiment_id="0")["run"]["info"]
        root = run["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")

        def start(grace: int) -> Ending:
            process = GatewayProcess(
                tmp_path,
                free_port(),
                database_url=database,
                mlflow_url=mlflow_server.url,
                key_pepper=pepper.get_secret_value(),
                attestor_key=attestor.get_secret_value(),
                grace_period=str(grace),
            )
            return Ending(stack.enter_context(process), training, root)

        yield start


def content(count: int) -> Iterator[bytes]:
    """Chunks that differ, so that one that is missing or comes twice is noticed."""
    for number in range(count):
        yield number.to_bytes(8, "big") + CHUNK[8:]


def digest(chunks: Iterator[bytes]) -> str:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def test_an_upload_and_a_download_end_whole_and_the_exit_code_is_0(begin: Begin) -> None:
    ending = begin(GRACE)
    whole = digest(content(CHUNKS))
    size = str(CHUNKS * len(CHUNK))
    put = ending.training.client.put(
        ending.file("down.bin"), content=content(CHUNKS), headers={"Content-Length": size}
    )
    assert put.status_code == 200, put.text
    half, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        for number, chunk in enumerate(content(CHUNKS)):
            if number == CHUNKS // 2:
                half.set()
                assert go_on.wait(GRACE)
            yield chunk

    def upload() -> httpx.Response:
        with ending.client() as client:
            return client.put(
                ending.file("up.bin"), content=slowly(), headers={"Content-Length": size}
            )

    with (
        ThreadPoolExecutor(1) as pool,
        ending.client() as client,
        client.stream("GET", ending.file("down.bin")) as download,
    ):
        uploading = pool.submit(upload)
        try:
            assert download.status_code == 200
            chunks = download.iter_raw()
            first = next(chunks)
            assert half.wait(GRACE)
            ending.terminate()
        finally:
            go_on.set()
        rest = [first, *chunks]
        assert uploading.result().status_code == 200
    assert digest(iter(rest)) == whole
    assert ending.process.wait(GRACE) == 0
    with ending.training.client.stream("GET", ending.file("up.bin")) as stored:
        assert digest(stored.iter_raw()) == whole


def test_a_transfer_past_the_grace_period_is_cut_and_never_looks_whole(begin: Begin) -> None:
    """The other half of the promise: a peer that stalls does not keep the process for ever."""
    ending = begin(1)
    put = ending.training.client.put(ending.file("a.bin"), content=b"".join(content(50)))
    assert put.status_code == 200, put.text
    with ending.client() as client, client.stream("GET", ending.file("a.bin")) as download:
        chunks = download.iter_raw()
        next(chunks)
        ending.process.terminate()
        assert ending.process.wait(GRACE) == 0
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
