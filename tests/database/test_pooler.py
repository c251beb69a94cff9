"""A gateway behind PgBouncer in transaction mode."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.access.identity.authenticator import Authenticator
from app.access.identity.credential_cache import CredentialCache
from app.core.app_state import AppState
from app.database.engine import Database
from app.database.migrate import migrate
from app.database.pooler import PoolerError
from app.database.revision import is_migrated
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.pgbouncer import PROGRAM, PgBouncer
from tests.support.serve_process import ServeProcess, run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
WHOAMI = "/api/auth/whoami"
NEW = {"name": "another", "scopes": ["read"]}


@pytest.fixture(scope="module")
def pooler(
    postgres: EmbeddedPostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PgBouncer]:
    with PgBouncer(tmp_path_factory.mktemp("pgbouncer"), postgres.url("postgres")) as running:
        yield running


def cache_of(gateway: RunningGateway) -> CredentialCache:
    state: AppState = gateway.app.api.state.services  # type: ignore[attr-defined]
    return state[Authenticator]._cache


def use(gateway: RunningGateway) -> None:
    """Make, use and revoke many keys, with several requests at a time."""

    def once(_: int) -> None:
        with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
            made = client.post("/api/keys", json=NEW)
            assert made.status_code == 201, made.text
            with gateway.client(made.json()["key"]) as other:
                assert other.get(WHOAMI).status_code == 200
                assert client.delete(f"/api/keys/{made.json()['id']}").is_success
                assert other.get(WHOAMI).status_code == 401
            for path in ("/api/models", "/api/models?kind=baseline", "/api/contributors"):
                assert client.get(path).json() == {"items": [], "next": None}
            wait_until(lambda: client.get("/readyz").status_code == 200)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(16)))


def test_it_serves_through_a_pooler(
    pooler: PgBouncer, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    # Two gateways, so that statements with the same name would meet in one session.
    url = pooler.url(new_database())
    with (
        RunningGateway(url, mlflow_server.url) as one,
        RunningGateway(url, mlflow_server.url) as other,
    ):
        use(one)
        use(other)
        assert cache_of(one).listening is False


def test_with_a_direct_url_keys_are_cached_and_revocations_arrive(
    pooler: PgBouncer, new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    direct = new_database()
    with RunningGateway(
        pooler.url(direct), mlflow_server.url, database_direct_url=SecretStr(direct)
    ) as gateway:
        wait_until(lambda: cache_of(gateway).listening)
        use(gateway)


async def test_what_needs_a_session_is_refused(
    pooler: PgBouncer, new_database: Callable[[], str]
) -> None:
    direct = new_database()
    database = Database(pooler.url(direct), connections=1)
    try:
        assert await database.revision() is not None
        assert database.is_pooled
        with pytest.raises(PoolerError):
            await database.connect()
    finally:
        await database.close()
    database = Database(direct, connections=1)
    try:
        await database.revision()
        assert not database.is_pooled
    finally:
        await database.close()


def test_migrate_doctor_and_serve_work_through_it(
    pooler: PgBouncer,
    postgres: EmbeddedPostgreSQL,
    mlflow_server: ChildMLflow,
    tmp_path: Path,
) -> None:
    postgres.create_database("behind_a_pooler")
    direct = postgres.url("behind_a_pooler")
    url = pooler.url(direct)
    for _ in range(2):
        migrate(url)
    assert is_migrated(url)
    given = {
        "database_url": url,
        "mlflow_url": mlflow_server.url,
        "key_pepper": "the pepper of the pooler tests",
        "attestor_key": "5e" * 32,
    }
    with ServeProcess(tmp_path / "data", **given) as serving:
        serving.wait_for_status("/readyz", 200)
        assert "credentials.not_cached" in serving.output
    checked = run("doctor", data_dir=str(tmp_path / "data"), port="0", **given)
    assert checked.returncode == 0, checked.stdout
    assert "warning  pooler" in checked.stdout
    assert "set HOKUSAI_DATABASE_DIRECT_URL" in checked.stdout
    checked = run(
        "doctor", data_dir=str(tmp_path / "data"), port="0", database_direct_url=direct, **given
    )
    assert "ok       pooler" in checked.stdout
