"""A real HAProxy in front of several gateways, as an operator would configure it."""

import csv
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from tests.support.redis import free_port
from tests.support.waiting import wait_until

# Often installed in a directory that is only on an administrator's PATH.
PROGRAM = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# The header that names the gateway which served a request.
SERVED_BY = "X-Served-By"

# Readiness is checked often, so that tests do not wait; the other timeouts are generous.
CONFIGURATION = """
global
    maxconn 500

defaults
    mode http
    timeout connect 5s
    timeout client 130s
    timeout server 130s
    timeout check 4s
    option forwardfor
    option redispatch
    retries 3
    balance roundrobin

frontend gateways
    bind 127.0.0.1:{port}
    default_backend gateways

frontend statistics
    bind 127.0.0.1:{statistics}
    stats enable
    stats uri /

backend gateways
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host gateway
    http-check expect status 200
    http-response set-header {served_by} %s
    default-server check inter 200 fall 1 rise 1
{servers}
"""


class LoadBalancer:
    """Distributes requests in turn among the gateways that are ready, while the `with` block lasts.

    The port is chosen at once, because settings name it; `start` takes the gateways.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._statistics = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self, gateways: Mapping[str, int]) -> None:
        """Start in front of gateways (name to port); return when all are ready."""
        assert PROGRAM is not None
        servers = [f"    server {name} 127.0.0.1:{port}" for name, port in gateways.items()]
        configuration = self._directory / "haproxy.cfg"
        configuration.write_text(
            CONFIGURATION.format(
                port=self.port,
                statistics=self._statistics,
                served_by=SERVED_BY,
                servers="\n".join(servers),
            )
        )
        with (self._directory / "haproxy.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-db", "-f", configuration], stdout=log, stderr=subprocess.STDOUT
            )
        for name in gateways:
            self.wait_for(name, "UP")

    def wait_for(self, name: str, state: str) -> None:
        """Wait until the load balancer considers a gateway `UP` or `DOWN`."""
        wait_until(lambda: self.state(name) == state, 60)

    def state(self, name: str) -> str | None:
        """`UP` or `DOWN`, as the load balancer considers a gateway; None before it responds."""
        try:
            response = httpx.get(f"http://127.0.0.1:{self._statistics}/;csv", trust_env=False)
        except httpx.TransportError:
            assert self._process is not None
            assert self._process.poll() is None, (self._directory / "haproxy.log").read_text()
            return None
        rows = csv.DictReader(response.text.removeprefix("# ").splitlines())
        found = {row["svname"]: row["status"] for row in rows if row["pxname"] == "gateways"}
        return found.get(name)
