"""The scripts of backup and restore, by a drill: fill, dump, destroy, restore, and look."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg2
import pytest
from psycopg2.sql import SQL, Literal

from app.core.request.principal import Scope
from app.database.migrate import migrate
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.forked_mlflow import ForkedMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.redis import free_port
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.stalling_proxy import StallingProxy
from tests.support.training import Training
from tests.support.transparency_log import verified_log
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# Characters that a URL has to escape, and a shell would stumble over.
PASSWORD = "p%:@/?#'\"$ \\é"


@dataclass
class Installation:
    """A PostgreSQL with both databases, and a directory of artifacts, which a test can destroy."""

    directory: Path
    postgres: EmbeddedPostgreSQL

    @property
    def gateway_database(self) -> str:
        return self.postgres.url("hokusai")

    @property
    def mlflow_database(self) -> str:
        return self.postgres.url("mlflow")

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts"

    def variables(self) -> dict[str, str]:
        """The environment variables of both scripts."""
        return {
            "GATEWAY_DATABASE_URL": self.gateway_database.replace("://", "+asyncpg://"),
            "MLFLOW_DATABASE_URL": self.mlflow_database,
            "ARTIFACTS_DIR": str(self.artifacts),
            "PG_BIN": str(self.postgres.bin_directory),
        }


@contextmanager
def installation(directory: Path) -> Iterator[Installation]:
    directory.mkdir()
    with EmbeddedPostgreSQL(directory, durable=False) as postgres:
        postgres.create_database("hokusai")
        postgres.create_database("mlflow")
        yield Installation(directory, postgres)


def script(
    name: str, argument: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script of deploy/ by a POSIX shell."""
    return subprocess.run(
        ["sh", DEPLOY / name, argument],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


ATTRIBUTE = "user.content-type"


def marks(file: Path) -> bool:
    """Give a file an attribute, as object stores do; whether this file system has any."""
    try:
        os.setxattr(file, ATTRIBUTE, b"text/plain")
    except OSError:
        return False
    return True


def artifact(client: httpx.Client, run: str) -> bytes:
    """The model file of a run, through the gateway."""
    answer = client.get("/api/mlflow/api/2.0/mlflow/runs/get", params={"run_id": run})
    root = good(answer)["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    path = f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{root.lstrip('/')}/model/MLmodel"
    file = client.get(path)
    assert file.status_code == 200, file.text
    return file.content


def left_in_the_middle(
    gateway: RunningGateway, mlflow_url: str, training: Training, directory: Path
) -> str:
    """The run of a registration over which its gateway was killed, after MLflow had its version."""
    run = training.run(accuracy=0.7)
    settings = gateway.settings
    assert settings.database_url is not None
    assert settings.key_pepper is not None
    assert settings.attestor_key is not None
    with (
        StallingProxy(mlflow_url) as proxy,
        GatewayProcess(
            directory,
            free_port(),
            database_url=settings.database_url.get_secret_value(),
            mlflow_url=proxy.url,
            key_pepper=settings.key_pepper.get_secret_value(),
            attestor_key=settings.attestor_key.get_secret_value(),
            registration_lease="600",
        ) as dying,
    ):
        proxy.stall("after", "model-versions/create")

        def post() -> None:
            with pytest.raises(httpx.HTTPError):
                httpx.post(
                    f"{dying.url}/api/models/baseline",
                    json={"run_id": run, "model_type": "c"},
                    headers={"Authorization": training.client.headers["Authorization"]},
                    timeout=60,
                    trust_env=False,
                )

        sender = threading.Thread(target=post)
        sender.start()
        assert proxy.held.wait(60)
        dying.kill()
        sender.join()
    return run


def test_all_is_there_after_a_dump_a_loss_and_a_restore(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lost = stack.enter_context(installation(tmp_path / "lost"))
        migrate(lost.gateway_database)
        mlflow = stack.enter_context(ForkedMLflow(lost.directory, lost.mlflow_database))
        gateway = stack.enter_context(RunningGateway(lost.gateway_database, mlflow.url))
        admin_key = gateway.key(scopes=ALL_SCOPES)
        training = stack.enter_context(Training.of(gateway))
        key = training.client.headers["Authorization"].removeprefix("Bearer ")
        run = training.run(accuracy=0.8)
        baseline = training.registered("baseline", run_id=run, model_type="c")
        improved = training.registered(
            "improved",
            run_id=training.run(accuracy=0.9),
            baseline_model_id=baseline["model_id"],
            contributor_address=Wallet().address,
        )
        asked = {"kind": "claimed", "metrics": {"accuracy": 0.9}}
        attestation = good(training.client.post("/api/attestations", json=asked), 201)
        good(
            training.client.post("/api/attestations", json={"model_id": improved["model_id"]}), 201
        )
        revoked_key = gateway.key(training.tenant, scopes=[Scope.READ])
        with gateway.client(admin_key) as admin, gateway.client(revoked_key) as revoked:
            key_id = good(revoked.get("/api/auth/whoami"))["credential"]
            good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
        middle = left_in_the_middle(gateway, mlflow.url, training, tmp_path)

        marked = next(path for path in lost.artifacts.rglob("MLmodel"))
        has_attributes = marks(marked)
        backups = tmp_path / "backups"
        made = script("backup.sh", backups, lost.variables())
        assert made.returncode == 0, made.stderr
        backup = Path(made.stdout.strip())
        assert list(backups.iterdir()) == [backup]
        for file in backup.iterdir():
            assert file.stat().st_mode & 0o077 == 0

        models = training.models(tenant=training.tenant)
        assert {model["model_id"] for model in models} == {
            baseline["model_id"],
            improved["model_id"],
        }
        before, entries = verified_log(training.client)
        assert before.size == 2
        audit = sql(gateway, "select count(*) from audit_events")
        stored = artifact(training.client, run)
    shutil.rmtree(tmp_path / "lost")

    with installation(tmp_path / "new") as new:
        done = script("restore.sh", backup, new.variables())
        assert done.returncode == 0, done.stderr
        if has_attributes:
            restored_file = new.artifacts / marked.relative_to(lost.artifacts)
            assert os.getxattr(restored_file, ATTRIBUTE) == b"text/plain"
        migrate(new.gateway_database)
        with (
            ForkedMLflow(new.directory, new.mlflow_database) as mlflow,
            RunningGateway(new.gateway_database, mlflow.url, registration_lease=2) as gateway,
            gateway.client(key) as client,
        ):
            restored = Training(client, training.tenant)
            assert sql(gateway, "select count(*) from audit_events")[0] >= audit[0]
            with gateway.client(revoked_key) as revoked:
                refused(revoked.get("/api/auth/whoami"), 401, "key_revoked")
            # As if the dead gateway's lease were over; then the reconciler ends what it began.
            sql(
                gateway,
                "update idempotent_requests set lease_until = now() where lease_until is not null",
            )
            wait_until(lambda: len(restored.models(tenant=training.tenant)) == 3)
            again = restored.register("baseline", run_id=middle, model_type="c")
            assert again.status_code == 201, again.text
            assert again.headers["idempotent-replayed"] == "true"
            found = {model["model_id"]: model for model in restored.models(tenant=training.tenant)}
            assert set(found) == {
                baseline["model_id"],
                improved["model_id"],
                again.json()["model_id"],
            }
            for model in models:
                assert found[model["model_id"]] == model
            assert sorted(one["run_id"] for one in restored.versions()).count(middle) == 1
            assert len(restored.versions()) == 3
            assert artifact(client, run) == stored
            _, now_there = verified_log(client, before)
            assert now_there == entries
            assert good(client.post("/api/attestations/verify", json=attestation))["valid"] is True
            # The log goes on where it was.
            good(
                client.post(
                    "/api/attestations", json={"kind": "claimed", "metrics": {"accuracy": 0.95}}
                ),
                201,
            )
            assert verified_log(client, before)[0].size == 3


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("scripts") / "installation") as made:
        made.artifacts.mkdir()
        made.postgres.create_database("other", "other")
        yield made


def test_a_backup_that_fails_leaves_nothing(empty: Installation, tmp_path: Path) -> None:
    variables = empty.variables() | {"MLFLOW_DATABASE_URL": empty.postgres.url("nowhere")}
    done = script("backup.sh", tmp_path, variables)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_script_tells_a_password(empty: Installation, tmp_path: Path) -> None:
    secret = empty.postgres.url("hokusai").split(":")[2].split("@")[0]
    variables = empty.variables() | {"MLFLOW_DATABASE_URL": empty.postgres.url("nowhere")}
    for name in ("backup.sh", "restore.sh"):
        done = script(name, tmp_path, variables)
        assert done.returncode != 0
        assert secret not in done.stdout + done.stderr


def test_a_password_may_have_any_character(empty: Installation, tmp_path: Path) -> None:
    connection = psycopg2.connect(empty.postgres.url("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(SQL("ALTER ROLE other PASSWORD {}").format(Literal(PASSWORD)))
    connection.close()
    host = empty.postgres.url("other").partition("?")[2]
    url = f"postgresql+asyncpg://other:{quote(PASSWORD, safe='')}@/other?{host}"
    variables = empty.variables() | {"GATEWAY_DATABASE_URL": url}
    done = script("backup.sh", tmp_path, variables)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("full", ["hokusai", "mlflow", "artifacts", "changed", "nothing"])
def test_a_restore_touches_nothing_that_is_in_use_or_not_as_written(
    empty: Installation, tmp_path: Path, full: str
) -> None:
    made = script("backup.sh", tmp_path / "backups", empty.variables())
    assert made.returncode == 0, made.stderr
    backup = Path(made.stdout.strip())
    variables = empty.variables() | {"ARTIFACTS_DIR": str(tmp_path / "artifacts")}
    if full in ("hokusai", "mlflow"):
        empty.postgres.create_database(f"full_{full}")
        name = {"hokusai": "GATEWAY_DATABASE_URL", "mlflow": "MLFLOW_DATABASE_URL"}[full]
        variables[name] = empty.postgres.url(f"full_{full}")
        connection = psycopg2.connect(variables[name])
        with connection, connection.cursor() as cursor:
            cursor.execute("create table dear (id int)")
        connection.close()
        said = "has 1 tables"
    elif full == "artifacts":
        (tmp_path / "artifacts").mkdir()
        (tmp_path / "artifacts" / "dear").touch()
        said = "is not empty"
    elif full == "changed":
        with (backup / "mlflow.dump").open("ab") as dump:
            dump.write(b"x")
        said = "is damaged"
    else:
        backup = tmp_path
        said = "is not a backup"
    done = script("restore.sh", backup, variables)
    assert done.returncode != 0
    assert said in done.stderr
