"""Large files go straight to the object store: the gateway passes the control calls only."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from app.standalone.postgres import EmbeddedPostgreSQL
from tests.artifacts.relay import Relay
from tests.artifacts.store import BUCKET, mlflow_server, s3_client, s3_server
from tests.support.gateway import RunningGateway
from tests.support.mlflow_user import MLflowUser
from tests.support.responses import good, refused

MIB = 1024 * 1024
# MLflow's client does so from 500 MiB on, which is more than a test has to move.
THRESHOLD = 8 * MIB
SIZE = 24 * MIB
FILES = "/api/mlflow/api/2.0/mlflow-artifacts"


@dataclass
class Store:
    """A gateway in front of an MLflow whose artifacts are in S3."""

    gateway: RunningGateway
    mlflow: str
    s3: Any
    log: Path

    def requested(self) -> list[str]:
        """The targets of all requests that S3 has had."""
        return re.findall(r'"\S*(?:GET|HEAD|PUT|POST|DELETE) (\S+)', self.log.read_text())

    def names(self) -> list[str]:
        """The names of all objects in the bucket."""
        found = self.s3.list_objects_v2(Bucket=BUCKET)
        return [item["Key"] for item in found.get("Contents", [])]


@pytest.fixture(scope="module")
def store(
    new_database: Callable[[], str],
    postgres: EmbeddedPostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Store]:
    directory = tmp_path_factory.mktemp("store")
    postgres.create_database("mlflow_s3")
    with s3_server(directory) as s3:
        client = s3_client(s3)
        client.create_bucket(Bucket=BUCKET)
        with (
            mlflow_server(directory, postgres.url("mlflow_s3"), s3) as mlflow,
            RunningGateway(new_database(), mlflow.url) as gateway,
        ):
            yield Store(gateway, mlflow.url, client, s3.log)
        client.close()


def upload(path: str) -> str:
    """In the user's process: a run with that file; its artifact URI."""
    import mlflow

    with mlflow.start_run() as run:
        mlflow.log_artifact(path, "model")
    uri: str = run.info.artifact_uri
    return uri


def download(uri: str, directory: str) -> str:
    """In the user's process: the file's SHA-256."""
    import mlflow

    found = mlflow.artifacts.download_artifacts(f"{uri}/model/large.bin", dst_path=directory)
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()


def test_the_stock_client_uploads_and_downloads_past_the_gateway(
    store: Store, tmp_path: Path
) -> None:
    content = os.urandom(SIZE)
    (tmp_path / "large.bin").write_bytes(content)
    key = store.gateway.key("large")
    with (
        Relay(store.gateway.port) as relay,
        MLflowUser(
            tmp_path,
            MLFLOW_TRACKING_URI=f"{relay.url}/api/mlflow",
            MLFLOW_TRACKING_TOKEN=key,
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=str(THRESHOLD),
            MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE=str(THRESHOLD),
        ) as user,
    ):
        uri = user.call(upload, str(tmp_path / "large.bin"))
        (name,) = [name for name in store.names() if name.endswith("large.bin")]
        assert "/large/" in name
        stored = store.s3.get_object(Bucket=BUCKET, Key=name)
        assert stored["Body"].read() == content
        # Of an object that was sent in parts, S3 says how many.
        assert stored["ETag"].strip('"').endswith("-3")
        (tmp_path / "down").mkdir()
        assert user.call(download, uri, str(tmp_path / "down")) == (
            hashlib.sha256(content).hexdigest()
        )
        assert 0 < relay.sent < MIB / 2
        assert 0 < relay.received < MIB / 2


def download_small(uri: str, directory: str) -> str:
    """In the user's process: the text of a small file."""
    import mlflow

    found = mlflow.artifacts.download_artifacts(f"{uri}/model/small.txt", dst_path=directory)
    return Path(found).read_text()


@pytest.mark.parametrize("direct", [True, False])
def test_the_operator_says_whether_files_go_past_the_gateway(
    store: Store, new_database: Callable[[], str], tmp_path: Path, direct: bool
) -> None:
    (tmp_path / "large.bin").write_bytes(os.urandom(SIZE))
    (tmp_path / "small.txt").write_text("small")
    with (
        RunningGateway(new_database(), store.mlflow, direct_artifacts=direct) as gateway,
        Relay(gateway.port) as relay,
        MLflowUser(
            tmp_path,
            MLFLOW_TRACKING_URI=f"{relay.url}/api/mlflow",
            MLFLOW_TRACKING_TOKEN=gateway.key(f"direct-{direct}"),
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=str(THRESHOLD),
        ) as user,
    ):
        large = user.call(upload, str(tmp_path / "large.bin"))
        small = user.call(upload, str(tmp_path / "small.txt"))
        before = len(store.requested())
        (tmp_path / "down").mkdir()
        assert user.call(download, large, str(tmp_path / "down")) == (
            hashlib.sha256((tmp_path / "large.bin").read_bytes()).hexdigest()
        )
        assert user.call(download_small, small, str(tmp_path / "down")) == "small"
        passed = MIB / 2 if direct else SIZE
        assert (relay.sent < passed, relay.received < passed) == (direct, direct)
        # A small file comes straight from the store as well: by a signed URL.
        signed = [
            target
            for target in store.requested()[before:]
            if "/small.txt?" in target and "Signature=" in target
        ]
        assert bool(signed) is direct
        with gateway.client(gateway.key()) as client:
            told = good(client.get("/api/mlflow/api/3.0/mlflow/server-info"))
            head = client.head("/api/mlflow/api/3.0/mlflow/server-info")
        assert told["multipart_uploads_enabled"] is told["multipart_downloads_enabled"] is direct
        assert told["workspaces_enabled"] is True
        assert (head.status_code, head.content) == (200, b"")


def test_another_tenant_can_neither_complete_nor_abort_nor_read(store: Store) -> None:
    with (
        store.gateway.client(store.gateway.key("owner")) as owner,
        store.gateway.client(store.gateway.key("other")) as other,
    ):
        run = good(
            owner.post("/api/mlflow/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
        )
        # What a stranger has to know to try at all, and cannot.
        root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
        begun = good(
            owner.post(f"{FILES}/mpu/create/{root}", json={"path": "big.bin", "num_parts": 1})
        )
        part = begun["credentials"][0]
        put = httpx.put(part["url"], content=b"owned" * MIB, trust_env=False)
        assert put.status_code == 200
        parts = [{"part_number": 1, "etag": put.headers["etag"], "url": part["url"]}]
        ending = {"path": "big.bin", "upload_id": begun["upload_id"]}
        bare = root.removeprefix("workspaces/owner/")
        assert bare != root
        paths = [root, f"../owner/{bare}", f"..%2Fowner/{bare}"]
        for path in paths:
            for verb, body in (("complete", {**ending, "parts": parts}), ("abort", ending)):
                answer = other.post(f"{FILES}/mpu/{verb}/{path}", json=body)
                assert answer.status_code >= 400, answer.text
        assert [name for name in store.names() if name.endswith("big.bin")] == []
        # All of it did no harm: the owner's upload goes on.
        done = owner.post(f"{FILES}/mpu/complete/{root}", json={**ending, "parts": parts})
        assert done.status_code == 200, done.text
        assert owner.get(f"{FILES}/artifacts/{root}/big.bin").content == b"owned" * MIB
        for path in paths:
            for kind in ("artifacts", "presigned"):
                answer = other.get(f"{FILES}/{kind}/{path}/big.bin")
                assert b"owned" not in answer.content
                if answer.is_success:
                    # A signed URL may be for anything, also for what is not there.
                    url = answer.json()["url"]
                    assert httpx.get(url, trust_env=False).status_code == 404
        signed = good(owner.get(f"{FILES}/presigned/{root}/big.bin"))["url"]
        assert httpx.get(signed, trust_env=False).content == b"owned" * MIB


def test_what_another_tenant_asks_of_s3_is_in_its_own_folder(store: Store) -> None:
    """With the path and the upload id of another, without its workspace: S3 knows no such upload.

    It finds an upload by its key and id. moto takes the id alone, so what is looked at is the key.
    """
    with (
        store.gateway.client(store.gateway.key("first")) as first,
        store.gateway.client(store.gateway.key("second")) as second,
    ):
        run = good(
            first.post("/api/mlflow/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
        )
        root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
        begun = good(
            first.post(f"{FILES}/mpu/create/{root}", json={"path": "big.bin", "num_parts": 1})
        )
        bare = root.removeprefix("workspaces/first/")
        ending = {"path": "big.bin", "upload_id": begun["upload_id"]}
        before = len(store.requested())
        part = {"part_number": 1, "etag": "e", "url": begun["credentials"][0]["url"]}
        for path in (bare, f"workspaces/second/{root}"):
            second.post(f"{FILES}/mpu/complete/{path}", json={**ending, "parts": [part]})
            second.post(f"{FILES}/mpu/abort/{path}", json=ending)
            second.get(f"{FILES}/artifacts/{path}/big.bin")
        asked = store.requested()[before:]
        assert len(asked) >= 2
        for target in asked:
            assert re.match(
                rf"/{BUCKET}(/|\?.*prefix=)mlflow/workspaces/second/", unquote(target)
            ), target


def test_a_signed_url_is_for_its_part_alone(store: Store) -> None:
    """It is a credential of the bucket's, so it must open nothing else."""
    with store.gateway.client(store.gateway.key("signed")) as owner:
        run = good(
            owner.post("/api/mlflow/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
        )
        root = run["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
        begun = good(
            owner.post(f"{FILES}/mpu/create/{root}", json={"path": "one.bin", "num_parts": 1})
        )
        url = httpx.URL(begun["credentials"][0]["url"])
        assert root.startswith("workspaces/signed/")
        assert url.path == f"/{BUCKET}/mlflow/{root}/one.bin"
        assert url.params["uploadId"] == begun["upload_id"]
        assert url.params["partNumber"] == "1"
        aborted = owner.post(
            f"{FILES}/mpu/abort/{root}", json={"path": "one.bin", "upload_id": begun["upload_id"]}
        )
        assert aborted.status_code == 200, aborted.text
        late = httpx.put(url, content=b"late", trust_env=False)
        assert late.is_error
        assert [name for name in store.names() if name.endswith("one.bin")] == []


@pytest.mark.parametrize(
    "parts",
    [
        {"num_parts": 10_001},
        {"numParts": 10_001},
        {"num_parts": "100000000"},
        {"num_parts": "1_0_0_0_1"},
        {"num_parts": 1e9},
    ],
)
def test_mlflow_does_not_sign_more_parts_than_an_object_can_have(
    store: Store, parts: dict[str, Any]
) -> None:
    """It signs a URL for each part, one after the other."""
    with store.gateway.client(store.gateway.key()) as client:
        before = len(store.requested())
        response = client.post(f"{FILES}/mpu/create/1/x", json={"path": "x", **parts})
        refused(response, 400, "invalid_parameter")
        assert len(store.requested()) == before
