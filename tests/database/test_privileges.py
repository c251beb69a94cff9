"""Serving with a role that owns nothing: all works, and permanent rows cannot be changed."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from pydantic import SecretStr

from app.core.errors import StartupError
from app.core.settings import Settings
from app.database.migrate import migrate_database
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import OWNER, SERVING, EmbeddedPostgreSQL
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good
from tests.support.training import Training
from tests.support.wallet import Wallet

DATABASE = "served_by_another_role"
PERMANENT = {
    "attestation_log",
    "attestation_log_nodes",
    "attestations",
    "attestors",
    "envelope_keys",
}


class Roles:
    """A database that one role owns and another one serves."""

    def __init__(self, postgres: EmbeddedPostgreSQL) -> None:
        postgres.create_database(DATABASE)
        postgres.create_serving_role(DATABASE)
        self.owner = postgres.url(DATABASE)
        self.serving = postgres.url(DATABASE, SERVING)
        self.settings = Settings(
            database_url=SecretStr(self.serving), migration_database_url=SecretStr(self.owner)
        )

    def sql(self, statement: str, *, url: str | None = None) -> list[tuple[object, ...]]:
        """The rows of a statement of the owner, or of the role of `url`, in a transaction."""
        connection = psycopg2.connect(url or self.owner)
        with closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def permanent(self) -> set[str]:
        return {
            str(row[0])
            for row in self.sql(
                "select distinct tgrelid::regclass::text from pg_trigger "
                "join pg_proc p on p.oid = tgfoid where p.proname = 'refuse_change'"
            )
        }


@pytest.fixture(scope="module")
def roles(postgres: EmbeddedPostgreSQL) -> Roles:
    made = Roles(postgres)
    with pytest.raises(StartupError, match=r"permission denied.*HOKUSAI_MIGRATION_DATABASE_URL"):
        migrate_database(Settings(database_url=SecretStr(made.serving)))
    for _ in range(2):
        migrate_database(made.settings)
    # For the role that serves there is nothing left to do.
    migrate_database(Settings(database_url=SecretStr(made.serving)))
    return made


@pytest.fixture(scope="module")
def served(roles: Roles, mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    with RunningGateway(roles.serving, mlflow_server.url) as gateway:
        yield gateway


def test_the_gateway_works_with_the_role_that_serves(served: RunningGateway) -> None:
    with Training.of(served) as training:
        register_and_attest(training)
    with served.client(served.key(training.tenant, scopes=ALL_SCOPES)) as admin:
        made = good(admin.post("/api/keys", json={"name": "a", "scopes": ["read"]}), 201)
        good(admin.post(f"/api/keys/{made['id']}/rotate", json={"overlap_seconds": 60}), 201)
        good(admin.delete(f"/api/keys/{made['id']}"), 204)
        assert good(admin.get("/api/admin/audit"))


def register_and_attest(training: Training) -> None:
    client = training.client
    assert good(client.get("/readyz"))["ready"] is True
    baseline = training.registered(
        "baseline", run_id=training.run(accuracy=0.8), model_type="classifier"
    )
    improved = training.registered(
        "improved",
        run_id=training.run(accuracy=0.9),
        baseline_model_id=baseline["model_id"],
        contributor_address=Wallet().address,
    )
    attested = {"model_id": improved["model_id"]}
    issued = good(client.post("/api/attestations", json=attested), 201)
    good(client.get("/api/auth/nonce"))
    assert issued["hash"]


# {} is a table, [] one of its columns; the last ones do without.
ATTEMPTS = (
    "delete from {}",
    'update {} set "[]" = "[]"',
    "truncate {}",
    "truncate {} cascade",
    "alter table {} disable trigger all",
    "alter table {} disable trigger user",
    "alter table {} owner to " + SERVING,
    "drop trigger {}_append_only on {}",
    "drop table {} cascade",
    "select * from {} for update",
    "create rule quiet as on delete to {} do instead nothing",
    "create trigger own before insert on {} for each row execute function refuse_change()",
    "set session_replication_role = replica",
    "set role " + OWNER,
    "set session authorization " + OWNER,
    "create or replace function refuse_change() returns trigger language sql as 'select 1'",
    "drop function refuse_change() cascade",
    "create table own (a int)",
    "alter role " + SERVING + " superuser",
    "update alembic_version set version_num = '0'",
)


def test_permanent_rows_cannot_be_changed_by_any_statement_of_the_role_that_serves(
    roles: Roles,
) -> None:
    tables = roles.permanent()
    assert tables >= PERMANENT | {"audit_events"}
    for table in sorted(tables):
        ((column,),) = roles.sql(
            f"select attname from pg_attribute where attrelid = '{table}'::regclass and attnum = 2"  # noqa: S608
        )
        for attempt in ATTEMPTS:
            statement = attempt.replace("{}", table).replace("[]", str(column))
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                roles.sql(statement, url=roles.serving)


def test_a_permanent_table_of_a_later_migration_is_protected_as_well(roles: Roles) -> None:
    roles.sql("create table later (a int)")
    roles.sql(
        "create trigger later_append_only before update or delete or truncate on later "
        "for each statement execute function refuse_change()"
    )
    migrate_database(roles.settings)
    roles.sql("insert into later values (1)", url=roles.serving)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        roles.sql("delete from later", url=roles.serving)
    roles.sql("drop table later")
