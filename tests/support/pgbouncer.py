"""A real PgBouncer in transaction mode, in front of the tests' PostgreSQL."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from app.standalone.child_process import launcher_command
from tests.support.redis import free_port
from tests.support.waiting import wait_until

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

CONFIGURATION = """
[databases]
* = host={host} port=5432

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
"""


class PgBouncer:
    """Gives each transaction one of three sessions per database, while the `with` block lasts.

    url: of any database of the server, with the role that connects.
    """

    def __init__(self, directory: Path, url: str) -> None:
        parts = urlsplit(url)
        self._role, self._password = parts.username, parts.password
        self._port = free_port()
        users = directory / "users.txt"
        users.write_text(f'"{self._role}" "{self._password}"\n')
        self._configuration = directory / "pgbouncer.ini"
        host = parse_qs(parts.query)["host"][0]
        self._configuration.write_text(
            CONFIGURATION.format(host=host, port=self._port, users=users)
        )
        self._directory = directory

    def url(self, direct: str) -> str:
        """The URL of a database through this pooler; direct: its URL without."""
        database = urlsplit(direct).path
        return f"postgresql://{self._role}:{self._password}@127.0.0.1:{self._port}{database}"

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        with (self._directory / "pgbouncer.log").open("wb") as log:
            # Like PostgreSQL, it refuses to run as root.
            self._process = subprocess.Popen(
                launcher_command(
                    [PROGRAM, str(self._configuration)],
                    death_signal=signal.SIGKILL,
                    owned=(self._directory,),
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._listens)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._directory / "pgbouncer.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
