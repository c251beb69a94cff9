"""One registration makes one version in MLflow and one record, also when processes are killed."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.metrics import Scrape
from tests.support.redis import free_port
from tests.support.sql import sql
from tests.support.stalling_proxy import StallingProxy, Stop
from tests.support.training import Training
from tests.support.waiting import wait_until

# Seconds after which another gateway takes over a registration.
LEASE = 2.0


@pytest.fixture(scope="module")
def second(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """The gateway that remains when the first one is killed. It reaches MLflow directly."""
    settings = {"registration_lease": LEASE, "metrics_port": free_port()}
    with RunningGateway(new_database(), mlflow_server.url, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(mlflow_server: ChildMLflow) -> Iterator[StallingProxy]:
    with StallingProxy(mlflow_server.url) as running:
        yield running


@pytest.fixture
def first(second: RunningGateway, proxy: StallingProxy, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway process with the same database, whose requests to MLflow can be stalled."""
    settings = second.settings
    assert settings.database_url is not None
    assert settings.key_pepper is not None
    assert settings.attestor_key is not None
    with GatewayProcess(
        tmp_path,
        free_port(),
        database_url=settings.database_url.get_secret_value(),
        mlflow_url=proxy.url,
        key_pepper=settings.key_pepper.get_secret_value(),
        attestor_key=settings.attestor_key.get_secret_value(),
        # So long that its own reconciler does nothing: a killed gateway has none.
        registration_lease="60",
    ) as running:
        yield running


@pytest.fixture
def training(second: RunningGateway) -> Iterator[Training]:
    with Training.of(second) as made:
        yield made


def send(training: Training, gateway: GatewayProcess, kind: str, body: dict[str, Any]) -> None:
    """POST a registration to the first gateway, in a thread; it gets no response."""

    def post() -> None:
        headers = {"Authorization": training.client.headers["Authorization"]}
        with pytest.raises(httpx.HTTPError):
            httpx.post(
                f"{gateway.url}/api/models/{kind}",
                json=body,
                headers=headers,
                timeout=60,
                trust_env=False,
            )

    threading.Thread(target=post, daemon=True).start()


def end_lease(gateway: RunningGateway) -> None:
    """Make the lease of the killed gateway expire."""
    sql(gateway, "update idempotent_requests set lease_until = now() where lease_until is not null")


def assert_once(training: Training, kind: str, body: dict[str, Any]) -> None:
    """There is one version and one record, which a repetition of the request gets."""
    wait_until(lambda: len(training.models(tenant=training.tenant)) == 1)
    model = training.models(tenant=training.tenant)[0]
    again = training.register(kind, **body)
    assert again.status_code == 201, again.text
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["model_id"] == model["model_id"]
    assert len(training.models(tenant=training.tenant)) == 1
    versions = training.versions()
    assert [(one["name"], one["version"]) for one in versions] == [
        (model["mlflow_name"], model["mlflow_version"])
    ]
    tags = {tag["key"]: tag["value"] for tag in versions[0]["tags"]}
    assert tags["hokusai.model_id"] == model["model_id"]


STEPS: list[tuple[Stop, str]] = [
    ("before", "registered-models/create"),
    ("after", "registered-models/create"),
    ("before", "model-versions/create"),
    ("after", "model-versions/create"),
]


@pytest.mark.parametrize(("stop", "route"), STEPS)
def test_a_gateway_is_killed_while_it_calls_mlflow(
    stop: Stop,
    route: str,
    first: GatewayProcess,
    second: RunningGateway,
    proxy: StallingProxy,
    training: Training,
) -> None:
    body = {"run_id": training.run(accuracy=0.5), "model_type": "c"}
    proxy.stall(stop, route)
    send(training, first, "baseline", body)
    assert proxy.held.wait(60)
    first.kill()
    assert training.models(tenant=training.tenant) == []
    end_lease(second)
    wait_until(lambda: len(training.models(tenant=training.tenant)) == 1)
    # The killed gateway's request reaches MLflow late, and creates a second version.
    proxy.release()
    assert proxy.done.wait(60)
    wait_until(lambda: not sql(second, "select 1 from registrations"))
    assert_once(training, "baseline", body)


def test_a_gateway_is_killed_before_it_stores_anything(
    first: GatewayProcess, second: RunningGateway, proxy: StallingProxy, training: Training
) -> None:
    body = {"run_id": training.run(accuracy=0.5), "model_type": "c"}
    proxy.stall("before", "runs/get")
    send(training, first, "baseline", body)
    assert proxy.held.wait(60)
    first.kill()
    proxy.release()
    assert not sql(second, "select 1 from registrations")
    assert training.register("baseline", **body).status_code == 201
    assert_once(training, "baseline", body)


@pytest.mark.parametrize("table", ["registrations", "models"])
def test_a_gateway_is_killed_in_a_transaction(
    table: str, first: GatewayProcess, second: RunningGateway, training: Training
) -> None:
    body = {"run_id": training.run(accuracy=0.5), "model_type": "c"}
    assert second.settings.database_url is not None
    url = second.settings.database_url.get_secret_value().replace("+asyncpg", "")
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"lock table {table} in exclusive mode")
            send(training, first, "baseline", body)
            wait_until(
                lambda: sql(
                    second,
                    "select 1 from pg_stat_activity where wait_event_type = 'Lock' "
                    "and query ilike %s and datname = current_database()",
                    f"insert into {table} %",
                )
            )
            first.kill()
    finally:
        connection.close()
    assert len(training.versions()) == (1 if table == "models" else 0)
    end_lease(second)
    if table == "registrations":
        # Nothing had been committed.
        wait_until(lambda: not sql(second, "select 1 from registrations"))
        assert training.register("baseline", **body).status_code == 201
    wait_until(lambda: not sql(second, "select 1 from registrations"))
    assert_once(training, "baseline", body)


def test_the_same_request_continues_what_a_killed_gateway_began(
    first: GatewayProcess, second: RunningGateway, proxy: StallingProxy, training: Training
) -> None:
    body = {"run_id": training.run(accuracy=0.5), "model_type": "c"}
    proxy.stall("after", "model-versions/create")
    send(training, first, "baseline", body)
    assert proxy.held.wait(60)
    first.kill()
    busy = training.register("baseline", **body)
    assert (busy.status_code, busy.json()["reason"]) == (409, "in_progress")
    assert int(busy.headers["retry-after"]) > 0
    other = training.register("baseline", key="k", **body)
    assert other.status_code == 201, "another key is another registration"
    end_lease(second)

    def sent_again() -> bool:
        response = training.register("baseline", **body)
        assert response.status_code in (201, 409), response.text
        return response.status_code == 201

    wait_until(sent_again)
    proxy.release()
    assert len(training.models(tenant=training.tenant)) == 2
    assert len(training.versions()) == 2


def test_one_registration_sent_fifty_times_at_once(
    second: RunningGateway, training: Training
) -> None:
    baseline = training.baseline(accuracy=0.5)
    body = {
        "run_id": training.run(accuracy=0.6),
        "baseline_model_id": baseline["model_id"],
        "contributor_address": "0x742d35Cc6634C0532925a3b844Bc9e7595f62341",
        "data_contribution": {"samples": 10, "data_hash": "ab"},
    }
    headers = {"Authorization": training.client.headers["Authorization"]}
    start = threading.Barrier(50)

    def post(_: int) -> list[httpx.Response]:
        """All responses, up to the first that does not ask to try again."""
        responses: list[httpx.Response] = []
        with httpx.Client(base_url=second.url, headers=headers, timeout=60) as client:
            start.wait()

            def is_final() -> bool:
                responses.append(client.post("/api/models/improved", json=body))
                if responses[-1].status_code not in (409, 503):
                    return True
                time.sleep(0.2)
                return False

            wait_until(is_final)
        return responses

    with ThreadPoolExecutor(50) as pool:
        sent = list(pool.map(post, range(50)))
    for responses in sent:
        for response in responses[:-1]:
            # There are few database connections, and on a busy machine none may be free in time.
            assert response.json()["reason"] in ("in_progress", "database_unavailable")
            assert int(response.headers["retry-after"]) > 0
    last = [responses[-1] for responses in sent]
    assert {response.status_code for response in last} == {201}, {
        response.text for response in last
    }
    assert len({response.content for response in last}) == 1
    assert sum("idempotent-replayed" not in response.headers for response in last) == 1
    model = last[0].json()
    # The baseline's, and one more.
    assert len(training.versions(f"name = '{baseline['mlflow_name']}'")) == 2
    assert [one["model_id"] for one in training.models(tenant=training.tenant)] == [
        model["model_id"],
        baseline["model_id"],
    ]
    assert sql(second, "select count(*) from contributions") == [(1,)]


def test_a_version_whose_response_was_lost_is_found(
    second: RunningGateway, mlflow_server: ChildMLflow, training: Training
) -> None:
    assert second.settings.database_url is not None
    url = second.settings.database_url.get_secret_value()
    body = {"run_id": training.run(a=1), "model_type": "c"}
    with (
        StallingProxy(mlflow_server.url) as proxy,
        RunningGateway(url, proxy.url, upstream_read_timeout=3, registration_lease=10) as third,
        third.client(training.client.headers["Authorization"].removeprefix("Bearer ")) as client,
    ):
        proxy.stall("after", "model-versions/create")
        response = client.post("/api/models/baseline", json=body)
        proxy.release()
    assert response.status_code == 201, response.text
    assert "idempotent-replayed" not in response.headers
    assert_once(training, "baseline", body)


def test_a_registration_that_mlflow_refuses_leaves_nothing(
    second: RunningGateway, mlflow_server: ChildMLflow, training: Training
) -> None:
    """A logged model is deleted after it was looked up and before it is registered."""
    assert second.settings.database_url is not None
    url = second.settings.database_url.get_secret_value()
    logged = training.mlflow("logged-models", experiment_id="0", name="m")["model"]["info"]
    body: dict[str, Any] = {
        "model_uri": f"models:/{logged['model_id']}",
        "model_name": "REFUSED",
        "token_id": f"refused-{training.tenant}",
        "metric_name": "a",
        "baseline_value": 1,
    }
    with (
        StallingProxy(mlflow_server.url) as proxy,
        RunningGateway(url, proxy.url, registration_lease=LEASE) as third,
        third.client(training.client.headers["Authorization"].removeprefix("Bearer ")) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        proxy.stall("before", "model-versions/create")
        sent = pool.submit(client.post, "/api/models/tokenized", json=body)
        assert proxy.held.wait(60)
        gone = training.client.request(
            "DELETE", f"/api/mlflow/api/2.0/mlflow/logged-models/{logged['model_id']}"
        )
        assert gone.status_code == 200, gone.text
        proxy.release()
        response = sent.result()
    assert response.status_code in (404, 502), response.text
    wait_until(lambda: not sql(second, "select 1 from registrations"))
    assert training.register("tokenized", **body).status_code == 404
    assert training.versions() == []
    assert training.models(tenant=training.tenant) == []
    assert not sql(second, "select 1 from tokens where tenant = %s", training.tenant)


@contextmanager
def failing_models(gateway: RunningGateway, model_type: str) -> Iterator[None]:
    """Make the database fail for models of a type, as a fault of the gateway's own would."""
    sql(
        gateway,
        f"""
        create function fail() returns trigger language plpgsql as $$ begin
            if new.model_type = '{model_type}' then raise exception 'a lasting fault'; end if;
            return new;
        end $$;
        create trigger fail before insert on models for each row execute function fail()
        """,
    )
    try:
        yield
    finally:
        sql(gateway, "drop trigger fail on models; drop function fail()")


def test_a_registration_that_fails_lastingly_is_given_up(
    second: RunningGateway, training: Training
) -> None:
    body = {"run_id": training.run(accuracy=0.5), "model_type": "doomed", "name": "doomed"}
    with failing_models(second, "doomed"):
        assert training.register("baseline", **body).status_code == 500
        wait_until(lambda: sql(second, "select 1 from registrations where given_up_at is not null"))
        # The version that it had created in MLflow is deleted.
        wait_until(lambda: not training.versions("name = 'doomed'"))
        wait_until(lambda: not sql(second, "select 1 from registrations where settle_at > 'epoch'"))
    refusal = training.register("baseline", **body)
    assert refusal.status_code == 409, refusal.text
    assert refusal.json()["reason"] == "registration_given_up"
    assert "a lasting fault" not in refusal.text
    ((details,),) = sql(
        second,
        "select details from audit_events where action = 'model.registration_given_up'",
    )
    assert "internal error" in details["reason"]
    port = second.settings.metrics_port
    outcome = {"kind": "baseline", "outcome": "given_up"}
    assert Scrape.of(port).value("hokusai_registrations_total", **outcome) == 1
    wait_until(lambda: Scrape.of(port).value("hokusai_reconciler_backlog") == 0)
    again = training.register("baseline", key="another", **body)
    assert again.status_code == 201, again.text


def test_an_adopted_version_is_not_deleted_when_its_registration_is_given_up(
    second: RunningGateway, training: Training
) -> None:
    run = training.run(accuracy=0.5)
    training.mlflow("registered-models/create", name="kept")
    training.mlflow("model-versions/create", name="kept", source=f"runs:/{run}/model", run_id=run)
    body = {"model_uri": "models:/kept/1", "model_type": "doomed too"}
    given_up = "select 1 from registrations where given_up_at is not null and tenant = %s"
    with failing_models(second, "doomed too"):
        assert training.register("baseline", **body).status_code == 500
        wait_until(lambda: sql(second, given_up, training.tenant))
        wait_until(lambda: not sql(second, "select 1 from registrations where settle_at > 'epoch'"))
    assert len(training.versions("name = 'kept'")) == 1
    again = training.register("baseline", key="another", **body)
    assert again.status_code == 201, again.text
