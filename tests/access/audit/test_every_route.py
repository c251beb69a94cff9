"""Every route that changes something writes an entry of the audit log, also for an admin."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from eth_account import Account
from fastapi import FastAPI
from starlette.routing import Route

from app.standalone.mlflow import ChildMLflow
from tests.access.audit.reading import unused
from tests.support.attesting import CONTRIBUTOR
from tests.support.benchmarks import benchmark_request, commitment
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.minting import TokenMarket, attest, sign_typed
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.tab import FORM, Tab
from tests.support.training import Training
from tests.support.wallet import Wallet

SIGNER = Account.from_key(bytes([9]) * 32)

# Requests that change nothing.
READING = {("POST", "/api/attestations/verify"), ("POST", "/api/auth/message")}


class Walk:
    """Sends requests, each of which has to leave an entry with its id in the audit log."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.walked: set[tuple[str, str]] = set()

    def __call__(
        self,
        client: httpx.Client | Tab,
        method: str,
        route: str,
        /,
        path: tuple[str | int, ...] = (),
        **options: Any,
    ) -> Any:
        """Send a request. route: as the gateway names it. path: the values of its parameters."""
        url = route
        for value in path:
            start, end = url.index("{"), url.index("}")
            url = f"{url[:start]}{value}{url[end + 1 :]}"
        response = client.request(method, url, **options)
        assert response.status_code < 400, (method, url, response.text)
        found = sql(
            self.gateway,
            "SELECT action FROM audit_events WHERE request_id = %s",
            response.headers["x-request-id"],
        )
        assert found, f"{method} {route} has left no entry in the audit log"
        self.walked.add((method, route))
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.json() if is_json and response.content else None


@pytest.fixture(scope="module")
def gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    settings: dict[str, Any] = {"mint_signers": (SIGNER.address.lower(),), "mint_signatures": 2}
    with RunningGateway(new_database(), mlflow_server.url, **settings) as running:
        yield running


def test_every_route_that_changes_something_writes_an_entry(gateway: RunningGateway) -> None:
    api = gateway.app.api
    assert isinstance(api, FastAPI)
    changing = {
        (method, route.path)
        for route in api.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"GET", "HEAD"}
    }
    assert len(changing) > 50
    walk = Walk(gateway)
    for part in (_keys_and_tenants, _sessions, _registrations, _tokens_and_mints, _pages):
        part(gateway, walk)
    assert walk.walked == changing - READING


def _keys_and_tenants(gateway: RunningGateway, walk: Walk) -> None:
    tenant = unused()
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin:
        walk(admin, "POST", "/api/admin/tenants", json={"name": tenant})
        name = {"name": "n", "tenant": tenant}
        key = walk(admin, "POST", "/api/admin/keys", json=name)["id"]
        one = "/api/admin/keys/{key_id}"
        walk(admin, "PATCH", one, (key,), json={"rate_limit": 7})
        new = walk(admin, "POST", f"{one}/rotate", (key,))["id"]
        walk(admin, "DELETE", one, (new,))
        walk(admin, "PATCH", "/api/admin/tenants/{name}/quotas", (tenant,), json={"models": 1})
        walk(admin, "PATCH", "/api/admin/tenants/{name}", (tenant,), json={"disabled": True})
        walk(admin, "PATCH", "/api/admin/tenants/{name}", (tenant,), json={"disabled": False})
        own = walk(admin, "POST", "/api/keys", json={"name": "n"})["id"]
        own = walk(admin, "POST", "/api/keys/{key_id}/rotate", (own,))["id"]
        walk(admin, "DELETE", "/api/keys/{key_id}", (own,))
    wallet = Wallet()
    with gateway.client() as client:
        issued = walk(client, "POST", "/api/auth/token", headers=wallet.headers())
        bearer = {"Authorization": f"Bearer {issued['access_token']}"}
        walk(client, "DELETE", "/api/auth/tokens", headers=bearer)
        good(client.post("/api/keys", json={"name": "n"}, headers=wallet.headers()), 201)
        walk(client, "DELETE", "/api/keys", headers=wallet.headers())


def _sessions(gateway: RunningGateway, walk: Walk) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    one = "/api/auth/sessions/{session_id}"
    acting = "/api/auth/sessions/current/admin"
    with Tab(gateway) as tab, Tab(gateway) as other:
        other.sign_in(key)
        walk(tab, "POST", "/api/auth/sign-in", json={"key": key})
        walk(tab, "POST", acting, json={"key": key})
        walk(tab, "DELETE", acting)
        walk(tab, "DELETE", one, (good(other.get("/api/auth/whoami"))["session"],))
        walk(tab, "DELETE", "/api/auth/sessions")


def _registrations(gateway: RunningGateway, walk: Walk) -> None:
    with TokenMarket(gateway) as market:
        admin = market.admin
        tenant = good(admin.get("/api/auth/whoami"))["tenant"]
        own = Training(admin, tenant)
        body: dict[str, Any] = {"run_id": own.run(accuracy=0.85), "model_type": "c"}
        baseline = walk(admin, "POST", "/api/models/baseline", json=body)["model_id"]
        read = "UPDATE model_files SET due_at = NULL, seconds = 9 WHERE model_id = %s"
        sql(gateway, read, baseline)
        walk(admin, "POST", "/api/models/{model_id}/files/read", (baseline,))
        # The reading waits now.
        sql(gateway, "UPDATE model_files SET seconds = 9 WHERE model_id = %s", baseline)
        walk(admin, "POST", "/api/models/{model_id}/files/read", (baseline,))
        data = {"contributor": CONTRIBUTOR, "data_size": 5, "data_hash": "ab" * 32}
        body = {
            "run_id": own.run(accuracy=0.88),
            "baseline_model_id": baseline,
            "data_contribution": data,
        }
        improved = walk(admin, "POST", "/api/models/improved", json=body)["model_id"]
        body = {"model_id": improved}
        digest = walk(admin, "POST", "/api/attestations", json=body)["hash"]
        walk(admin, "POST", "/api/attestations/{digest}/revoke", (digest,), json={"reason": "x"})
        walk(admin, "POST", "/api/models/{model_id}/withdraw", (baseline,), json={"reason": "x"})

        benchmarks = "/api/benchmarks"
        benchmark = walk(admin, "POST", benchmarks, json=benchmark_request())["benchmark_id"]
        model = market.improve(own, baseline_model_id=market.model_id)
        walk(
            admin,
            "POST",
            "/api/benchmarks/{benchmark_id}/predictions",
            (benchmark,),
            json={"model_id": model["model_id"], "commitment": commitment()},
        )
        walk(admin, "POST", "/api/benchmarks/{benchmark_id}/release-labels", (benchmark,))


def _tokens_and_mints(gateway: RunningGateway, walk: Walk) -> None:
    with TokenMarket(gateway) as market, gateway.client(gateway.key()) as nobody:
        admin = market.admin
        own = Training(admin, good(admin.get("/api/auth/whoami"))["tenant"])
        symbol = f"W-{secrets.token_hex(4).upper()}"
        token, number = "/api/admin/tokens/{token_id}", {"chain_model_id": "123456"}
        walk(admin, "PUT", token, (symbol,), json={"tenant": own.tenant})
        walk(admin, "PUT", f"{token}/model-number", (symbol,), json=number)
        body = {
            "model_uri": f"runs:/{own.run(accuracy=0.85)}/model",
            "model_name": symbol,
            "token_id": symbol,
            "metric_name": "accuracy",
            "baseline_value": 0.5,
        }
        walk(admin, "POST", "/api/models/tokenized", json=body)
        version = own.versions(f"name = '{symbol}'")
        event: dict[str, Any] = {
            "version": version[0]["version"],
            "model_name": symbol,
            "token_id": symbol,
        }
        good(
            admin.post(
                f"/api/models/{own.models(token=symbol)[0]['model_id']}/withdraw",
                json={"reason": "registered anew"},
            )
        )
        event |= {"metric_name": "accuracy", "baseline_value": 0.5}
        walk(admin, "POST", "/api/models/tokenized-registration-events", json=event)
        approval = {"token_id": symbol, "contributor": CONTRIBUTOR}
        approved = walk(admin, "POST", "/api/mint-approvals", json=approval)["id"]
        walk(admin, "POST", "/api/mint-approvals/{approval_id}/withdraw", (approved,))
        walk(admin, "DELETE", f"{token}/model-number", (symbol,))
        walk(admin, "DELETE", token, (symbol,))

        good(market.approve(contributor=CONTRIBUTOR), 201)
        digest = attest(own, market.improve(own)["model_id"])["hash"]
        mint = walk(admin, "POST", "/api/attestations/{digest}/mint-request", (digest,))
        signature = {"signature": sign_typed(SIGNER, mint["typed_data"])}
        signatures = "/api/mint-requests/{number}/signatures"
        walk(admin, "POST", signatures, (mint["id"],), json=signature)
        assert nobody.get("/api/admin/audit").status_code == 403


def _pages(gateway: RunningGateway, walk: Walk) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    tenant = unused()

    def send(tab: Tab, route: str, *path: str, **fields: str) -> None:
        session = good(tab.get("/api/auth/whoami"))["session"]
        data = {"session": session, "name": "n", "sure": "on", **fields}
        walk(tab, "POST", route, path, headers=FORM, data=data)

    def newest(owner: str) -> str:
        query = "SELECT id FROM api_keys WHERE tenant = %s ORDER BY created_at DESC LIMIT 1"
        return str(sql(gateway, query, owner)[0][0])

    with Tab(gateway) as tab, Tab(gateway) as other:
        walk(tab, "POST", "/login", headers=FORM, data={"key": key})
        own = good(tab.get("/api/auth/whoami"))["tenant"]
        send(tab, "/account/admin", key=key)
        send(tab, "/admin/tenants", name=tenant)
        send(tab, "/admin/keys", tenant=tenant, days="30", **{"scope-read": "on"})
        send(tab, "/admin/keys/{key_id}/limit", newest(tenant), rate_limit="9")
        send(tab, "/admin/keys/{key_id}/rotate", newest(tenant), overlap="3600")
        send(tab, "/admin/keys/{key_id}/revoke", newest(tenant))
        send(tab, "/admin/tenants/{name}/quotas", tenant, models="3")
        send(tab, "/admin/tenants/{name}/disable", tenant)
        send(tab, "/admin/tenants/{name}/enable", tenant)
        send(tab, "/account/keys", days="30", **{"scope-read": "on"})
        send(tab, "/account/keys/{key_id}/rotate", newest(own), overlap="3600")
        send(tab, "/account/keys/{key_id}/revoke", newest(own))
        other.sign_in(key)
        session = str(good(other.get("/api/auth/whoami"))["session"])
        send(tab, "/account/sessions/{session_id}/end", session)
        other.sign_in(key)
        send(tab, "/account/sessions/end-others")
        send(tab, "/account/admin/end")
        with gateway.client(key) as client:
            own_training = Training(client, own)
            digest = attest(own_training, own_training.baseline(accuracy=0.8)["model_id"])["hash"]
        send(tab, "/attestations/{digest}/revoke", digest, reason="x")
        send(tab, "/logout")
