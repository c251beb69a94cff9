"""The probes: what they say when all is well, and when not; who may ask."""

from collections.abc import Callable
from importlib.metadata import version

import pytest

from app.standalone.mlflow_server import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.redis import free_port
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


def test_a_schema_of_another_revision_is_not_ready(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with (
        RunningGateway(new_database(), mlflow_server.url) as gateway,
        gateway.client() as client,
    ):
        for statement in (
            "update alembic_version set version_num = 'older'",
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
