"""Everything that is kept permanently has a quota per tenant, and a rate for wallets' addresses."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.benchmarks import commit, new_benchmark, register_benchmark
from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.wallet import Wallet

PROXY = (ip_network("127.0.0.1/32"),)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def scarce(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway where two of each kind are the quota, behind a trusted proxy."""
    settings: dict[str, Any] = {
        "key_quota": 2,
        "token_quota": 2,
        "model_quota": 3,
        "contribution_quota": 2,
        "attestation_quota": 2,
        "approval_quota": 2,
        "benchmark_quota": 2,
        "prediction_quota": 1,
        "trusted_proxies": PROXY,
    }
    with RunningGateway(new_database(), mlflow_server.url, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def hurried(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway where wallets at an address create two of each kind an hour."""
    settings = {"creation_limit": 2, "trusted_proxies": PROXY}
    with RunningGateway(new_database(), mlflow_server.url, **settings) as running:
        yield running


def attest(client: httpx.Client, **headers: str) -> httpx.Response:
    body = {
        "kind": "claimed",
        "metrics": {"accuracy": 0.5 + next(_numbers) / 1000},
    }
    return client.post("/api/attestations", json=body, headers=headers)


def used(client: httpx.Client) -> dict[str, int]:
    return {one["kind"]: one["used"] for one in good(client.get("/api/limits"))["quotas"]}


def test_keys_have_a_quota_also_by_rotation(scarce: RunningGateway) -> None:
    with scarce.client(scarce.key()) as client:
        own = good(client.get("/api/auth/whoami"))["credential"]
        good(client.post(f"/api/keys/{own}/rotate", json={"overlap_seconds": 600}), 201)
        problem = refused(client.post("/api/keys", json={"name": "n"}), 403, "quota_exceeded")
        assert problem["error_code"] == "QUOTA_EXCEEDED"
        assert used(client)["keys"] == 2


def test_approvals_have_a_quota_with_the_withdrawn_ones(scarce: RunningGateway) -> None:
    with TokenMarket(scarce, bound=False) as market:
        first, second, third = (f"0x{number:040x}" for number in range(3))
        approval = good(market.approve(contributor=first), 201)
        path = f"/api/mint-approvals/{approval['id']}/withdraw"
        good(market.holder.client.post(path))
        for _ in range(2):
            good(market.approve(contributor=second), 201)
        refused(market.approve(contributor=third), 403, "quota_exceeded")
        assert used(market.holder.client)["approvals"] == 2


def test_benchmarks_and_commitments_have_quotas(scarce: RunningGateway) -> None:
    with Training.of(scarce) as training:
        made = [new_benchmark(training.client)["benchmark_id"] for _ in range(2)]
        refused(register_benchmark(training.client), 403, "quota_exceeded")
        model_id = training.baseline(accuracy=0.5)["model_id"]
        value = good(commit(training.client, made[0], model_id), 201)["commitment"]
        refused(commit(training.client, made[1], model_id), 403, "quota_exceeded")
        # A repetition is not counted.
        good(commit(training.client, made[0], model_id, value), 201)
        assert used(training.client)["benchmarks"] == 2
        assert used(training.client)["predictions"] == 1


def test_tokens_have_a_quota_until_they_end(scarce: RunningGateway) -> None:
    wallet = Wallet()
    with scarce.client() as client:

        def request() -> httpx.Response:
            return client.post("/api/auth/token", headers=wallet.headers(-next(_numbers) / 10))

        good(request(), 201)
        good(request(), 201)
        assert "DELETE /api/auth/tokens" in refused(request(), 403, "quota_exceeded")["message"]
        assert (
            sql(scarce, "select 1 from access_tokens where address = %s", wallet.address)
            == [(1,)] * 2
        )
        good(client.delete("/api/auth/tokens", headers=wallet.headers()))
        good(request(), 201)


def test_attestations_have_a_quota_and_repetitions_do_not_count(scarce: RunningGateway) -> None:
    with scarce.client(scarce.key()) as client:
        good(attest(client), 201)
        for _ in range(2):
            again = attest_same(client)
        entries = "select count(*) from attestation_log"
        before = sql(scarce, entries)
        refused(attest(client), 403, "quota_exceeded")
        assert sql(scarce, entries) == before
        assert good(attest_same(client), 201)["hash"] == again.json()["hash"]
        assert used(client)["attestations"] == 2
    with scarce.client(scarce.key()) as another_tenant:
        good(attest(another_tenant), 201)


def attest_same(client: httpx.Client) -> httpx.Response:
    body = {
        "kind": "claimed",
        "metrics": {"accuracy": 0.9},
    }
    return client.post("/api/attestations", json=body)


def test_models_and_contributions_have_a_quota(scarce: RunningGateway) -> None:
    with Training.of(scarce) as training:

        def improve(number: int, contributions: int) -> httpx.Response:
            return training.register(
                "improved",
                run_id=training.run(accuracy=0.9 + number / 100),
                baseline_model_id=baseline["model_id"],
                data_contribution=[
                    {"contributor": Wallet().address, "weight_bps": 10_000 // contributions}
                    for _ in range(contributions)
                ],
            )

        baseline = training.baseline(accuracy=0.8)
        good(improve(1, contributions=2), 201)
        assert (used(training.client)["models"], used(training.client)["contributions"]) == (2, 2)
        versions = len(training.versions())
        assert refused(improve(2, contributions=1), 403, "quota_exceeded")["quota"] == (
            "contributions"
        )
        # The refused one has left nothing, here and in MLflow, so there is room for another model.
        assert len(training.versions()) == versions
        training.baseline(accuracy=0.7)
        late = training.register("baseline", run_id=training.run(), model_type="classification")
        assert refused(late, 403, "quota_exceeded")["quota"] == "models"
        assert used(training.client)["models"] == 3


def test_a_registration_that_mlflow_refuses_does_not_count(scarce: RunningGateway) -> None:
    with Training.of(scarce) as training:
        name = "x" * 1000  # longer than MLflow's column
        answer = training.register(
            "baseline", run_id=training.run(), model_type="classification", name=name
        )
        assert 400 <= answer.status_code < 500, answer.text
        assert used(training.client)["models"] == 0


def test_a_quota_is_exact_under_concurrency(scarce: RunningGateway) -> None:
    with scarce.client(scarce.key()) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: attest(client), range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] * 2 + [403] * 6
        assert used(client)["attestations"] == 2


def create_key(client: httpx.Client, wallet: Wallet, forwarded: dict[str, str]) -> httpx.Response:
    return client.post("/api/keys", json={"name": "n"}, headers={**wallet.headers(), **forwarded})


def create_token(client: httpx.Client, wallet: Wallet, forwarded: dict[str, str]) -> httpx.Response:
    return client.post("/api/auth/token", headers={**wallet.headers(), **forwarded})


def create_attestation(
    client: httpx.Client, wallet: Wallet, forwarded: dict[str, str]
) -> httpx.Response:
    return attest(client, **wallet.headers(), **forwarded)


@pytest.mark.parametrize("create", [create_key, create_token, create_attestation])
@pytest.mark.parametrize("network", ["192.0.2.{}", "2001:db8:9:{}::1"])
def test_new_wallets_at_an_address_create_at_a_limited_rate(
    hurried: RunningGateway, create: Callable[..., httpx.Response], network: str
) -> None:
    number = next(_numbers)
    here, elsewhere = ({"X-Forwarded-For": network.format(2 * number + n)} for n in (1, 2))
    with hurried.client() as client:
        for _ in range(2):
            good(create(client, Wallet(), here), 201)
        answer = create(client, Wallet(), here)
        problem = refused(answer, 429, "too_many_creations")
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
        assert "operator" in problem["message"]
        good(create(client, Wallet(), elsewhere), 201)
    with hurried.client(hurried.key(), **here) as operators:
        for _ in range(3):
            good(attest(operators), 201)
