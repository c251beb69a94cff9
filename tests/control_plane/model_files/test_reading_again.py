"""Models whose files could not be read: with higher limits, and at the request of their owner."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.control_plane.model_files import reader
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.artifact_server import ArtifactServer, Store
from tests.support.gateway import RunningGateway
from tests.support.model_files import listed, run_with, wait_for
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training

FILES = {"MLmodel": b"flavors: {}\n", "weights": b"1" * 1000, "x": b""}


@pytest.fixture(scope="module")
def server(mlflow_server: ChildMLflow) -> Iterator[ArtifactServer]:
    with ArtifactServer(mlflow_server.url) as running:
        yield running


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def gateway(database: str, server: ArtifactServer) -> Iterator[RunningGateway]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "INTERVAL", 0.05)
        limits: dict[str, Any] = {"model_files_count": 2, "model_files_bytes": 10_000}
        with RunningGateway(database, server.url, model_files_readers=1, **limits) as running:
            yield running


@pytest.fixture(scope="module")
def training(gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway) as tenant:
        yield tenant


def empty() -> Store:
    """A directory that is empty once it has been registered."""
    return Store({"MLmodel": b"x"}, entries={"": []})


def failed(training: Training, server: ArtifactServer, store: Store) -> dict[str, Any]:
    """A registered model whose files cannot be read as they are."""
    run = run_with(training, {"MLmodel": b"x"})
    server.stores[run] = store
    model = training.registered("baseline", run_id=run, model_type="c")
    wait_for(training.client, model, "failed")
    return model


def test_a_model_is_read_again_once_the_limit_that_ended_its_reading_is_raised(
    training: Training, server: ArtifactServer, database: str
) -> None:
    many = failed(training, server, Store(FILES))
    large = failed(training, server, Store({"weights": b"1" * 10_001}))
    odd = failed(training, server, empty())
    limits: dict[str, Any] = {"model_files_count": 3, "model_files_bytes": 10_000}
    with RunningGateway(database, server.url, model_files_readers=1, **limits):
        assert wait_for(training.client, many, "witnessed")["items"] == listed(FILES)
    for model, reason in ((large, "more than 10,000 bytes"), (odd, "no files")):
        found = training.get(f"/api/models/{model['model_id']}/files")
        assert found["state"] == "failed"
        assert reason in found["reason"]


def test_the_owner_can_have_files_read_again(training: Training, server: ArtifactServer) -> None:
    store = Store({"MLmodel": b"x"}, entries={"": b"no JSON"})
    path = f"/api/models/{failed_after_tries(training, server, store)['model_id']}/files/read"
    store.entries.clear()
    state = good(training.client.post(path), 202)
    assert state["state"] == "pending"
    found = wait_for(training.client, state, "witnessed")
    assert found["items"] == listed(store.files)
    # What has been read stays.
    assert "stays" in refused(training.client.post(path), 409, "conflict")["message"]


def failed_after_tries(training: Training, server: ArtifactServer, store: Store) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "MAX_FAILURES", 1)
        return failed(training, server, store)


def test_others_cannot_have_files_read(
    gateway: RunningGateway, training: Training, server: ArtifactServer
) -> None:
    model = failed(training, server, Store(FILES))
    path = f"/api/models/{model['model_id']}/files/read"
    with gateway.client(gateway.key(scopes=[Scope.READ, Scope.REGISTER])) as other:
        refused(other.post(path), 403, "permission_denied")
        refused(other.post("/api/models/hkm_none/files/read"), 404, "not_found")
    with gateway.client(gateway.key(training.tenant, scopes=[Scope.READ])) as reading:
        refused(reading.post(path), 403, "scope_missing")
    good(training.client.post(f"/api/models/{model['model_id']}/withdraw", json={"reason": "x"}))
    refused(training.client.post(path), 409, "model_withdrawn")


def audited(gateway: RunningGateway, model: dict[str, Any]) -> list[tuple[str, Any]]:
    """The actors and details of the entries that say that a model's files are read again."""
    return sql(
        gateway,
        "SELECT actor, details FROM audit_events"
        " WHERE action = 'model.files_read_again' AND subject = %s ORDER BY id",
        model["model_id"],
    )


@pytest.mark.parametrize("waits", [False, True])
def test_only_an_administrator_has_the_seconds_counted_anew(
    gateway: RunningGateway, training: Training, server: ArtifactServer, waits: bool
) -> None:
    model = failed(training, server, empty())
    path = f"/api/models/{model['model_id']}/files/read"
    # A reading that waits to be tried again, or one that has ended.
    statement = "UPDATE model_files SET seconds = 4000, due_at = %s WHERE model_id = %s"
    due = datetime.now(UTC) + timedelta(hours=1) if waits else None
    sql(gateway, statement, due, model["model_id"])
    assert "3600 seconds" in refused(training.client.post(path), 409, "conflict")["message"]
    assert audited(gateway, model) == []
    with gateway.client(gateway.key(scopes=[Scope.REGISTER, Scope.ADMIN])) as administrator:
        good(administrator.post(path), 202)
        actor = good(administrator.get("/api/auth/whoami"))["principal"]
    query = "SELECT 1 FROM model_files WHERE seconds < 4000 AND model_id = %s"
    assert sql(gateway, query, model["model_id"]) == [(1,)]
    assert audited(gateway, model) == [(actor, {"seconds_before": 4000})]


def test_a_waiting_reading_that_is_brought_forward_is_audited_once(
    gateway: RunningGateway, training: Training, server: ArtifactServer
) -> None:
    model = failed(training, server, empty())
    path = f"/api/models/{model['model_id']}/files/read"
    # No reader takes it up, whose limit is lower.
    statement = (
        "UPDATE model_files SET due_at = now() + interval '1 hour', failures = 3,"
        " limited_by = 'seconds', limit_was = 1e9 WHERE model_id = %s"
    )
    sql(gateway, statement, model["model_id"])
    for _ in range(2):
        good(training.client.post(path), 202)
    actor = good(training.client.get("/api/auth/whoami"))["principal"]
    assert audited(gateway, model) == [(actor, {})]
