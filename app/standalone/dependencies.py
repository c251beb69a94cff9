"""What the gateway stands on, as far as the operator did not give it."""

from contextlib import closing
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg2
from psycopg2 import sql

from app.core.errors import StartupError
from app.database.engine import in_one_line
from app.standalone.console import Progress
from app.standalone.data_directory import DataDirectory
from app.standalone.managed_service import Supervised
from app.standalone.mlflow import ChildMLflow, require_mlflow
from app.standalone.postgres import EmbeddedPostgreSQL
from app.standalone.supervisor import Supervisor


class Stack:
    """An embedded PostgreSQL unless a database is given, a child MLflow unless a URL is.

    The attributes `database_url` and `mlflow_url` say where to find both, once started.
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
        self.mlflow_url = mlflow_url or ""
        self.postgres = None if database_url else EmbeddedPostgreSQL(directory.path)
        self.mlflow: ChildMLflow | None = None
        self._directory = directory
        self._progress = progress
        self._supervisor: Supervisor | None = None

    def start(self) -> None:
        """Start what is missing and wait until it is ready. Raises StartupError."""
        if not self.mlflow_url:
            # Before PostgreSQL is started for nothing.
            require_mlflow()
        if self.postgres is not None:
            self._start_postgres(self.postgres)
        if not self.mlflow_url:
            self._start_mlflow()
        children: list[Supervised] = [
            child for child in (self.postgres, self.mlflow) if child is not None
        ]
        self._supervisor = Supervisor(children)
        self._supervisor.start()

    def stop(self) -> None:
        """Stop what was started, MLflow before its database."""
        if self._supervisor is not None:
            self._supervisor.stop()
            return
        for child in (self.mlflow, self.postgres):
            if child is not None:
                child.stop()

    def _start_postgres(self, postgres: EmbeddedPostgreSQL) -> None:
        step = "Creating the PostgreSQL database" if postgres.is_new else "Starting PostgreSQL"
        with self._progress.step(step):
            postgres.start()
            postgres.create_database("hokusai")
            self.database_url = postgres.url("hokusai")

    def _start_mlflow(self) -> None:
        if self.postgres is not None:
            self.postgres.create_database("mlflow", "mlflow")
            database_url = self.postgres.url("mlflow", "mlflow")
        else:
            database_url = neighbour_database(self.database_url)
        self.mlflow = ChildMLflow(self._directory.path, database_url)
        step = "Starting MLflow"
        if self.mlflow.is_new:
            step += " (the first start makes its tables)"
        with self._progress.step(step):
            self.mlflow.start()
        self.mlflow_url = self.mlflow.url


def neighbour_database(url: str) -> str:
    """The URL of MLflow's own database beside the gateway's on the operator's server, made if new.

    It has the gateway's name with `_mlflow` behind it. Raises StartupError where it can neither
    be entered nor made.
    """
    parts = urlsplit(url)
    # asyncpg's name of the parameter that libpq calls sslmode.
    options = [
        ("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)
    ]
    base = parts._replace(scheme="postgresql", query=urlencode(options))
    name = f"{parts.path.strip('/') or 'hokusai'}_mlflow"
    neighbour = base._replace(path=f"/{quote(name)}").geturl()
    try:
        psycopg2.connect(neighbour, connect_timeout=10).close()
    except psycopg2.OperationalError:
        try:
            beside = psycopg2.connect(base.geturl(), connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise StartupError(
                f"cannot use the database of HOKUSAI_DATABASE_URL: {in_one_line(error)}"
            ) from None
        try:
            with closing(beside) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg2.Error as error:
            raise StartupError(
                f"MLflow needs a database {name} beside the gateway's own, and it cannot be made: "
                f"{in_one_line(error)}; make it, or set HOKUSAI_MLFLOW_URL"
            ) from None
    return neighbour
