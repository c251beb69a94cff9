"""Redis counts for all gateways together; without it, each process counts its share."""

import asyncio
import logging
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from redis.exceptions import RedisError

from app.access.rate_limits import redis_counter
from app.access.rate_limits.redis_counter import RedisCounter
from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.main import create_app
from tests.access.rate_limits.conftest import Log
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.redis import SLOTS, RunningRedis, free_port
from tests.support.responses import good
from tests.support.serve_process import ServeProcess, run
from tests.support.waiting import wait_until

WHOAMI = "/api/auth/whoami"
PASSWORD = "hunter2-is-the-password"

Start = Callable[..., RunningGateway]


@pytest.fixture
def start(database: str) -> Start:
    """Starts gateways without MLflow, with a window longer than any test."""
    mlflow = f"http://127.0.0.1:{free_port()}"

    def make(redis_url: str, **overrides: object) -> RunningGateway:
        settings = {"rate_window": 3600, "redis_url": SecretStr(redis_url), **overrides}
        return RunningGateway(database, mlflow, **settings)

    return make


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RunningRedis]:
    """A Redis that the test may stop or pause."""
    with RunningRedis(tmp_path) as running:
        yield running


def flood(urls: list[str], key: str, requests: int, *, reuse: bool = True) -> list[httpx.Response]:
    """Concurrent requests, spread over gateways; each on a new connection if not `reuse`."""
    headers = {"Authorization": f"Bearer {key}"} | ({} if reuse else {"Connection": "close"})

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=requests)
        async with httpx.AsyncClient(
            headers=headers, timeout=120, trust_env=False, limits=limits
        ) as client:
            return await asyncio.gather(
                *(client.get(urls[turn % len(urls)] + WHOAMI) for turn in range(requests))
            )

    return asyncio.run(send())


def tally(answers: list[httpx.Response]) -> dict[int, int]:
    """The number of responses by status."""
    statuses = [answer.status_code for answer in answers]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def limit_of(client: httpx.Client) -> int:
    answer = client.get(WHOAMI)
    assert answer.status_code in (200, 429)
    return int(answer.headers["RateLimit-Limit"])


# --- counting together ---


@pytest.mark.usefixtures("patience")
def test_128_requests_at_once_are_counted_exactly(redis: RunningRedis, start: Start) -> None:
    with start(redis.url, rate_limit=100) as gateway:
        assert tally(flood([gateway.url], gateway.key(), 128)) == {200: 100, 429: 28}


@pytest.mark.usefixtures("patience")
def test_two_gateways_share_one_limit(redis: RunningRedis, start: Start) -> None:
    with start(redis.url, rate_limit=60) as one, start(redis.url, rate_limit=60) as other:
        assert tally(flood([one.url, other.url], one.key(), 128)) == {200: 60, 429: 68}


def test_two_worker_processes_share_one_limit(
    redis: RunningRedis, new_database: Callable[[], str], tmp_path: Path
) -> None:
    with ServeProcess(
        tmp_path / "data",
        database_url=new_database(),
        mlflow_url=f"http://127.0.0.1:{free_port()}",
        redis_url=redis.url,
        workers="2",
        rate_limit="75",
        rate_window="3600",
    ) as serving:
        url = serving.url
        serving.wait_for_status("/livez", 200)
        answers: list[httpx.Response] = []
        workers: set[str] = set()
        while len(answers) < 120 or len(workers) < 2:
            answers += flood([url], serving.admin_key, 20, reuse=False)
            # The first part of a request id is that of the worker.
            workers = {answer.headers["X-Request-ID"].split("-")[0] for answer in answers}
            assert len(answers) < 5000
        assert "limits.redis_lost" not in serving.output
        assert serving.stop(signal.SIGTERM) == 0
    assert tally(answers) == {200: 75, 429: len(answers) - 75}


def test_workers_without_redis_are_refused_at_start(tmp_path: Path) -> None:
    done = run("serve", workers="2", data_dir=str(tmp_path / "data"), port="0")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: HOKUSAI_WORKERS > 1 needs HOKUSAI_REDIS_URL: without it each one counts alone"
    ]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("kind", ["unix", "password"])
def test_redis_may_be_reached_by_a_socket_or_with_a_password(
    kind: str, tmp_path: Path, start: Start, log: Log
) -> None:
    with RunningRedis(tmp_path, PASSWORD if kind == "password" else None) as running:
        url = f"unix://{running.socket}" if kind == "unix" else running.url
        with start(url, rate_limit=7) as gateway:
            log.begin()
            assert tally(flood([gateway.url], gateway.key(), 20)) == {200: 7, 429: 13}
        assert running.command("DBSIZE") == 1
    assert log.count("limits.redis_lost") == 0
    assert log.count(PASSWORD) == 0


# --- without Redis ---


@pytest.mark.usefixtures("patience")
def test_each_process_counts_its_share_while_redis_is_unavailable(
    own_redis: RunningRedis, start: Start, log: Log
) -> None:
    # Two replicas with two workers each share a limit of 12.
    with start(own_redis.url, rate_limit=12, workers=2, replicas=2) as gateway:
        log.begin()
        with gateway.client(gateway.key()) as client:
            assert limit_of(client) == 12
            own_redis.kill()
            answers = [client.get(WHOAMI) for _ in range(10)]
            assert tally(answers) == {200: 3, 429: 7}
            assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
            assert log.count("limits.redis_lost") == 1
            with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin:
                metrics = admin.get("/metrics").text
            counted = re.search(r"^hokusai_limit_fallbacks_total (\d+)", metrics, re.MULTILINE)
            assert counted is not None
            assert int(counted[1]) == len(answers) + 1  # with the one for the metrics
            own_redis.start()
            wait_until(lambda: limit_of(client) == 12)
    assert log.count("limits.redis_lost") == log.count("limits.redis_back") == 1


@pytest.mark.parametrize("rate_limit", [1, 3])
def test_the_smallest_share_is_one(start: Start, rate_limit: int) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    with (
        start(nowhere, rate_limit=rate_limit, workers=2, replicas=4) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        assert tally([client.get(WHOAMI) for _ in range(3)]) == {200: 1, 429: 2}


@pytest.mark.usefixtures("patience")
def test_redis_may_be_unavailable_at_start(tmp_path: Path, start: Start) -> None:
    redis = RunningRedis(tmp_path)
    with start(redis.url, rate_limit=1000) as gateway, gateway.client(gateway.key()) as client:
        assert [client.get(WHOAMI).status_code for _ in range(20)] == [200] * 20
        with redis:
            wait_until(lambda: client.get(WHOAMI).is_success and redis.command("DBSIZE") == 1)


def test_a_hanging_redis_delays_no_request_for_long(
    own_redis: RunningRedis, start: Start, log: Log
) -> None:
    with start(own_redis.url, rate_limit=1000) as gateway:
        log.begin()
        key = gateway.key()
        with gateway.client(key) as client:
            assert limit_of(client) == 1000
            own_redis.pause()
            assert tally(flood([gateway.url], key, 128)) == {200: 128}
            assert log.count("limits.redis_lost") == 1
            own_redis.resume()
            wait_until(lambda: log.count("limits.redis_back"))
            assert tally(flood([gateway.url], key, 128)) == {200: 128}


async def test_only_one_request_waits_for_a_hanging_redis(
    own_redis: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # If each request waited for the timeout, the test would not end in time.
    monkeypatch.setattr(redis_counter, "REDIS_SECONDS", 3.0)
    fallbacks = 0

    def on_fallback() -> None:
        nonlocal fallbacks
        fallbacks += 1

    counter = RedisCounter(own_redis.url, processes=1, on_fallback=on_fallback)
    own_redis.pause()
    for _ in range(1000):
        await counter.hit("key", 10_000, 3600)
    await counter.close()
    assert fallbacks == 1000


async def test_counts_are_exact_again_after_redis_has_resumed(own_redis: RunningRedis) -> None:
    fallbacks: list[None] = []

    counter = RedisCounter(own_redis.url, processes=1, on_fallback=lambda: fallbacks.append(None))
    own_redis.pause()
    await asyncio.gather(*(counter.hit("hung", 10, 3600) for _ in range(100)))
    own_redis.resume()
    while fallbacks:
        fallbacks.clear()
        await asyncio.sleep(0.05)
        await counter.hit("watched", 1000, 3600)
    quotas = await asyncio.gather(*(counter.hit("after", 50, 3600) for _ in range(200)))
    await counter.close()
    assert sum(quota.allowed for quota in quotas) == 50


@pytest.mark.usefixtures("patience")
def test_a_read_only_redis_is_treated_as_unavailable(
    own_redis: RunningRedis, start: Start, log: Log
) -> None:
    own_redis.command("CONFIG", "SET", "min-replicas-to-write", 1)
    with start(own_redis.url, rate_limit=8, workers=2) as gateway:
        log.begin()
        with gateway.client(gateway.key()) as client:
            assert limit_of(client) == 4
            own_redis.command("CONFIG", "SET", "min-replicas-to-write", 0)
            wait_until(lambda: limit_of(client) == 8)
    assert log.count("limits.redis_lost") == 1


# --- Redis Cluster ---


@pytest.mark.usefixtures("patience")
def test_a_cluster_of_one_shard_counts_all_keys_together(
    tmp_path: Path, start: Start, log: Log
) -> None:
    with RunningRedis(tmp_path, PASSWORD, cluster=True) as redis:
        redis.own(range(SLOTS))
        wait_until(lambda: "cluster_state:ok" in str(redis.command("CLUSTER", "INFO")))
        with start(redis.url, rate_limit=20, replicas=2) as gateway:
            log.begin()
            keys = [gateway.key() for _ in range(3)]
            with ThreadPoolExecutor(3) as pool:
                answers = list(pool.map(lambda key: tally(flood([gateway.url], key, 40)), keys))
            assert answers == [{200: 20, 429: 20}] * 3
    assert log.count("limits.redis_lost") == 0


@pytest.mark.usefixtures("patience")
def test_a_cluster_of_several_nodes_is_followed_to_the_one_that_counts(
    tmp_path: Path, start: Start, log: Log
) -> None:
    with ExitStack() as stack:
        nodes: list[RunningRedis] = []
        for name, slots in (("a", range(SLOTS // 2)), ("b", range(SLOTS // 2, SLOTS))):
            (tmp_path / name).mkdir()
            node = stack.enter_context(RunningRedis(tmp_path / name, PASSWORD, cluster=True))
            node.own(slots)
            nodes.append(node)
        nodes[0].meet(nodes[1])
        # One of them owns the slot, and the other one has to send the gateway there.
        one, other = (stack.enter_context(start(node.url, rate_limit=30)) for node in nodes)
        log.begin()
        answers = tally(flood([one.url, other.url], one.key(), 80))
        assert answers == {200: 30, 429: 50}
        assert log.count("limits.redis_lost") == 0
        # Its loss is one like that of any Redis, and so is its return.
        owner = next(node for node in nodes if node.command("DBSIZE"))
        owner.kill()
        with other.client(other.key()) as client:
            assert client.get(WHOAMI).status_code == 200
            assert log.count("limits.redis_lost") >= 1


async def test_the_check_does_what_serving_does_and_leaves_nothing(
    tmp_path: Path, own_redis: RunningRedis
) -> None:
    (tmp_path / "cluster").mkdir()
    with RunningRedis(tmp_path / "cluster", cluster=True) as unfinished:
        counter = RedisCounter(unfinished.url, processes=1)
        with pytest.raises(RedisError):  # it responds to PING
            await counter.check()
        await counter.close()
    counter = RedisCounter(own_redis.url, processes=1)
    await counter.check()
    await counter.close()
    assert own_redis.command("KEYS", "*") == []


# --- invalid settings ---


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}@127.0.0.1:port",
        f"redis://:{PASSWORD}@127.0.0.1:99999999",
        f"redis://user:{PASSWORD}/@127.0.0.1:6379",
        f"redis://:{PASSWORD}@127.0.0.1?nonsense=1",
        f"redis://:{PASSWORD}@127.0.0.1?socket_timeout=soon",
        f"http://:{PASSWORD}@127.0.0.1",
        f"redis://:{PASSWORD}@",
        f"redis://:{PASSWORD}@[::1",
        PASSWORD,
    ],
)
def test_an_invalid_url_is_refused_at_start_in_one_line(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOKUSAI_DATABASE_URL", "postgresql://127.0.0.1/none")
    monkeypatch.setenv("HOKUSAI_MLFLOW_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HOKUSAI_KEY_PEPPER", "pepper of the tests")
    monkeypatch.setenv("HOKUSAI_ATTESTOR_KEY", "11" * 32)
    monkeypatch.setenv("HOKUSAI_REDIS_URL", url)
    with pytest.raises(StartupError, match=r"^HOKUSAI_REDIS_URL") as caught:
        create_app(load_settings())
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_wrong_password_appears_nowhere(
    tmp_path: Path, start: Start, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    with RunningRedis(tmp_path, "another password") as running:
        url = f"redis://:{PASSWORD}@127.0.0.1:{running.port}"
        with start(url, rate_limit=1000, log_level="debug") as gateway:
            log.begin()
            logging.getLogger().setLevel(logging.DEBUG)
            with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
                answers = [good(client.get(WHOAMI)), client.get("/metrics").text]
    assert log.count("limits.redis_lost") == 1
    assert log.count(PASSWORD) == 0
    assert PASSWORD not in caplog.text
    assert PASSWORD not in str(answers)
    assert PASSWORD not in repr(gateway.settings)


def test_settings_do_not_show_the_password() -> None:
    settings = Settings(redis_url=SecretStr(f"redis://:{PASSWORD}@127.0.0.1"))
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in settings.model_dump_json()
