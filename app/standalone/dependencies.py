"""Starts the database and the MLflow server that the operator did not configure."""

from contextlib import closing
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg2
from psycopg2 import sql

from app.core.errors import StartupError
from app.database.engine import driver_message
from app.standalone.console import Progress
from app.standalone.data_directory import DataDirectory
from app.standalone.managed_service import ManagedService
from app.standalone.mlflow import ChildMLflow, require_mlflow
from app.standalone.postgres import SERVING, EmbeddedPostgreSQL
from app.standalone.supervisor import Supervisor


class Dependencies:
    """An embedded PostgreSQL unless `database_url` is set, a child MLflow unless `mlflow_url` is.

    Once started, the attributes `database_url` and `mlflow_url` are the URLs of both.
    `migration_url` is that of the embedded PostgreSQL with the role that owns the tables.
    """

    def __init__(
        self,
        directory: DataDirectory,
        progress: Progress,
        *,
        database_url: str | None,
        mlflow_url: str | None,
    ) -> None:
        self.database_url = database_url or ""
        self.migration_url: str | None = None
        self.mlflow_url = mlflow_url or ""
        self.postgres = None if database_url else EmbeddedPostgreSQL(directory.path)
        self.mlflow: ChildMLflow | None = None
        self._directory = directory
        self._progress = progress
        self._supervisor: Supervisor | None = None

    def start(self) -> None:
        """Start what is not configured and wait until it is ready. Raises StartupError."""
        if not self.mlflow_url:
            # Checked first, so that PostgreSQL is not started in vain.
            require_mlflow()
        if self.postgres is not None:
            self._start_postgres(self.postgres)
        if not self.mlflow_url:
            self._start_mlflow()
        children: list[ManagedService] = [
            child for child in (self.postgres, self.mlflow) if child is not None
        ]
        self._supervisor = Supervisor(children)
        self._supervisor.start()

    def stop(self) -> None:
        """Stop what was started: MLflow first, then its database."""
        if self._supervisor is not None:
            self._supervisor.stop()
            return
        for child in (self.mlflow, self.postgres):
            if child is not None:
                child.stop()

    def _start_postgres(self, postgres: EmbeddedPostgreSQL) -> None:
        step = "Creating the PostgreSQL database" if postgres.is_new else "Starting PostgreSQL"
        with self._progress.step(step):
            try:
                postgres.start()
                postgres.create_database("hokusai")
                postgres.create_serving_role("hokusai")
            except psycopg2.Error as error:
                raise StartupError(
                    f"the embedded PostgreSQL cannot be used: {driver_message(error)} (see "
                    f"{self._directory.path / 'postgres.log'})"
                ) from error
            self.database_url = postgres.url("hokusai", SERVING)
            self.migration_url = postgres.url("hokusai")

    def _start_mlflow(self) -> None:
        if self.postgres is not None:
            self.postgres.create_database("mlflow", "mlflow")
            database_url = self.postgres.url("mlflow", "mlflow")
        else:
            database_url = ensure_mlflow_database(self.database_url)
        self.mlflow = ChildMLflow(self._directory.path, database_url)
        step = "Starting MLflow"
        if self.mlflow.is_new:
            step += " (the first start creates its tables)"
        with self._progress.step(step):
            self.mlflow.start()
        self.mlflow_url = self.mlflow.url


def ensure_mlflow_database(url: str) -> str:
    """Create MLflow's database beside the gateway's on the operator's server; return its URL.

    url: that of the gateway's database. MLflow's has the same name with `_mlflow` appended, and is
    created only if it does not exist. Raises StartupError where it can be neither used nor created.
    """
    parts = urlsplit(url)
    # libpq's parameter `sslmode` is called `ssl` by asyncpg.
    options = [
        ("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)
    ]
    base = parts._replace(scheme="postgresql", query=urlencode(options))
    name = f"{parts.path.strip('/') or 'hokusai'}_mlflow"
    mlflow_url = base._replace(path=f"/{quote(name)}").geturl()
    try:
        psycopg2.connect(mlflow_url, connect_timeout=10).close()
    except psycopg2.OperationalError:
        try:
            gateway_database = psycopg2.connect(base.geturl(), connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise StartupError(
                f"cannot use the database of HOKUSAI_DATABASE_URL: {driver_message(error)}"
            ) from None
        try:
            with closing(gateway_database) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg2.Error as error:
            raise StartupError(
                f"MLflow needs a database {name} beside the gateway's own, and it cannot be "
                f"created: {driver_message(error)}; create it, or set HOKUSAI_MLFLOW_URL"
            ) from None
    return mlflow_url
