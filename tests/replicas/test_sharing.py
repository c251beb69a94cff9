"""Two gateways behind a load balancer act as one: they share all state."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from app.access.identity import credential_cache
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.haproxy import SERVED_BY, LoadBalancer
from tests.support.redis import RunningRedis
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
NAMES = {"one", "other"}


@dataclass
class Replicas:
    """Two gateways, and the URL of the load balancer in front of them."""

    one: RunningGateway
    other: RunningGateway
    url: str

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """A client of the load balancer, which sends requests to both gateways in turn."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def both(self, key: str | None = None, **headers: str) -> tuple[httpx.Client, httpx.Client]:
        """A client of each gateway, without the load balancer."""
        return self.one.client(key, **headers), self.other.client(key, **headers)


@pytest.fixture(scope="module")
def replicas(
    balancer: LoadBalancer,
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replicas]:
    database = new_database()
    with RunningRedis(tmp_path_factory.mktemp("redis")) as redis:
        shared = {
            "redis_url": SecretStr(redis.url),
            "replicas": 2,
            "public_url": balancer.url,
            "trusted_proxies": "127.0.0.1/32",
            # A window that outlasts every test.
            "rate_window": 3600,
        }
        with (
            RunningGateway(database, mlflow_server.url, **shared) as one,
            RunningGateway(database, mlflow_server.url, **shared) as other,
        ):
            balancer.start({"one": one.port, "other": other.port})
            yield Replicas(one, other, balancer.url)


def served_by(responses: list[httpx.Response]) -> set[str]:
    return {response.headers[SERVED_BY] for response in responses}


def test_a_rate_limit_over_two_gateways_is_exact(replicas: Replicas) -> None:
    key = replicas.one.key(rate_limit=60)

    def send(_: int) -> httpx.Response:
        with replicas.client(key) as client:
            return client.get(WHOAMI)

    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(send, range(128)))
    statuses = [response.status_code for response in responses]
    assert (statuses.count(200), statuses.count(429)) == (60, 68)
    passed = [response for response in responses if response.status_code == 200]
    assert served_by(passed) == NAMES
    # RateLimit-Remaining counts the requests to both.
    assert sorted(int(response.headers["RateLimit-Remaining"]) for response in passed) == [
        *range(60)
    ]


def test_the_anonymous_limit_counts_the_address_behind_the_load_balancer(
    replicas: Replicas,
) -> None:
    """Both trust the load balancer's X-Forwarded-For, and count the address together."""
    with replicas.client() as client:
        first = client.get("/openapi.json")
        second = client.get("/openapi.json")
    left = [int(response.headers["RateLimit-Remaining"]) for response in (first, second)]
    assert served_by([first, second]) == NAMES
    assert left[1] == left[0] - 1


def test_a_signature_is_accepted_once_over_both(replicas: Replicas) -> None:
    headers = Wallet().headers()
    responses: list[httpx.Response] = []
    start = threading.Barrier(8)

    def post(turn: int) -> httpx.Response:
        with replicas.client(**headers) as client:
            start.wait()
            return client.post("/api/keys", json={"name": f"key {turn}"})

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(post, range(8)))
    assert served_by(responses) == NAMES
    assert [response.status_code for response in responses].count(201) == 1
    for response in responses:
        if response.status_code != 201:
            refused(response, 401, "signature_spent")


def test_a_revoked_key_is_refused_by_both_at_once(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the notification ends what is cached.
    monkeypatch.setattr(credential_cache, "LIFETIME", 3600.0)
    key = replicas.one.key()
    one, other = replicas.both(key)
    with replicas.client(replicas.one.key(scopes=ALL_SCOPES)) as admin, one, other:
        for client in (one, other):
            # From here on, the key is cached.
            good(client.get(WHOAMI))
        key_id = good(one.get(WHOAMI))["credential"]
        good(admin.delete(f"/api/admin/keys/{key_id}"), 204)
        for client in (one, other):
            wait_until(lambda client=client: client.get(WHOAMI).status_code == 401)  # type: ignore[misc]
            refused(client.get(WHOAMI), 401, "key_revoked")


def test_a_nonce_of_one_gateway_is_accepted_once_by_the_other(replicas: Replicas) -> None:
    wallet = Wallet()
    one, other = replicas.both()
    with one, other:
        nonce = good(one.get("/api/auth/nonce"))["nonce"]
        body = wallet.siwe(urlsplit(replicas.url).netloc, nonce)
        assert "access_token" in good(other.post("/api/auth/token", json=body), 201)
        for client in (one, other):
            assert client.post("/api/auth/token", json=body).status_code == 401
        again = wallet.siwe(urlsplit(replicas.url).netloc, nonce, statement="Once more")
        for client in (one, other):
            assert client.post("/api/auth/token", json=again).status_code == 401


def test_a_token_of_one_gateway_works_at_the_other(replicas: Replicas) -> None:
    with replicas.one.client(**Wallet().headers()) as client:
        token = good(client.post("/api/auth/token"), 201)["access_token"]
    with replicas.other.client(token) as client:
        good(client.get(WHOAMI))
    with replicas.client(token) as client:
        assert served_by([client.get(WHOAMI), client.get(WHOAMI)]) == NAMES


def test_a_key_made_at_one_gateway_works_at_the_other_at_once(replicas: Replicas) -> None:
    with replicas.one.client(replicas.one.key()) as parent:
        made = good(parent.post("/api/keys", json={"name": "child"}), 201)
    with replicas.other.client(made["key"]) as child:
        assert Scope.READ.value in good(child.get(WHOAMI))["scopes"]


def test_a_registration_through_both_is_made_once(replicas: Replicas) -> None:
    with Training.of(replicas.one) as training:
        key = training.client.headers["Authorization"].removeprefix("Bearer ")
        body = {"run_id": training.run(accuracy=0.5), "model_type": "c"}
        start = threading.Barrier(16)

        def register(_: int) -> list[httpx.Response]:
            responses: list[httpx.Response] = []
            with replicas.client(key, **{"Idempotency-Key": "once"}) as client:
                start.wait()

                def is_registered() -> bool:
                    responses.append(client.post("/api/models/baseline", json=body))
                    return responses[-1].status_code == 201

                wait_until(is_registered)
            return responses

        with ThreadPoolExecutor(16) as pool:
            sent = list(pool.map(register, range(16)))
        assert served_by([response for responses in sent for response in responses]) == NAMES
        last = [responses[-1] for responses in sent]
        assert len({response.content for response in last}) == 1
        assert sum("idempotent-replayed" not in response.headers for response in last) == 1
        for responses in sent:
            for response in responses[:-1]:
                assert response.json()["reason"] in ("in_progress", "database_unavailable")
        model_id = last[0].json()["model_id"]
        assert [model["model_id"] for model in training.models(tenant=training.tenant)] == [
            model_id
        ]
        assert len(training.versions()) == 1
        rows = sql(replicas.other, "select count(*) from models where model_id = %s", model_id)
        assert rows == [(1,)]
