"""Attestations that are issued together: one transaction, and each its own result."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx
import psycopg2
import pytest
from hokusai.verify import LogExport, verify

from app.access.quotas.models import QuotaKind
from app.control_plane.attestations.group import Result
from app.control_plane.attestations.issuing import AttestationIssuer
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.pending import PendingAttestation
from app.control_plane.transparency_log.service import APPEND_LOCK
from app.core.batching import Batcher
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.benchmarks import benchmark_request, commitment, new_benchmark
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet


@pytest.fixture(scope="module")
def server(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway whose log nobody else adds to."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running


@contextmanager
def appends_wait(server: RunningGateway, count: int) -> Iterator[None]:
    """Hold the lock of the log until this number of requests waits for it."""
    groups = server.service(AttestationIssuer)._groups
    submitted: list[PendingAttestation] = []

    def submit(pending: PendingAttestation) -> asyncio.Future[Result]:
        submitted.append(pending)
        return Batcher.submit(groups, pending)

    assert server.settings.database_url is not None
    url = server.settings.database_url.get_secret_value().replace("+asyncpg", "")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(groups, "submit", submit)
            yield
            wait_until(lambda: len(submitted) == count)
        connection.commit()


def claims(server: RunningGateway, requests: list[dict[str, Any]]) -> list[httpx.Response]:
    """The responses to requests that are sent at once. Each has its `headers` and an `accuracy`."""
    barrier = threading.Barrier(len(requests) + 1)

    def send(request: dict[str, Any]) -> httpx.Response:
        metrics = {"accuracy": request["accuracy"]}
        with server.client(**request["headers"]) as client:
            barrier.wait()
            return client.post("/api/attestations", json={"kind": "claimed", "metrics": metrics})

    with ThreadPoolExecutor(len(requests)) as threads, appends_wait(server, len(requests)):
        futures = [threads.submit(send, request) for request in requests]
        barrier.wait()
    return [future.result() for future in futures]


def entries(server: RunningGateway) -> list[dict[str, Any]]:
    with server.client() as anyone:
        page = good(anyone.get("/api/attestations/log/entries", params={"limit": 1000}))
    found: list[dict[str, Any]] = page["entries"]
    return found


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_what_waits_is_added_by_one_transaction_with_one_checkpoint(
    server: RunningGateway,
) -> None:
    before = len(entries(server))
    headers = bearer(server.key())
    requests = [{"headers": headers, "accuracy": number / 100} for number in range(12)]
    documents = [good(response, 201) for response in claims(server, requests)]
    indexes = [document["log"]["index"] for document in documents]
    assert sorted(indexes) == list(range(before, before + 12))
    query = 'SELECT count(DISTINCT xmin::text) FROM attestation_log WHERE "index" >= %s'
    ((transactions,),) = sql(server, query, before)
    # Those that came first, and all others, which came while those waited for the lock.
    assert transactions in (1, 2)
    assert len({document["log"]["checkpoint"] for document in documents}) == transactions
    with server.client() as anyone:
        known = good(anyone.get("/.well-known/hokusai-attestor.json"))
    export = LogExport.read({"entries": entries(server)})
    for document in documents:
        report = verify(document, known=known, log=export)
        assert report.complete, report.as_dict()


def test_a_quota_that_is_used_up_refuses_no_other_tenant(server: RunningGateway) -> None:
    admin = server.key(scopes=ALL_SCOPES)
    key = server.key("small-quota")
    with server.client(admin) as client:
        path = "/api/admin/tenants/small-quota/quotas"
        good(client.patch(path, json={QuotaKind.ATTESTATIONS.value: 3}))
    small, other = bearer(key), bearer(server.key())
    before = len(entries(server))
    requests = [
        {"headers": headers, "accuracy": 0.2 + number / 100}
        for number in range(5)
        for headers in (small, other)
    ]
    responses = claims(server, requests)
    assert all(response.status_code == 201 for response in responses[1::2])
    limited = responses[::2]
    assert sorted(response.status_code for response in limited) == [201] * 3 + [403] * 2
    for response in limited:
        if response.status_code == 403:
            problem = refused(response, 403, "quota_exceeded")
            assert (problem["limit"], problem["used"]) == (3, 3)
    assert len(entries(server)) == before + 8
    with server.client(key) as client:
        quotas = good(client.get("/api/limits"))["quotas"]
    (used,) = (one["used"] for one in quotas if one["kind"] == QuotaKind.ATTESTATIONS.value)
    assert used == 3


def test_a_wallets_message_is_used_up_by_one_of_several(server: RunningGateway) -> None:
    wallet = Wallet()
    signed, other = wallet.headers(), bearer(server.key())
    # Makes the wallet's tenant, which the first request of a wallet does.
    with server.client(**wallet.headers(-1)) as client:
        good(client.get("/api/limits"))
    requests = [{"headers": signed, "accuracy": 0.3 + number / 100} for number in range(4)]
    requests += [{"headers": other, "accuracy": 0.4}]
    responses = claims(server, requests)
    good(responses.pop(), 201)
    assert sorted(response.status_code for response in responses) == [201, 401, 401, 401]
    for response in responses:
        if response.status_code == 401:
            refused(response, 401, "signature_spent")
    with server.client(**wallet.headers()) as client:
        quotas = good(client.get("/api/limits"))["quotas"]
    (used,) = (one["used"] for one in quotas if one["kind"] == QuotaKind.ATTESTATIONS.value)
    assert used == 1


def test_requests_with_one_key_are_one_request(server: RunningGateway) -> None:
    headers = bearer(server.key()) | {"Idempotency-Key": "the same"}
    before = len(entries(server))
    same = [{"headers": headers, "accuracy": 0.5} for _ in range(4)]
    responses = claims(server, [*same, {"headers": headers, "accuracy": 0.6}])
    # Whichever came first decides what the key stands for.
    issued = [response for response in responses if response.status_code == 201]
    assert len(issued) in (1, 4)
    assert len({good(response, 201)["hash"] for response in issued}) == 1
    for response in responses:
        if response.status_code != 201:
            refused(response, 422, "idempotency_key_reused")
    assert len(entries(server)) == before + 1


def test_a_failure_of_one_fails_no_other(
    server: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = bearer(server.key("broken", scopes=[Scope.ATTEST]))
    other = bearer(server.key())
    signed = PendingAttestation.signed

    def failing(pending: PendingAttestation, index: int) -> Attestation:
        row = signed(pending, index)
        if pending.tenant == "broken":
            row.text = "no JSON\0"  # which PostgreSQL refuses
        return row

    monkeypatch.setattr(PendingAttestation, "signed", failing)
    before = len(entries(server))
    requests = [{"headers": other, "accuracy": 0.7 + number / 100} for number in range(6)]
    requests.insert(3, {"headers": broken, "accuracy": 0.7})
    responses = claims(server, requests)
    refused(responses.pop(3), 500, "internal_error")
    documents = [good(response, 201) for response in responses]
    indexes = [document["log"]["index"] for document in documents]
    assert sorted(indexes) == list(range(before, before + 6))
    assert len(entries(server)) == before + 6


@pytest.mark.parametrize("path", ["/api/attestations", "/api/benchmarks"])
def test_one_message_for_two_requests_keeps_nobody_from_the_log(
    server: RunningGateway, path: str
) -> None:
    """One request that waits for the message has not the lock that the other one waits for."""
    wallet = Wallet()
    bodies = {
        "/api/attestations": {"kind": "claimed", "metrics": {"accuracy": 0.8}},
        "/api/benchmarks": benchmark_request(),
    }
    with server.client() as client, ThreadPoolExecutor(3) as threads:
        headers = wallet.headers(-1)
        mine = good(
            client.post("/api/attestations", json=bodies["/api/attestations"], headers=headers), 201
        )
        revoke = f"/api/attestations/{mine['hash']}/revoke"
        key = bearer(server.key())
        message = wallet.headers()
        with log_is_locked(server) as waiting:
            first = threads.submit(
                client.post,
                path,
                json=bodies[path],
                headers={**message, "Idempotency-Key": "another"},
            )
            wait_until(lambda: waiting() == 1)
            second = threads.submit(
                client.post, revoke, json={"reason": "The test set leaked."}, headers=message
            )
            wait_until(lambda: waiting() == 2)
            other = threads.submit(
                client.post, "/api/attestations", json=bodies["/api/attestations"], headers=key
            )
        good(first.result(), 201)
        refused(second.result(), 401, "signature_spent")
        good(other.result(), 201)


def test_what_is_withdrawn_meanwhile_is_neither_attested_nor_evaluated(
    server: RunningGateway,
) -> None:
    before = len(entries(server))
    with Training.of(server) as owner, ThreadPoolExecutor(2) as threads:
        model_id = owner.baseline(accuracy=0.8)["model_id"]
        benchmark_id = new_benchmark(owner.client)["benchmark_id"]
        attestation = {"baseline_model_id": model_id, "improved_run_id": owner.run(accuracy=0.9)}
        predictions = {"model_id": model_id, "commitment": commitment()}
        with log_is_locked(server) as waiting:
            futures = [threads.submit(owner.client.post, "/api/attestations", json=attestation)]
            wait_until(lambda: waiting() == 1)
            path = f"/api/benchmarks/{benchmark_id}/predictions"
            futures += [threads.submit(owner.client.post, path, json=predictions)]
            wait_until(lambda: waiting() == 2)
            path = f"/api/models/{model_id}/withdraw"
            good(owner.client.post(path, json={"reason": "wrong weights"}))
        for future in futures:
            refused(future.result(), 409, "model_withdrawn")
        quotas = good(owner.client.get("/api/limits"))["quotas"]
        used = {one["kind"]: one["used"] for one in quotas}
        assert used[QuotaKind.ATTESTATIONS.value] == used[QuotaKind.PREDICTIONS.value] == 0
    # The benchmark.
    assert len(entries(server)) == before + 1


@contextmanager
def log_is_locked(server: RunningGateway) -> Iterator[Callable[[], int]]:
    """Hold the lock of the log. Yields how many transactions wait for any lock."""
    assert server.settings.database_url is not None
    url = server.settings.database_url.get_secret_value().replace("+asyncpg", "")
    query = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        yield lambda: int(sql(server, query)[0][0])
        connection.commit()
