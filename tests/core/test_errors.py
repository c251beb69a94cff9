"""Every error response of the gateway, provoked by a real request.

Each case provokes one subclass of GatewayError, from the edge to MLflow. All responses must have
the same form; and where MLflow's own client can provoke the error, it must raise it readably.

Longer than most files here: one case for each error, in one table, so that none is forgotten.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest import mock

import httpx
import pytest
from eth_account import Account
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.store.model_registry.rest_store import RestStore as Registry
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from pydantic import SecretStr

from app.access.identity import key_listing
from app.access.identity.key_format import new_key, new_link, new_session, new_token
from app.access.tenants.workspaces import Workspaces
from app.control_plane.model_files.queue import ReadingQueue
from app.control_plane.registry.registration_store import GIVEN_UP
from app.core import errors
from app.core.errors import GatewayError, render
from app.core.request.principal import Scope
from app.edge.documents import Documents
from app.standalone.mlflow import ChildMLflow
from tests.support.benchmarks import commit, counts, new_benchmark, register_improved
from tests.support.ethereum_node import REGISTRY, VERIFIER, StandInNode, ethereum_node
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.minting import TokenMarket, mint, sign_typed
from tests.support.raw_http import RawConnection, RawResponse, request, send_raw
from tests.support.redis import free_port
from tests.support.responses import good
from tests.support.scripted_upstream import OK, Script, UpstreamConnection, scripted_upstream
from tests.support.sql import sql
from tests.support.tab import Tab
from tests.support.training import Training
from tests.support.wallet import Wallet

SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
VERIFY = "/api/attestations/verify"
CREATE = "/api/mlflow/api/2.0/mlflow/experiments/create"
GIVER = f"0x{'5a' * 20}"
# Conflicts that end by themselves.
WAITING = {errors.InProgressError, errors.FilesPendingError}
# Classes of which only subclasses are raised.
FAMILIES = {errors.BadRequestError, errors.UnavailableError}


@dataclass
class Met:
    """A provoked error: the response, and a call of MLflow's client that provokes it as well."""

    answer: RawResponse
    client: Callable[[], object] | None = None
    # If they differ from those of the class.
    status: int | None = None
    code: str | None = None


class Gateways:
    """The gateways of the cases: a shared one, and others that a case starts with its settings."""

    def __init__(
        self,
        gateway: RunningGateway,
        new_database: Callable[[], str],
        monkeypatch: pytest.MonkeyPatch,
        stack: ExitStack,
    ) -> None:
        self.shared = gateway
        self.monkeypatch = monkeypatch
        self._new_database = new_database
        self._stack = stack

    def start(self, mlflow_url: str | None = None, **settings: Any) -> RunningGateway:
        """A gateway with other settings, until the end of the test."""
        database = settings.pop("database", None) or self._new_database()
        url = mlflow_url or self.shared.settings.mlflow_url
        assert url is not None
        return self._stack.enter_context(RunningGateway(database, url, **settings))

    def behind(self, script: Script, **settings: Any) -> Met:
        """The error of a search, with a scripted MLflow behind the gateway."""

        async def meet() -> Met:
            async with scripted_upstream(script) as upstream:
                scheme = settings.pop("scheme", "http")
                url = f"{scheme}://127.0.0.1:{upstream.port}"
                options = {"tenancy": "shared", **settings}
                with RunningGateway(self._new_database(), url, **options) as gateway:
                    key = await asyncio.to_thread(gateway.key)
                    answer = await asyncio.to_thread(get, gateway, SEARCH, bearer(key))
                    await asyncio.to_thread(raised, client(gateway, key), answer)
                    return Met(answer)

        return asyncio.run(meet())


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def send(gateway: RunningGateway, method: str, path: str, **options: Any) -> RawResponse:
    with gateway.client() as http:
        answer = http.request(method, path, **options)
    return RawResponse(answer.status_code, dict(answer.headers), answer.content)


def get(gateway: RunningGateway, path: str, headers: dict[str, str] | None = None) -> RawResponse:
    return send(gateway, "GET", path, headers=headers)


def client(
    gateway: RunningGateway, key: str | None, path: str = "/api/mlflow"
) -> Callable[[], object]:
    """A search by MLflow's own client."""
    return lambda: store(gateway, key, path).search_experiments(max_results=1)


def creds(gateway: RunningGateway, key: str | None, path: str = "/api/mlflow") -> MlflowHostCreds:
    return MlflowHostCreds(host=gateway.url + path, token=key)


def store(gateway: RunningGateway, key: str | None, path: str = "/api/mlflow") -> RestStore:
    return RestStore(lambda: creds(gateway, key, path))


# MLflow's client retries these, and its exception then has only the status.
REPEATED = {408, 429, 500, 502, 503, 504}


def raised(call: Callable[[], object], answer: RawResponse) -> None:
    """MLflow's client raises this error with the gateway's error_code and message."""
    with pytest.raises(MlflowException) as caught:
        call()
    if answer.status in REPEATED:
        assert f"too many {answer.status} error responses" in str(caught.value)
        return
    assert caught.value.error_code == answer.document["error_code"]
    assert answer.document["message"] in str(caught.value)


def met(answer: httpx.Response) -> Met:
    return Met(RawResponse(answer.status_code, dict(answer.headers), answer.content))


CASES: dict[type[GatewayError], Callable[[Gateways], Met]] = {}


def case(error: type[GatewayError]) -> Callable[[Callable[[Gateways], Met]], None]:
    def register(meet: Callable[[Gateways], Met]) -> None:
        assert error not in CASES
        CASES[error] = meet

    return register


# --- 4xx: the request is malformed or invalid ---


@case(errors.MalformedRequestError)
def _(gateways: Gateways) -> Met:
    return Met(send_raw(gateways.shared, request("GET /livez HTTP/1.1", "X_Y: a")))


@case(errors.AmbiguousCredentialsError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    return Met(get(gateways.shared, SEARCH, bearer(key) | {"X-API-Key": gateways.shared.key()}))


@case(errors.InvalidParameterError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    body = {"name": "a", "artifact_location": "file:///etc"}
    return Met(
        send(gateways.shared, "POST", CREATE, headers=bearer(key), json=body),
        lambda: store(gateways.shared, key).create_experiment("a", artifact_location="file:///etc"),
    )


@case(errors.UnprocessableError)
def _(gateways: Gateways) -> Met:
    return Met(
        send(gateways.shared, "POST", "/api/keys", headers=bearer(gateways.shared.key()), json={})
    )


@case(errors.ClaimDisagreesError)
def _(gateways: Gateways) -> Met:
    with gateways.shared.client(gateways.shared.key()) as http:
        trainer = Training(http)
        run_id = trainer.run(accuracy=0.5)
        answer = trainer.attest(improved_run_id=run_id, metrics={"accuracy": 0.9})
    return met(answer)


@case(errors.NotMintableError)
def _(gateways: Gateways) -> Met:
    with gateways.shared.client(gateways.shared.key()) as http:
        document = good(Training(http).attest(kind="claimed", metrics={"accuracy": 0.9}), 201)
        answer = http.post(f"/api/attestations/{document['hash']}/mint-request")
    return met(answer)


@case(errors.UnboundTokenError)
def _(gateways: Gateways) -> Met:
    with TokenMarket(gateways.shared, bound=False) as market:
        answer = mint(market.holder, market.attested(market.holder))
    return met(answer)


@case(errors.ApprovalMissingError)
def _(gateways: Gateways) -> Met:
    with TokenMarket(gateways.shared) as market, Training.of(gateways.shared) as improver:
        answer = mint(improver, market.attested(improver))
    return met(answer)


@case(errors.ChainUnavailableError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(rpc_url=SecretStr(f"http://127.0.0.1:{free_port()}"))
    with TokenMarket(gateway, bound=False) as market:
        answer = market.bind()
    return met(answer)


@case(errors.SmallImprovementError)
def _(gateways: Gateways) -> Met:
    with gateways.shared.client(gateways.shared.key()) as http:
        document = Training(http).improvement(before=0.5, after=0.501)
        answer = http.post(f"/api/attestations/{document['hash']}/mint-request")
    return met(answer)


@case(errors.AttestationRevokedError)
def _(gateways: Gateways) -> Met:
    with gateways.shared.client(gateways.shared.key()) as http:
        path = f"/api/attestations/{Training(http).improvement()['hash']}"
        good(http.post(f"{path}/revoke", json={"reason": "wrong test set"}))
        answer = http.get(f"{path}/bundle")
    return met(answer)


def files_in_state(gateways: Gateways, state: str, path: str) -> Met:
    """GET of a model's path, once its files are in a state that takes a background task."""
    with Training.of(gateways.shared) as training:
        model_id = training.baseline(accuracy=0.5)["model_id"]
        sql(gateways.shared, "update models set files = %s where model_id = %s", state, model_id)
        statement = "update model_files set reason = 'It is too large.' where model_id = %s"
        sql(gateways.shared, statement, model_id)
        answer = training.client.get(f"/api/models/{model_id}/{path}")
    return met(answer)


@case(errors.FilesDifferError)
def _(gateways: Gateways) -> Met:
    return files_in_state(gateways, "differs", "model.sig")


@case(errors.FilesChangedError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        model_id = training.baseline(accuracy=0.5)["model_id"]
        read = "update model_files set read = '[]', count = 0, witnessed_at = now()"
        sql(gateways.shared, f"{read} where model_id = %s", model_id)
        body = {"improved_model_id": model_id}
        answer = training.client.post("/api/attestations", json=body)
    return met(answer)


@case(errors.FilesNotWitnessedError)
def _(gateways: Gateways) -> Met:
    return files_in_state(gateways, "failed", "model.sig")


@case(errors.MintEvidenceMissingError)
def _(gateways: Gateways) -> Met:
    with TokenMarket(gateways.shared) as market:
        without = market.attested(market.holder, benchmark_id=None, evaluation=None)
        answer = mint(market.holder, without)
    return met(answer)


@case(errors.NotAcceptedError)
def _(gateways: Gateways) -> Met:
    few = {"successes": 85, "sample_size": 100}, {"successes": 88, "sample_size": 100}
    evaluation = dict(zip(("baseline", "improved"), few, strict=True))
    with TokenMarket(gateways.shared) as market:
        document = market.attested(
            market.holder, benchmark_id=market.benchmark(), evaluation=evaluation
        )
        answer = mint(market.holder, document)
    return met(answer)


@case(errors.UnknownSignerError)
def _(gateways: Gateways) -> Met:
    with TokenMarket(gateways.shared) as market:
        request = good(mint(market.holder, market.attested(market.holder)))
        answer = market.holder.client.post(
            f"/api/mint-requests/{request['id']}/signatures",
            json={"signature": sign_typed(Account.create(), request["typed_data"])},
        )
    return met(answer)


@case(errors.IncompleteMintRequestError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(mint_signers=(GIVER,), mint_signatures=2)
    with TokenMarket(gateway) as market:
        request = good(mint(market.holder, market.attested(market.holder)))
        answer = market.holder.client.get(f"/api/mint-requests/{request['id']}/message")
    return met(answer)


@case(errors.AttestorsDisagreeError)
def _(gateways: Gateways) -> Met:
    with ethereum_node(StandInNode()) as node:
        gateway = gateways.start(
            rpc_url=SecretStr(node.url), verifying_contract=VERIFIER, model_registry=REGISTRY
        )
        node.attestors = set()
        with TokenMarket(gateway, bound=False) as market:
            node.models[int(market.number)] = (GIVER, market.token_id)
            good(market.bind())
            answer = mint(market.holder, market.attested(market.holder))
    return met(answer)


@case(errors.OtherHeadError)
def _(gateways: Gateways) -> Met:
    with ethereum_node(StandInNode()) as node:
        gateway = gateways.start(
            rpc_url=SecretStr(node.url), verifying_contract=VERIFIER, model_registry=REGISTRY
        )
        with TokenMarket(gateway, bound=False) as market:
            node.models[int(market.number)] = (GIVER, market.token_id)
            node.genesis[int(market.number)] = "0x" + "12" * 32
            good(market.bind())
            answer = mint(market.holder, market.attested(market.holder))
    return met(answer)


@case(errors.ContractRefusesError)
def _(gateways: Gateways) -> Met:
    with ethereum_node(StandInNode()) as node:
        gateway = gateways.start(
            rpc_url=SecretStr(node.url), verifying_contract=VERIFIER, model_registry=REGISTRY
        )
        with TokenMarket(gateway, bound=False) as market:
            node.models[int(market.number)] = (GIVER, market.token_id)
            good(market.bind())
            attestation = market.attested(market.holder)
            weights = attestation["data"]["baseline"]["files"]["sha256_merkle_v1"]
            node.genesis[int(market.number)] = f"0x{weights}"
            node.paused = True
            answer = mint(market.holder, attestation)
    return met(answer)


@case(errors.MethodNotAllowedError)
def _(gateways: Gateways) -> Met:
    return Met(send(gateways.shared, "PUT", "/api/keys", headers=bearer(gateways.shared.key())))


@case(errors.BodyTooLargeError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    name = "a" * 3_000_000
    return Met(
        send(gateways.shared, "POST", CREATE, headers=bearer(key), json={"name": name}),
        lambda: store(gateways.shared, key).create_experiment(name),
    )


@case(errors.TargetTooLongError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    path = f"{SEARCH}&filter={'a' * 9000}"
    return Met(
        get(gateways.shared, path, bearer(key)),
        lambda: store(gateways.shared, key).get_experiment_by_name("a" * 9000),
    )


@case(errors.HeadersTooLargeError)
def _(gateways: Gateways) -> Met:
    key = "a" * 33_000
    return Met(get(gateways.shared, SEARCH, bearer(key)), client(gateways.shared, key))


@case(errors.SlowRequestError)
def _(gateways: Gateways) -> Met:
    impatient = gateways.start(body_timeout=0.2)
    key = f"Authorization: Bearer {impatient.key()}"
    return Met(send_raw(impatient, request("POST /api/keys HTTP/1.1", key, "Content-Length: 9")))


# --- 401, 403 ---


@case(errors.UnauthenticatedError)
def _(gateways: Gateways) -> Met:
    return Met(get(gateways.shared, SEARCH), client(gateways.shared, None))


@case(errors.InvalidKeyError)
def _(gateways: Gateways) -> Met:
    return Met(get(gateways.shared, SEARCH, bearer("wrong")), client(gateways.shared, "wrong"))


@case(errors.ExpiredKeyError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key("expired", expires_in_days=1)
    sql(
        gateways.shared,
        "update api_keys set expires_at = now() - interval '1 day' where tenant = 'expired'",
    )
    return Met(get(gateways.shared, SEARCH, bearer(key)), client(gateways.shared, key))


@case(errors.RevokedKeyError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key("revoked")
    sql(gateways.shared, "update api_keys set revoked_at = now() where tenant = 'revoked'")
    return Met(get(gateways.shared, SEARCH, bearer(key)), client(gateways.shared, key))


@case(errors.RotatedKeyError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    with gateways.shared.client(key) as http:
        own = http.get("/api/keys").json()["items"][0]["id"]
        http.post(f"/api/keys/{own}/rotate", json={"overlap_seconds": 0}).raise_for_status()
    return Met(get(gateways.shared, SEARCH, bearer(key)), client(gateways.shared, key))


@case(errors.InvalidTokenError)
def _(gateways: Gateways) -> Met:
    token = new_token()
    return Met(get(gateways.shared, SEARCH, bearer(token)), client(gateways.shared, token))


@case(errors.ExpiredTokenError)
def _(gateways: Gateways) -> Met:
    wallet = Wallet()
    with gateways.shared.client() as http:
        answer = http.post("/api/auth/token", headers=wallet.headers())
    token = answer.json()["access_token"]
    sql(
        gateways.shared,
        "update access_tokens set expires_at = now() - interval '1 day' where address = %s",
        wallet.address,
    )
    return Met(get(gateways.shared, SEARCH, bearer(token)), client(gateways.shared, token))


@case(errors.InvalidSignatureError)
def _(gateways: Gateways) -> Met:
    headers = Wallet().headers() | {"X-ETH-Address": Wallet().address}
    return Met(get(gateways.shared, SEARCH, headers))


def contracts_signature() -> dict[str, str]:
    return {**Wallet().headers(), "X-ETH-Signature": "00" * 130}


@case(errors.ContractWalletError)
def _(gateways: Gateways) -> Met:
    return Met(get(gateways.shared, SEARCH, contracts_signature()))


@case(errors.StaleSignatureError)
def _(gateways: Gateways) -> Met:
    return Met(get(gateways.shared, SEARCH, Wallet().headers(-3600)))


def own_page(gateway: RunningGateway, session: str | None = None) -> dict[str, str]:
    """The headers of a request that a page of the gateway makes. session: its secret."""
    cookie = {"Cookie": f"hokusai_session_{gateway.port}={session}"} if session else {}
    return {"Origin": gateway.url, **cookie}


@case(errors.TenantDisabledError)
def _(gateways: Gateways) -> Met:
    tenant = "disabled here"
    key = gateways.shared.key(tenant)
    with gateways.shared.client(gateways.shared.key(scopes=ALL_SCOPES)) as admin:
        good(admin.patch(f"/api/admin/tenants/{tenant}", json={"disabled": True}))
    return Met(get(gateways.shared, SEARCH, {"X-API-Key": key}))


@case(errors.SessionEndedError)
def _(gateways: Gateways) -> Met:
    headers = own_page(gateways.shared, new_session())
    return Met(get(gateways.shared, SEARCH, headers))


@case(errors.SessionChangedError)
def _(gateways: Gateways) -> Met:
    with Tab(gateways.shared) as tab:
        tab.sign_in(gateways.shared.key())
        headers = own_page(gateways.shared, tab.cookies[tab.cookie])
    form = {"session": "another", "name": "n"}
    return Met(send(gateways.shared, "POST", "/account/keys", headers=headers, data=form))


@case(errors.InvalidLinkError)
def _(gateways: Gateways) -> Met:
    headers, body = own_page(gateways.shared), {"link": new_link()}
    return Met(send(gateways.shared, "POST", "/api/auth/sign-in", headers=headers, json=body))


@case(errors.OtherOriginError)
def _(gateways: Gateways) -> Met:
    headers = own_page(gateways.shared, new_session())
    return Met(get(gateways.shared, SEARCH, {**headers, "Origin": "https://evil.example"}))


@case(errors.PlainHTTPError)
def _(gateways: Gateways) -> Met:
    headers = {"Host": "registry.example", "Origin": "http://registry.example"}
    body = {"key": gateways.shared.key()}
    return Met(send(gateways.shared, "POST", "/api/auth/sign-in", headers=headers, json=body))


@case(errors.SpentSignatureError)
def _(gateways: Gateways) -> Met:
    headers = Wallet().headers()
    first, second = (
        send(gateways.shared, "POST", CREATE, headers=headers, json={"name": name})
        for name in ("one", "two")
    )
    assert first.status == 200
    return Met(second)


@case(errors.PermissionDeniedError)
def _(gateways: Gateways) -> Met:
    body = {"name": "above", "scopes": ["admin"]}
    key = bearer(gateways.shared.key())
    return Met(send(gateways.shared, "POST", "/api/keys", headers=key, json=body))


@case(errors.MissingScopeError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key(scopes=[Scope.READ])
    return Met(
        send(gateways.shared, "POST", CREATE, headers=bearer(key), json={"name": "a"}),
        lambda: store(gateways.shared, key).create_experiment("a"),
    )


@case(errors.AddressNotAllowedError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key(allowed_networks=["203.0.113.0/24"])
    return Met(get(gateways.shared, SEARCH, bearer(key)), client(gateways.shared, key))


@case(errors.SignInDisabledError)
def _(gateways: Gateways) -> Met:
    everywhere = "0.0.0.0"  # noqa: S104 (it is never bound: what counts is that the setting says so)
    return Met(get(gateways.start(host=everywhere), "/api/auth/nonce"))


@case(errors.QuotaExceededError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(key_quota=1)
    body = {"name": "second"}
    return Met(send(gateway, "POST", "/api/keys", json=body, headers=bearer(gateway.key())))


# --- 404, 409 ---


@case(errors.NotFoundError)
def _(gateways: Gateways) -> Met:
    return Met(
        send(gateways.shared, "DELETE", "/api/keys/none", headers=bearer(gateways.shared.key()))
    )


@case(errors.UnknownRouteError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    return Met(
        get(gateways.shared, "/api/api/2.0/mlflow/experiments/search", bearer(key)),
        client(gateways.shared, key, "/api"),
    )


@case(errors.RouteRefusedError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    return Met(
        get(gateways.shared, "/api/mlflow/api/2.0/mlflow/webhooks", bearer(key)),
        lambda: Registry(lambda: creds(gateways.shared, key)).list_webhooks(),
    )


@case(errors.MLflowRefusalError)
def _(gateways: Gateways) -> Met:
    key = gateways.shared.key()
    path = "/api/mlflow/api/2.0/mlflow/runs/get?run_id=0123456789abcdef0123456789abcdef"
    return Met(
        get(gateways.shared, path, bearer(key)),
        lambda: store(gateways.shared, key).get_run("0123456789abcdef0123456789abcdef"),
        status=404,
        code="RESOURCE_DOES_NOT_EXIST",
    )


@case(errors.ConflictError)
def _(gateways: Gateways) -> Met:
    headers = bearer(gateways.shared.key(scopes=[Scope.ADMIN]))
    name = f"conflict-{id(gateways)}"
    answers = [
        send(gateways.shared, "POST", "/api/admin/tenants", headers=headers, json={"name": name})
        for _ in range(2)
    ]
    assert answers[0].status == 201
    return Met(answers[1])


def registered(training: Training, **body: Any) -> Met:
    """The response to a tokenized registration of a new run."""
    body = {"model_name": "M", "metric_name": "f1", "baseline_value": 0.5, **body}
    key = body.pop("key", None)
    answer = training.register("tokenized", key, run_id=training.run(), **body)
    return met(answer)


@case(errors.TokenTakenError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as holder, Training.of(gateways.shared) as other:
        token = f"token-{id(gateways)}"
        assert registered(holder, token_id=token).answer.status == 201
        return registered(other, token_id=token)


@case(errors.KeyReusedError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        assert registered(training, token_id=f"reused-{id(gateways)}", key="k").answer.status == 201
        return registered(training, token_id=f"other-{id(gateways)}", key="k")


@case(errors.InProgressError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        body = {"run_id": training.run(a=1.0), "model_type": "c"}
        assert training.register("baseline", "busy", **body).status_code == 201
        # As if another gateway were processing it.
        sql(
            gateways.shared,
            "update idempotent_requests set answer = null, status = null, holder = 'another',"
            " lease_until = now() + interval '1 minute' where principal = %s",
            training.client.get("/api/auth/whoami").json()["principal"],
        )
        answer = training.register("baseline", "busy", **body)
        return met(answer)


@case(errors.RegistrationGivenUpError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        body = {"run_id": training.run(a=1.0), "model_type": "c"}
        assert training.register("baseline", "failed", **body).status_code == 201
        # As if a gateway had given it up.
        sql(
            gateways.shared,
            "update idempotent_requests set answer = %s, status = %s where principal = %s",
            json.dumps({"message": "It failed lastingly."}),
            GIVEN_UP,
            training.client.get("/api/auth/whoami").json()["principal"],
        )
        return met(training.register("baseline", "failed", **body))


@case(errors.ModelWithdrawnError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        model_id = training.baseline(accuracy=0.5)["model_id"]
        good(training.client.post(f"/api/models/{model_id}/withdraw", json={"reason": "Wrong."}))
        return met(training.attest(model_id=model_id))


@case(errors.CommittedOtherwiseError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        benchmark_id = new_benchmark(training.client)["benchmark_id"]
        model_id = training.baseline(accuracy=0.5)["model_id"]
        good(commit(training.client, benchmark_id, model_id), 201)
        return met(commit(training.client, benchmark_id, model_id))


@case(errors.FilesPendingError)
def _(gateways: Gateways) -> Met:
    with (
        mock.patch.object(ReadingQueue, "take", mock.AsyncMock(return_value=None)),
        Training.of(gateways.start(model_files_readers=1)) as training,
    ):
        benchmark_id = new_benchmark(training.client)["benchmark_id"]
        body = {"model_id": training.baseline(accuracy=0.5)["model_id"], "commitment": "1f" * 32}
        return met(training.client.post(f"/api/benchmarks/{benchmark_id}/predictions", json=body))


@case(errors.LabelsReleasedError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        benchmark_id = new_benchmark(training.client)["benchmark_id"]
        good(training.client.post(f"/api/benchmarks/{benchmark_id}/release-labels"))
        model_id = training.baseline(accuracy=0.5)["model_id"]
        return met(commit(training.client, benchmark_id, model_id))


@case(errors.PredictionsMissingError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        benchmark_id = new_benchmark(training.client)["benchmark_id"]
        baseline = training.baseline(accuracy=0.85)
        good(commit(training.client, benchmark_id, baseline["model_id"]), 201)
        improved = good(register_improved(training, baseline), 201)
        request = {"benchmark_id": benchmark_id, "evaluation": counts(850, 880)}
        return met(training.attest(model_id=improved["model_id"], **request))


@case(errors.ProofRefusedError)
def _(gateways: Gateways) -> Met:
    points = {"pi_a": ["0"] * 3, "pi_b": [["0"] * 2] * 3, "pi_c": ["0"] * 3}
    proof = {
        "system": "groth16-bn254",
        "circuit": "9f" * 32,
        "statement": "cells",
        "setup": "operator",
        "public": ["0"] * 13,
        "proof": {**points, "protocol": "groth16", "curve": "bn128"},
    }
    with Training.of(gateways.shared) as training:
        request = {"benchmark_id": new_benchmark(training.client)["benchmark_id"], "proof": proof}
        model_id = training.baseline(accuracy=0.85)["model_id"]
        return met(training.attest(model_id=model_id, **request))


@case(errors.DeletedInMLflowError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        run = training.run(accuracy=0.5)
        training.mlflow("runs/delete", run_id=run)
        return met(training.attest(improved_run_id=run))


@case(errors.MetricsChangedError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        model = training.baseline(accuracy=0.5)
        trainer = training
        trainer.log(model["run_id"], "accuracy", 0.1)
        return met(trainer.attest(model_id=model["model_id"]))


@case(errors.NotWitnessedError)
def _(gateways: Gateways) -> Met:
    with Training.of(gateways.shared) as training:
        body = {"baseline_model_id": training.baseline(f1=0.5)["model_id"], "metrics": {"f1": 0.9}}
        run = training.run(accuracy=0.9)
        model = training.registered("improved", run_id=run, contributor_address=GIVER, **body)
        request = {"model_id": model["model_id"], "primary_metric": "f1", "kind": "witnessed"}
        return met(training.attest(**request))


# --- 429 ---


@case(errors.RateLimitedError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(rate_limit=1)
    key = gateway.key()
    get(gateway, "/api/limits", bearer(key))
    return Met(get(gateway, SEARCH, bearer(key)), client(gateway, key))


@case(errors.TooManyFailuresError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(failure_limit=1)
    get(gateway, SEARCH, bearer("wrong"))
    return Met(get(gateway, SEARCH, bearer("wrong")), client(gateway, "wrong"))


@case(errors.TooManyDocumentsError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start()
    gateway.service(Documents).held.per_address = 100
    return Met(send(gateway, "POST", VERIFY, content=b" " * 20_000))


@case(errors.TooManyPipelinedError)
def _(gateways: Gateways) -> Met:
    with RawConnection(gateways.shared) as connection:
        connection.send(request() * 100)
        while (answer := connection.read_response()).status == 200:
            pass
    return Met(answer)


@case(errors.GatewayBusyError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start()
    gateway.service(Documents).held.total = 100
    return Met(send(gateway, "POST", VERIFY, content=b" " * 20_000))


@case(errors.TooManyWalletsError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(new_wallet_limit=1)
    assert get(gateway, SEARCH, Wallet().headers()).status == 200
    return Met(get(gateway, SEARCH, Wallet().headers()))


@case(errors.TooManyCreationsError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(creation_limit=1)

    def create() -> RawResponse:
        return send(gateway, "POST", "/api/keys", json={"name": "n"}, headers=Wallet().headers())

    assert create().status == 201
    return Met(create())


# --- 5xx ---


@case(errors.InternalError)
def _(gateways: Gateways) -> Met:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("an internal error: hk_secret")

    gateways.monkeypatch.setattr(key_listing, "list_keys", fail)
    gateways.monkeypatch.setattr(Workspaces, "cached", fail)
    key = gateways.shared.key()
    # The same in both planes.
    assert get(gateways.shared, SEARCH, bearer(key)).document["reason"] == "internal_error"
    return Met(get(gateways.shared, "/api/keys", bearer(key)), client(gateways.shared, key))


def always(status: bytes, body: bytes) -> Script:
    """An MLflow with the same response to every request."""

    async def respond(connection: UpstreamConnection) -> None:
        head = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        while True:
            await connection.respond(head + body)

    return respond


@case(errors.UpstreamError)
def _(gateways: Gateways) -> Met:
    # The gateway first asks MLflow whether it has workspaces.
    return gateways.behind(always(b"500 No", b"<html>"), tenancy="workspaces")


@case(errors.UpstreamCredentialError)
def _(gateways: Gateways) -> Met:
    return gateways.behind(always(b"401 Unauthorized", b"Who is it?"))


@case(errors.UpstreamMisconfiguredError)
def _(gateways: Gateways) -> Met:
    refusal = b"Invalid Host header - possible DNS rebinding attack detected"
    return gateways.behind(always(b"403 Forbidden", refusal))


@case(errors.UpstreamStorageFullError)
def _(gateways: Gateways) -> Met:
    return gateways.behind(always(b"500 No", b"[Errno 28] No space left on device"))


@case(errors.UpstreamUnreachableError)
def _(gateways: Gateways) -> Met:
    gateway = gateways.start(f"http://127.0.0.1:{free_port()}")
    key = gateway.key()
    return Met(get(gateway, SEARCH, bearer(key)), client(gateway, key))


@case(errors.UpstreamTLSError)
def _(gateways: Gateways) -> Met:
    async def plain(connection: UpstreamConnection) -> None:
        await connection.send(OK)

    return gateways.behind(plain, scheme="https")


@case(errors.UpstreamProtocolError)
def _(gateways: Gateways) -> Met:
    async def nonsense(connection: UpstreamConnection) -> None:
        await connection.respond(b"nonsense\r\n\r\n")

    return gateways.behind(nonsense)


@case(errors.UpstreamTimeoutError)
def _(gateways: Gateways) -> Met:
    return gateways.behind(UpstreamConnection.wait_closed, upstream_read_timeout=0.3)


@case(errors.UpstreamBusyError)
def _(gateways: Gateways) -> Met:
    # The first request waits for MLflow; the second finds the only connection in use.
    async def slow(connection: UpstreamConnection) -> None:
        await connection.wait_closed()

    async def meet() -> Met:
        async with scripted_upstream(slow) as upstream:
            gateway = gateways.start(
                f"http://127.0.0.1:{upstream.port}",
                tenancy="shared",
                upstream_connections=1,
                upstream_pool_timeout=0.3,
            )
            key = await asyncio.to_thread(gateway.key)
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as http:
                first = asyncio.create_task(http.get(SEARCH, headers=bearer(key), timeout=60))
                while not upstream.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                answer = await asyncio.to_thread(get, gateway, SEARCH, bearer(key))
                await asyncio.to_thread(raised, client(gateway, key), answer)
                first.cancel()
            return Met(answer)

    return asyncio.run(meet())


@case(errors.DatabaseUnavailableError)
def _(gateways: Gateways) -> Met:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    gateway = gateways.start(database=nowhere)
    key = gateways.shared.key()
    return Met(get(gateway, SEARCH, bearer(key)), client(gateway, key))


# --- all of them ---

# Sent before the request is counted, so without RateLimit headers.
UNCOUNTED = {
    errors.MalformedRequestError,
    errors.TargetTooLongError,
    errors.HeadersTooLargeError,
    errors.TooManyPipelinedError,
}
# Their messages are partly those of pydantic and MLflow.
FOREIGN = {errors.UnprocessableError, errors.MLflowRefusalError}


@pytest.fixture
def gateways(
    gateway: RunningGateway,
    mlflow_server: ChildMLflow,
    new_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gateways]:
    # MLflow's client would retry for minutes.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with ExitStack() as stack:
        yield Gateways(gateway, new_database, monkeypatch, stack)


def kinds(error: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for kind in error.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
        yield from kinds(kind)


def test_every_class_of_errors_has_a_case() -> None:
    assert set(CASES) == set(kinds(GatewayError)) - FAMILIES


def test_every_class_has_its_own_reason() -> None:
    reasons = [kind.reason for kind in CASES]
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize("error", CASES, ids=lambda error: error.reason)
def test_an_error_response_has_the_documented_form(
    gateways: Gateways, error: type[GatewayError]
) -> None:
    provoked = CASES[error](gateways)
    answer = provoked.answer
    assert answer.headers["content-type"] == "application/problem+json", answer.body
    document = answer.document
    status = provoked.status or error.status
    assert (answer.status, document["reason"]) == (status, error.reason), answer.body
    assert document["status"] == status
    assert document["type"] == f"urn:hokusai:problem:{error.reason}"
    assert document["title"]
    assert document["error_code"] == (provoked.code or error.error_code)
    assert ErrorCode.Value(document["error_code"])  # raises for one that MLflow does not know
    assert document["detail"] == document["message"]
    assert document["message"].rstrip().endswith(".") or error in FOREIGN
    assert document["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in document["message"]
    assert "hk_secret" not in document["message"]

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "date" in answer.headers
    counted = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} & set(answer.headers)
    assert len(counted) == (0 if error in UNCOUNTED else 3)
    waits = error.status in (429, 503) or error in WAITING
    assert ("retry-after" in answer.headers) == waits
    assert ("www-authenticate" in answer.headers) == (error.status == 401)
    assert ("allow" in answer.headers) == (error.status == 405)
    if error.closes_connection:
        assert answer.headers["connection"] == "close"
    if provoked.client is not None:
        raised(provoked.client, answer)


def test_the_request_id_of_the_client_is_returned(gateway: RunningGateway) -> None:
    for path in (SEARCH, "/api/keys", "/none"):
        answer = get(gateway, path, {"X-Request-ID": "train-42.a_b"})
        assert answer.headers["x-request-id"] == answer.document["request_id"] == "train-42.a_b"


@pytest.mark.parametrize("bad", ["", "a" * 65, "a b", "a;b", "<script>"])
def test_an_invalid_request_id_is_replaced(gateway: RunningGateway, bad: str) -> None:
    answer = get(gateway, SEARCH, {"X-Request-ID": bad})
    assert answer.headers["x-request-id"] == answer.document["request_id"] != bad


def test_request_ids_are_unique(gateway: RunningGateway) -> None:
    ids = {get(gateway, "/none").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


# --- rendering ---


def test_headers_and_body_of_an_error_response() -> None:
    error = errors.MethodNotAllowedError("Use GET.", headers=[(b"allow", b"GET")])
    headers, body = render(error, "id-1")
    assert headers == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"allow", b"GET"),
    ]
    assert json.loads(body) == {
        "type": "urn:hokusai:problem:method_not_allowed",
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "Use GET.",
        "error_code": "ENDPOINT_NOT_FOUND",
        "message": "Use GET.",
        "reason": "method_not_allowed",
        "request_id": "id-1",
    }


def test_a_response_that_ends_the_connection_says_so() -> None:
    headers, _ = render(errors.InternalError(), "id-1", closes_connection=True)
    assert headers[-1] == (b"connection", b"close")


def test_retry_after_is_in_whole_seconds() -> None:
    error = errors.RateLimitedError("Wait.", retry_after=7)
    assert (b"retry-after", b"7") in render(error, "id-1")[0]
    for default in (errors.InProgressError("Wait."), errors.DatabaseUnavailableError("Wait.")):
        assert default.headers == ((b"retry-after", b"1"),)


def test_further_members_are_part_of_the_document() -> None:
    error = errors.StaleSignatureError("Old.", extra={"server_time": "2026-03-01T12:00:00+00:00"})
    assert json.loads(error.body("id-1"))["server_time"] == "2026-03-01T12:00:00+00:00"


def test_a_key_in_a_message_is_redacted() -> None:
    key = new_key()
    body = errors.MLflowRefusalError(400, "BAD_REQUEST", f"no such name: {key}").body("id-1")
    assert key.encode() not in body
    assert b"no such name: hk_[redacted]" in body


def test_reasons_lists_every_reason() -> None:
    reasons = {kind.reason for kind in kinds(errors.GatewayError)}
    assert reasons | {errors.GatewayError.reason} == errors.REASONS
