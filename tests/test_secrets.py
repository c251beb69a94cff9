"""Canaries: secrets that can be recognised are sent everywhere, and must turn up nowhere.

What a caller writes into MLflow's own records, such as the name of a run, is the caller's and not
looked at. The gateway's records, its answers and its logs are.
"""

import base64
import re
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from app.access.identity.key_format import new_key, new_token
from app.standalone.mlflow import ChildMLflow
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.gateway import RunningGateway
from tests.support.redis import RunningRedis
from tests.support.responses import refused
from tests.support.serve_process import ServeProcess
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

RUNS = "/api/mlflow/api/2.0/mlflow/runs/get"
CREATE = "/api/mlflow/api/2.0/mlflow/experiments/create"
ARTIFACTS = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Stage:
    """A gateway as it is served, whose every secret is a canary."""

    serving: ServeProcess
    client: httpx.Client
    canaries: dict[str, str]
    database: str
    seen: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, and keep all that comes back."""
        answer = self.client.request(method, path, **options)
        self.seen.append(f"{method} {answer.status_code} {answer.headers!r} {answer.text}")
        return answer

    def issue(self, path: str, **options: Any) -> dict[str, Any]:
        """Send a request whose answer is where a secret has to be shown, this once."""
        document: dict[str, Any] = self.client.post(path, **options).raise_for_status().json()
        return document


@pytest.fixture(params=["json", "console"])
def stage(
    request: pytest.FixtureRequest,
    postgres: EmbeddedPostgreSQL,
    mlflow_server: ChildMLflow,
    new_database: Callable[[], str],
    tmp_path: Path,
) -> Iterator[Stage]:
    role = f"canary_{request.param}"
    canaries = {
        name: f"canary{secrets.token_hex(12)}"
        for name in ("pepper", "retired", "postgres", "redis", "mlflow")
    }
    url = re.sub("//.*?@", f"//{role}:{canaries['postgres']}@", new_database())
    superuser = postgres.url("postgres")
    run(superuser, f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{canaries['postgres']}'")
    with (
        ExitStack() as stack,
        RunningRedis(tmp_path, canaries["redis"]) as redis,
        ServeProcess(
            tmp_path / "data",
            log_format=request.param,
            log_level="debug",
            access_log="all",
            database_url=url,
            mlflow_url=mlflow_server.url,
            mlflow_authorization=f"Bearer {canaries['mlflow']}",
            redis_url=redis.url,
            key_pepper=canaries["pepper"],
            retired_peppers=canaries["retired"],
        ) as serving,
    ):
        serving.wait_for_status("/readyz", 200)
        client = stack.enter_context(
            httpx.Client(base_url=serving.url, trust_env=False, timeout=60)
        )
        stage = Stage(serving, client, canaries, url)
        yield stage
        redis.kill()
        stage.ask("GET", "/api/limits")
        # The database refuses the gateway's login for a while.
        run(superuser, f"ALTER ROLE {role} PASSWORD 'another'")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
        run(superuser, ended, role)
        wait_until(lambda: stage.ask("GET", "/api/auth/nonce").status_code == 503)
        run(superuser, f"ALTER ROLE {role} PASSWORD '{canaries['postgres']}'")
        wait_until(lambda: stage.ask("GET", "/api/auth/nonce").status_code == 200)
        check_metrics(stage)
        assert serving.stop(signal.SIGTERM) == 0
        check(stage, mlflow_database=postgres.url("mlflow"))


def run(url: str, statement: str, *values: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
    connection.close()


def check_metrics(stage: Stage) -> None:
    headers = {"Authorization": f"Bearer {stage.canaries['admin']}"}
    assert stage.ask("GET", "/metrics", headers=headers).status_code == 200


def check(stage: Stage, mlflow_database: str) -> None:
    """Search for every canary in everything."""
    places = {
        "an answer": "\n".join(stage.seen),
        # What is printed at start names the admin's key, once.
        "the log": stage.serving.output.replace(stage.canaries["admin"], "", 1),
        "the gateway's database": dump(stage.database),
        "MLflow's database": dump(mlflow_database),
    }
    assert "key.created" in places["the gateway's database"]
    assert "request" in places["the log"]
    for place, text in places.items():
        for name, canary in stage.canaries.items():
            at = text.find(canary)
            assert at < 0, f"{name} is in {place}: {text[max(0, at - 300) : at + 100]}"


def dump(url: str) -> str:
    """Every row of every table as text, with binary columns as text too."""
    connection = psycopg2.connect(url)
    rows: list[str] = []
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            rows += [row for (row,) in cursor.fetchall()]
    connection.close()
    text = "\n".join(rows)
    found = re.findall(r"\\\\?x([0-9a-f]{2,})", text)
    return text + "\n".join(bytes.fromhex(f[: len(f) // 2 * 2]).decode("latin-1") for f in found)


def headers_with(secret: str) -> list[dict[str, str]]:
    basic = base64.b64encode(f"any:{secret}".encode()).decode()
    return [
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": f"ApiKey {secret}"},
        {"Authorization": f"Basic {basic}"},
        {"Authorization": secret},
        {"Authorization": f"Digest {secret}"},
        {"X-API-Key": secret},
        {"X-API-Key": f"{secret} x"},
        {"X-API-Key": secret[:-1]},
        {"Authorization": f"Bearer {secret}", "X-API-Key": secret},
        {"X-ETH-Address": secret, "X-ETH-Message": secret, "X-ETH-Signature": secret},
        {f"X-{secret}".replace("_", "-"): "a"},
        {f"X-{secret}": "a"},
    ]


def everywhere(secret: str) -> list[dict[str, str]]:
    """Headers that are not for credentials, and are written down or passed on."""
    return [
        {name: secret}
        for name in (
            "X-Request-ID",
            "User-Agent",
            "Referer",
            "Cookie",
            "Origin",
            "X-Forwarded-For",
            "traceparent",
            "Accept",
            "Content-Type",
            "X-MLFLOW-WORKSPACE",
            "Idempotency-Key",
        )
    ]


def test_no_secret_turns_up_anywhere(stage: Stage) -> None:
    """The fixture searches for the canaries, after this has sent them all over the place."""
    admin = stage.serving.admin_key
    as_admin = {"Authorization": f"Bearer {admin}"}
    own = stage.issue("/api/admin/keys", headers=as_admin, json={"name": "a", "tenant": "c"})
    key: str = own["key"]
    wallet = Wallet()
    token: str = stage.issue("/api/auth/token", headers=wallet.headers())["access_token"]
    bad = {"unknown": new_key(), "no token": new_token(), "mistyped": key[:-1] + "!"}
    stage.canaries |= {"admin": admin, "key": key, "token": token, **bad}

    for secret in (key, token, *bad.values()):
        for headers in headers_with(secret):
            stage.ask("GET", "/api/auth/whoami", headers=headers)
            stage.ask("GET", RUNS, headers=headers)
            stage.ask("POST", CREATE, headers=headers, json={"name": "by a canary"})
        for headers in everywhere(secret):
            stage.ask("GET", "/api/limits", headers=headers)
            stage.ask("GET", RUNS, headers=as_admin | headers)
            stage.ask("POST", "/api/keys", headers=as_admin | headers, json={"name": "b"})
    for secret in (key, token, bad["unknown"], bad["no token"]):
        put_into_requests(stage, secret, as_admin)

    signed = wallet.headers()
    stage.canaries["signature"] = signed["X-ETH-Signature"]
    stage.ask("GET", "/api/auth/whoami", headers=signed)
    stage.ask("POST", CREATE, headers=signed, json={"name": "signed"})
    assert stage.ask("POST", CREATE, headers=signed, json={"name": "again"}).status_code == 401
    stage.ask("GET", RUNS, headers=signed | {"X-Request-ID": signed["X-ETH-Signature"]})
    stage.ask("GET", RUNS, headers=signed | {"X-ETH-Address": Wallet().address})
    proof = {"message": "not SIWE", "signature": signed["X-ETH-Signature"]}
    assert stage.ask("POST", "/api/auth/token", json=proof).status_code == 401
    assert stage.ask("POST", "/api/auth/token", json=proof | {"more": 1}).status_code == 422
    siwe = wallet.siwe("other.example", "0" * 24)
    stage.canaries["signature of a message"] = siwe["signature"]
    assert stage.ask("POST", "/api/auth/token", json=siwe).status_code == 401


def put_into_requests(stage: Stage, secret: str, as_admin: dict[str, str]) -> None:
    """A secret in paths, queries and bodies, of a caller and of a stranger."""
    for headers in (as_admin, {}):
        for path in (
            f"/{secret}",
            f"/api/keys/{secret}/rotate",
            f"/api/mlflow/{secret}",
            f"/api/mlflow/api/2.0/mlflow/{secret}",
            f"{ARTIFACTS}/{secret}",
            f"{ARTIFACTS}?path={secret}",
            f"{RUNS}?run_id={secret}",
            f"{RUNS}?{secret}=a",
            f"/api/keys?cursor={secret}",
            f"/api/keys?limit={secret}",
            f"/api/admin/keys?tenant={secret}",
            f"/api/admin/audit?actor={secret}&since={secret}",
            f"/livez?api_key={secret}",
        ):
            stage.ask("GET", path, headers=headers)
            stage.ask("DELETE", path, headers=headers)
        for path in ("/api/keys", "/api/admin/keys", "/api/admin/tenants", "/api/auth/token"):
            for body in (
                {"name": secret, "tenant": "c"},
                {"name": "a", "tenant": secret},
                {"name": "a", secret: secret},
                {"name": "a", "tenant": "c", "scopes": [secret]},
                {"name": "a", "tenant": "c", "allowed_networks": [secret]},
                {"message": secret, "signature": secret},
                secret,
            ):
                stage.ask("POST", path, headers=headers, json=body)
            stage.ask("POST", path, headers=headers, content=f'{{"name": "{secret}')
        stage.ask("POST", CREATE, headers=headers, json={"name": "a", "artifact_location": secret})
        stage.ask("POST", CREATE, headers=headers, content=f'{{"name": "{secret}')


def test_a_request_id_that_holds_a_key_is_replaced(gateway: RunningGateway) -> None:
    key = gateway.key()
    for given in (key, f"id-{key}"[:64], new_token()):
        with gateway.client(key) as client:
            answer = client.get("/api/limits", headers={"X-Request-ID": given})
        assert answer.status_code == 200
        assert "hk_" not in answer.headers["x-request-id"]


def test_a_key_is_no_name(gateway: RunningGateway) -> None:
    key = gateway.key()
    with gateway.client(key) as client:
        answer = client.post("/api/keys", json={"name": f"my {key}"})
    problem = refused(answer, 422, "validation_failed")
    assert problem["problems"] == [
        {
            "where": "body.name",
            "problem": "must not contain an API key or token, which would be stored in clear",
        }
    ]
