"""Small requests with rate limits counted in Redis, beside limits counted in memory."""

import subprocess
import time
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

import redis

from benchmarks.launcher import Launcher, free_port, program, stop
from benchmarks.load import small_requests
from benchmarks.report import Table, alternate
from benchmarks.small import CONNECTIONS
from benchmarks.stack import RUN, start_backend, start_gateway


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `counting-<connections>`. The figures do not include the CPU time of Redis itself."""
    backend = start_backend(launcher)
    url = start_redis(launcher)
    gateways = {
        "memory": start_gateway(launcher, backend.base, "memory"),
        "redis": start_gateway(launcher, backend.base, "redis", HOKUSAI_REDIS_URL=url),
    }
    for connections in CONNECTIONS:
        load = partial(small_requests, path=RUN, connections=connections)
        for gateway in gateways.values():
            load(gateway, seconds=1)
        title = f"counting-{connections}"
        measures = {
            name: partial(load, gateway, seconds=options.seconds)
            for name, gateway in gateways.items()
        }
        rounds = alternate(title, options.rounds, measures)
        yield Table(title, rounds, "memory", ("cpu", "rate"))


def start_redis(launcher: Launcher) -> str:
    """Start a Redis, and return its URL. Raises MissingError or RuntimeError."""
    port = free_port()
    process = subprocess.Popen(
        [program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
        cwd=launcher.directory,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    launcher.cleanup.callback(stop, process)
    url = f"redis://127.0.0.1:{port}"
    with redis.Redis.from_url(url) as client:
        while process.poll() is None:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.1)
            else:
                return url
    raise RuntimeError("redis-server did not start")
