"""The gateway reads the files of registered models in MLflow, in the background."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.control_plane.model_files import reader
from app.control_plane.model_files.hashing import ModelFile, list_digest, oms_root, weights_root
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.model_files import (
    directory_of,
    listed,
    logged_model_with,
    run_with,
    store,
    wait_for,
)
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.stalling_proxy import StallingProxy
from tests.support.training import Training
from tests.support.waiting import wait_until

FILES = {
    "MLmodel": b"flavors: {}\n",
    "data/model.pkl": bytes(range(256)) * 1000,
    "data/empty": b"",
    "a-b": b"1",
    "a/b": b"2",
    ".gitignore": b"*.tmp\n",
    "metadata/conda.yaml": b"x",
    "with space & more/é+'.bin": b"odd",
}
COUNT, TOTAL = 12, 2_000_000


@pytest.fixture(scope="module")
def proxy(mlflow_server: ChildMLflow) -> Iterator[StallingProxy]:
    with StallingProxy(mlflow_server.url) as running:
        yield running


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def reading(database: str, proxy: StallingProxy) -> Iterator[RunningGateway]:
    """A gateway that reads few files of a model, and tries again soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "FIRST_PAUSE", 0.05)
        patch.setattr(reader, "LONGEST_PAUSE", 0.05)
        patch.setattr(reader, "INTERVAL", 0.1)
        with RunningGateway(
            database,
            proxy.url,
            model_files_readers=2,
            model_files_count=COUNT,
            model_files_bytes=TOTAL,
        ) as running:
            yield running


@pytest.fixture(scope="module")
def training(reading: RunningGateway) -> Iterator[Training]:
    with Training.of(reading) as tenant:
        yield tenant


def register(training: Training, run: str, **body: Any) -> dict[str, Any]:
    return training.registered("baseline", run_id=run, model_type="c", **body)


def attest(training: Training, model: dict[str, Any]) -> dict[str, Any]:
    body = {"improved_model_id": model["model_id"], "private": False}
    data: dict[str, Any] = good(training.client.post("/api/attestations", json=body), 201)["data"]
    return data


@pytest.mark.parametrize("kind", ["run", "logged model", "runs:/", "copy"])
def test_the_files_are_read_wherever_a_version_was_made_from(training: Training, kind: str) -> None:
    if kind == "logged model":
        uri = f"models:/{logged_model_with(training, FILES)}"
        model = training.registered("baseline", model_uri=uri, model_type="c")
    elif kind == "run":
        model = register(
            training, run_with(training, FILES, "deep/model"), artifact_path="deep/model"
        )
    else:
        run, name = run_with(training, FILES), f"n-{secrets.token_hex(4)}"
        training.mlflow("registered-models/create", name=name)
        training.mlflow("model-versions/create", name=name, source=f"runs:/{run}/model", run_id=run)
        new = {} if kind == "runs:/" else {"name": f"copy-of-{name}"}
        model = training.registered(
            "baseline", model_uri=f"models:/{name}/1", model_type="c", **new
        )
    assert model["files"] == "pending"
    found = wait_for(training.client, model, "witnessed")
    files = [ModelFile(**one) for one in listed(FILES)]
    assert found["items"] == listed(FILES)
    assert (found["sha256"], found["sha256_merkle_v1"]) == (oms_root(files), weights_root(files))
    assert found["list_sha256"] == list_digest(files)
    assert (found["count"], found["bytes"]) == (8, sum(map(len, FILES.values())))
    assert (found["reason"], found["next"]) == (None, None)
    assert found["witnessed_at"] is not None
    assert training.get(f"/api/models/{model['model_id']}")["files"] == "witnessed"
    assert attest(training, model)["files"] == {
        "evidence": "witnessed",
        "sha256": oms_root(files),
        "sha256_merkle_v1": weights_root(files),
        "list_sha256": list_digest(files),
        "count": 8,
        "bytes": found["bytes"],
    }


@pytest.mark.parametrize("path", ["", "data"])
def test_a_source_within_a_logged_model_is_read_there(training: Training, path: str) -> None:
    logged, name = logged_model_with(training, FILES), f"n-{secrets.token_hex(4)}"
    info = training.get(f"/api/mlflow/api/2.0/mlflow/logged-models/{logged}")["model"]["info"]
    source = f"{info['artifact_uri']}/{path}".rstrip("/")
    training.mlflow("registered-models/create", name=name)
    training.mlflow("model-versions/create", name=name, source=source, model_id=logged)
    model = training.registered("baseline", model_uri=f"models:/{name}/1", model_type="c")
    below = f"{path}/" if path else ""
    files = {
        name.removeprefix(below): content
        for name, content in FILES.items()
        if name.startswith(below)
    }
    assert wait_for(training.client, model, "witnessed")["items"] == listed(files)


def test_files_that_are_those_listed_are_witnessed(training: Training) -> None:
    model = register(training, run_with(training, FILES), files=listed(FILES))
    assert model["files"] == "claimed"
    assert wait_for(training.client, model, "witnessed")["reason"] is None


def test_of_a_model_with_other_files_than_listed_nothing_is_attested(training: Training) -> None:
    claimed = {**FILES, "MLmodel": b"another", "missing": b""}
    del claimed["a-b"]
    model = register(training, run_with(training, FILES), files=listed(claimed))
    found = wait_for(training.client, model, "differs")
    assert found["items"] == listed(FILES)
    body = {"improved_model_id": model["model_id"]}
    for kind in ({}, {"kind": "claimed", "metrics": {"accuracy": 1.0}}):
        response = training.client.post("/api/attestations", json=body | kind)
        message = refused(response, 409, "files_differ")["message"]
        for part in ("'MLmodel' has 12 bytes", "'missing' is not in MLflow", "'a-b' is not listed"):
            assert part in message
            assert part in found["reason"]


def test_what_is_more_than_the_limits_is_claimed_at_most(training: Training) -> None:
    many = {f"f{n:02}": b"x" for n in range(COUNT + 1)}
    large = {"a": b"x" * (TOTAL // 2), "b": b"x" * (TOTAL // 2 + 1)}
    for files, reason in (
        (many, f"more than {COUNT} files"),
        (large, f"more than {TOTAL:,} bytes"),
    ):
        run = run_with(training, files)
        model = register(training, run)
        assert wait_for(training.client, model, "failed", reason=reason)["items"] == []
        assert attest(training, model)["files"] is None
        again = register(training, run, files=listed(files), name=f"n-{secrets.token_hex(4)}")
        found = wait_for(training.client, again, "claimed", reason=reason)
        assert found["items"] == listed(files)
        assert attest(training, again)["files"]["evidence"] == "claimed"


def test_links_in_the_store_of_mlflow(
    training: Training, mlflow_server: ChildMLflow, proxy: StallingProxy
) -> None:
    """MLflow follows them. One that leads to its own directory has no end."""
    run = run_with(training, {"MLmodel": b"x"})
    directory = directory_of(mlflow_server, run)
    (directory / "link").symlink_to(directory / "MLmodel")
    model = register(training, run)
    files = {"MLmodel": b"x", "link": b"x"}
    assert wait_for(training.client, model, "witnessed")["items"] == listed(files)
    endless = run_with(training, {"MLmodel": b"x"})
    directory = directory_of(mlflow_server, endless)
    (directory / "loop").symlink_to(directory)
    wait_for(
        training.client, register(training, endless), "failed", reason=f"more than {COUNT} files"
    )


def test_many_files_are_read_one_after_the_other(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with (
        StallingProxy(mlflow_server.url) as proxy,
        RunningGateway(new_database(), proxy.url, model_files_readers=2) as gateway,
        Training.of(gateway) as tenant,
    ):
        run = run_with(tenant, {"MLmodel": b"x"})
        directory = directory_of(mlflow_server, run)
        files = {f"part {n % 7}/{n:04}.bin": b"%d" % n for n in range(150)}
        for path, content in files.items():
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_bytes(content)
        found = wait_for(tenant.client, register(tenant, run), "witnessed")
        assert (found["count"], found["next"] is not None) == (151, True)
        assert found["items"] == listed(files | {"MLmodel": b"x"})[:100]
        assert len([line for line in proxy.lines if line.startswith("GET /get-artifact")]) == 151


def test_a_model_without_files_fails(training: Training) -> None:
    uri = f"models:/{logged_model_with(training, {})}"
    model = training.registered("baseline", model_uri=uri, model_type="c")
    wait_for(training.client, model, "failed", reason="no files")


def test_a_reading_that_breaks_off_goes_on_with_the_next_file(
    training: Training, proxy: StallingProxy
) -> None:
    files = {name: name.encode() * 1000 for name in ("first", "second", "third")}
    run = run_with(training, files)
    proxy.stall("middle", f"GET /get-artifact?run_id={run}&path=model%2Fsecond")
    model = register(training, run)
    found = wait_for(training.client, model, "witnessed")
    assert found["items"] == listed(files)
    read = [
        line.split("%2F")[-1].split()[0]
        for line in proxy.lines
        if line.startswith("GET") and f"run_id={run}&path=model%2F" in line
    ]
    assert read == ["first", "second", "second", "third"]


@pytest.mark.parametrize("change", [b"longer than before", b"s", None])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    training: Training, proxy: StallingProxy, mlflow_server: ChildMLflow, change: bytes | None
) -> None:
    files = {"grows": b"small", "MLmodel": b"x"}
    run = run_with(training, files)
    root = training.get(f"/api/mlflow/api/2.0/mlflow/runs/get?run_id={run}")["run"]["info"][
        "artifact_uri"
    ]
    proxy.stall("before", f"GET /get-artifact?run_id={run}&path=model%2Fgrows")
    model = register(training, run)
    assert proxy.held.wait(30)
    if change is None:
        store(training, f"{root}/model", {"new": b"file"})
        files["new"] = b"file"
    else:
        store(training, f"{root}/model", {"grows": change})
        files["grows"] = change
    proxy.release()
    assert wait_for(training.client, model, "witnessed")["items"] == listed(files)


def test_another_gateway_reads_what_one_has_registered(
    database: str, mlflow_server: ChildMLflow, training: Training
) -> None:
    with (
        RunningGateway(database, mlflow_server.url) as other,
        Training.of(other) as elsewhere,
    ):
        model = register(elsewhere, run_with(elsewhere, FILES))
        name = f"renamed-{secrets.token_hex(4)}"
        renamed = {"name": model["mlflow_name"], "new_name": name}
        elsewhere.mlflow("registered-models/rename", **renamed)
        wait_for(elsewhere.client, model, "witnessed")
        shown = elsewhere.get(f"/api/models/{model['model_id']}")
        assert (shown["mlflow_name"], shown["files"]) == (name, "witnessed")


def test_the_list_has_pages(training: Training) -> None:
    files = {f"f{n}": b"x" for n in range(COUNT)}
    model = register(training, run_with(training, files))
    wait_for(training.client, model, "witnessed")
    path, found, cursor = f"/api/models/{model['model_id']}/files", [], None
    while True:
        query = f"?limit=5{f'&cursor={cursor}' if cursor else ''}"
        page = training.get(path + query)
        assert len(page["items"]) <= 5
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == listed(files)


def test_a_private_models_files_are_those_of_no_model_to_others(
    reading: RunningGateway, training: Training
) -> None:
    model = register(training, run_with(training, FILES), private=True)
    wait_for(training.client, model, "witnessed")
    path = f"/api/models/{model['model_id']}/files"
    with reading.client(reading.key(scopes=[Scope.READ])) as other:
        refused(other.get(path), 404, "not_found")
        refused(other.get(f"{path}/content", params={"path": "MLmodel"}), 404, "not_found")
    with reading.client() as anonymous:
        refused(anonymous.get(path), 401, "credentials_missing")


def test_a_gateway_goes_on_where_another_one_has_stopped(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "INTERVAL", 0.1)
    files = {name: name.encode() * 1000 for name in ("first", "second", "third")}
    settings: dict[str, Any] = {"model_files_readers": 1, "registration_lease": 1.0}
    url = new_database()
    with (
        StallingProxy(mlflow_server.url) as stalling,
        RunningGateway(url, stalling.url, **settings) as stopping,
        Training.of(stopping) as tenant,
    ):
        run = run_with(tenant, files)
        stalling.stall("before", f"GET /get-artifact?run_id={run}&path=model%2Fthird")
        model = register(tenant, run)
        assert stalling.held.wait(30)
        # The lease is renewed, and what has been read is saved with it.
        query = "SELECT jsonb_array_length(read) FROM model_files WHERE read IS NOT NULL"
        wait_until(lambda: sql(stopping, query) == [(2,)])
        key = tenant.client.headers["authorization"].removeprefix("Bearer ")
    with (
        StallingProxy(mlflow_server.url) as counting,
        RunningGateway(url, counting.url, **settings) as second,
        second.client(key) as client,
    ):
        assert wait_for(client, model, "witnessed")["items"] == listed(files)
    read = [line for line in counting.lines if line.startswith("GET /get-artifact")]
    assert len(read) == 1
    assert "third" in read[0]


def test_tenants_take_turns(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    with RunningGateway(url, mlflow_server.url) as gateway:
        tenants = [Training.of(gateway, f"{name}-{secrets.token_hex(4)}") for name in "abc"]
        registered = {
            register(tenant, run_with(tenant, {"f": b"%d" % number}))["model_id"]: tenant.tenant
            for tenant, models in zip(tenants, (4, 1, 2), strict=True)
            for number in range(models)
        }
        for tenant in tenants:
            tenant.client.close()
    monkeypatch.setattr(reader, "INTERVAL", 0.1)
    with RunningGateway(url, mlflow_server.url, model_files_readers=1):
        query = "SELECT model_id FROM model_files WHERE witnessed_at IS NOT NULL ORDER BY 1"
        wait_until(lambda: len(sql(gateway, query)) == 7)
    order = sql(gateway, "SELECT model_id FROM model_files ORDER BY witnessed_at")
    assert "".join(registered[model_id][0] for (model_id,) in order) == "abcacaa"


def test_a_file_that_breaks_off_does_not_look_complete(
    training: Training, proxy: StallingProxy
) -> None:
    content = b"x" * 1_000_000
    model = register(training, run_with(training, {"large": content}))
    wait_for(training.client, model, "witnessed")
    path = f"/api/models/{model['model_id']}/files/content?path=large"
    proxy.stall("middle", "path=model%2Flarge")
    with pytest.raises(httpx.RemoteProtocolError):
        training.client.get(path)
    assert training.client.get(path).content == content


def test_models_of_a_release_that_read_no_files_are_read_too(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    url = new_database()
    with RunningGateway(url, mlflow_server.url) as earlier, Training.of(earlier) as tenant:
        model = register(tenant, run_with(tenant, FILES))
        sql(earlier, "DELETE FROM model_files")
        path = f"/api/models/{model['model_id']}/files"
        unknown = tenant.get(path)
        assert (unknown["state"], unknown["items"], unknown["count"]) == ("pending", [], 0)
        assert attest(tenant, model)["files"] is None
        with RunningGateway(url, mlflow_server.url, model_files_readers=1):
            assert wait_for(tenant.client, model, "witnessed")["items"] == listed(FILES)
