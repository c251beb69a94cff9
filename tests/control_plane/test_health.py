"""The probes: liveness, readiness and version, and the checks behind readiness."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest

from app.control_plane import health
from app.database.revision import newest_revision
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.recording_upstream import RecordingUpstream
from tests.support.redis import free_port
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.waiting import GENEROUS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long timeout, so that on a busy machine MLflow is not taken for unavailable."""
    monkeypatch.setattr(health, "PROBE_SECONDS", GENEROUS)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version"])
def test_a_probe_needs_no_credential_and_has_no_rate_limit(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, path: str
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, anonymous_limit=1) as gateway,
        gateway.client() as client,
    ):
        for _ in range(3):
            response = client.get(path)
            assert response.status_code == 200, response.text
            assert "ratelimit-limit" not in response.headers
        client.get("/openapi.json")
        assert client.get("/openapi.json").status_code == 429
        assert client.get(path).status_code == 200


def test_readiness_lists_its_checks(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        response = client.get("/readyz")
    assert response.json()["ready"] is True
    assert response.json()["checks"].keys() == {"migrations", "upstream"}
    assert all(check["ready"] for check in response.json()["checks"].values())


def test_the_version_is_that_of_the_package(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        assert client.get("/version").json() == {
            "name": "hokusai-registry-gateway",
            "version": version("hokusai-registry-gateway"),
        }


def test_an_older_schema_is_not_ready_and_a_later_one_is(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CACHE_SECONDS", 0.0)
    with (
        RunningGateway(new_database(), mlflow_server.url) as gateway,
        gateway.client() as client,
    ):
        # Migrations remove nothing that the release before needs.
        sql(gateway, "update alembic_version set version_num = '9999'")
        assert good(client.get("/readyz"))["checks"]["migrations"]["detail"] == "revision 9999"
        for statement in (
            "update alembic_version set version_num = '0001'",
            "update alembic_version set version_num = 'another'",
            "drop table alembic_version",
        ):
            sql(gateway, statement)
            response = client.get("/readyz")
            assert response.status_code == 503
            checks = response.json()["checks"]
            assert checks["migrations"]["ready"] is False
            assert "migrate" in checks["migrations"]["detail"]
            assert checks["upstream"]["ready"] is True
            assert client.get("/livez").status_code == 200


def test_concurrent_requests_share_one_run_of_the_checks(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CACHE_SECONDS", 3600.0)
    with (
        RecordingUpstream() as mlflow,
        RunningGateway(new_database(), mlflow.url, tenancy="shared") as gateway,
        gateway.client() as client,
    ):
        with ThreadPoolExecutor(20) as pool:
            responses = list(pool.map(lambda _: client.get("/readyz"), range(100)))
        assert {response.status_code for response in responses} == {200}
        assert [request.target for request in mlflow.requests] == [
            "/api/2.0/mlflow/experiments/search?max_results=1"
        ]


async def test_a_caller_that_leaves_does_not_cancel_the_checks_for_others() -> None:
    go_on = asyncio.Event()

    class Database:
        calls = 0

        async def revision(self) -> str:
            self.calls += 1
            await go_on.wait()
            return newest_revision()

        async def check_writable(self) -> None:
            """Nothing to complain about."""

    class MLflow:
        async def check_access(self) -> None:
            """Nothing to complain about."""

    database = Database()
    checks = health.ReadinessChecks(
        database,  # type: ignore[arg-type]
        MLflow(),  # type: ignore[arg-type]
        needs_workspaces=False,
    )
    first, other = (asyncio.create_task(checks()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    go_on.set()
    assert all(check.ready for check in (await other).values())
    assert database.calls == 1


def test_without_mlflow_it_is_alive_and_not_ready(new_database: Callable[[], str]) -> None:
    with (
        RunningGateway(new_database(), f"http://127.0.0.1:{free_port()}") as gateway,
        gateway.client() as client,
    ):
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["migrations"]["ready"] is True
        assert response.json()["checks"]["upstream"]["ready"] is False
        assert client.get("/livez").status_code == 200


def test_without_a_database_it_starts_and_is_not_ready(mlflow_server: ChildMLflow) -> None:
    nowhere = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/none"
    with RunningGateway(nowhere, mlflow_server.url) as gateway, gateway.client() as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["migrations"]["ready"] is False
        assert "nothing" not in response.text
        assert client.get("/livez").status_code == 200
