"""The probes: what they say when all is well, and when not; who may ask."""

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


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version"])
def test_a_probe_needs_no_key_and_meets_no_limit(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, path: str
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url, anonymous_limit=1) as gateway,
        gateway.client() as client,
    ):
        for _ in range(3):
            answer = client.get(path)
            assert answer.status_code == 200, answer.text
            assert "ratelimit-limit" not in answer.headers
        client.get("/openapi.json")
        assert client.get("/openapi.json").status_code == 429
        assert client.get(path).status_code == 200


def test_ready_says_what_it_looked_at(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        answer = client.get("/readyz")
    assert answer.json()["ready"] is True
    assert answer.json()["checks"].keys() == {"migrations", "upstream"}
    assert all(check["ready"] for check in answer.json()["checks"].values())


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
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    with (
        RunningGateway(new_database(), mlflow_server.url) as gateway,
        gateway.client() as client,
    ):
        # Migrations take nothing away that the release before needs.
        sql(gateway, "update alembic_version set version_num = '9999'")
        assert good(client.get("/readyz"))["checks"]["migrations"]["detail"] == "revision 9999"
        for statement in (
            "update alembic_version set version_num = '0001'",
            "update alembic_version set version_num = 'another'",
            "drop table alembic_version",
        ):
            sql(gateway, statement)
            answer = client.get("/readyz")
            assert answer.status_code == 503
            checks = answer.json()["checks"]
            assert checks["migrations"]["ready"] is False
            assert "migrate" in checks["migrations"]["detail"]
            assert checks["upstream"]["ready"] is True
            assert client.get("/livez").status_code == 200


def test_however_many_ask_one_look_is_taken_at_a_time(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 3600.0)
    with (
        RecordingUpstream() as mlflow,
        RunningGateway(new_database(), mlflow.url, tenancy="shared") as gateway,
        gateway.client() as client,
    ):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: client.get("/readyz"), range(100)))
        assert {answer.status_code for answer in answers} == {200}
        assert [request.target for request in mlflow.requests] == ["/health"]


def test_who_leaves_ends_no_look_that_others_wait_for() -> None:
    go_on = asyncio.Event()

    class Database:
        looks = 0

        async def revision(self) -> str:
            self.looks += 1
            await go_on.wait()
            return newest_revision()

    class MLflow:
        async def alive(self) -> bool:
            return True

    async def run() -> None:
        database = Database()
        checks = health.Checks(
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
        assert database.looks == 1

    asyncio.run(run())


def test_without_mlflow_it_lives_and_is_not_ready(new_database: Callable[[], str]) -> None:
    with (
        RunningGateway(new_database(), f"http://127.0.0.1:{free_port()}") as gateway,
        gateway.client() as client,
    ):
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["migrations"]["ready"] is True
        assert answer.json()["checks"]["upstream"]["ready"] is False
        assert client.get("/livez").status_code == 200


def test_without_a_database_it_starts_lives_and_is_not_ready(mlflow_server: ChildMLflow) -> None:
    nowhere = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/none"
    with RunningGateway(nowhere, mlflow_server.url) as gateway, gateway.client() as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["migrations"]["ready"] is False
        assert "nothing" not in answer.text
        assert client.get("/livez").status_code == 200
