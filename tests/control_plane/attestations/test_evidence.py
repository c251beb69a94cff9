"""The evidence of attestations: what the registry and MLflow hold, and who may see it."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.quotas.service import Quotas
from app.access.tenants.workspaces import Workspaces
from app.control_plane.attestations.evidence import EvidenceCollector
from app.control_plane.attestations.issuing import AttestationIssuer
from app.control_plane.attestations.listing import list_attestations, newest_by_model
from app.control_plane.attestations.log_signer import LogSigner
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.schemas import (
    AttestationFilter,
    AttestationRequest,
    AttestationView,
)
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.shares import Share
from app.core.errors import (
    ClaimDisagreesError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableError,
)
from app.core.request.actor import Actor
from app.core.request.principal import WALLET_SCOPES, Principal
from app.core.settings import Settings
from app.database.engine import Database
from app.mlflow.client import WORKSPACE, MLflowClient

ALICE = Principal(id="key:alice", credential="a", tenant="alice", scopes=WALLET_SCOPES)
BOB = Principal(id="key:bob", credential="b", tenant="bob", scopes=WALLET_SCOPES)
GIVER = "0x" + "11" * 20

# What MLflow has, by workspace and run.
RUNS: dict[tuple[str, str], dict[str, float]] = {
    ("alice", "base"): {"accuracy": 0.8, "secret_score": 0.1},
    ("bob", "better"): {"accuracy": 0.9, "secret_score": 0.2},
}
MODELS = {
    "hkm_base": Subject(
        tenant="alice", model_id="hkm_base", run_id="base", metrics={"accuracy": 0.8}
    ),
    "hkm_better": Subject(
        tenant="bob",
        model_id="hkm_better",
        run_id="better",
        mlflow_name="classifier",
        mlflow_version="2",
        metrics={"accuracy": 0.9},
        primary_metric="accuracy",
        baseline_model_id="hkm_base",
        shares=(Share(address=GIVER, weight_bps=10_000, data_size=7, data_hash=None, details={}),),
    ),
    "hkm_private": Subject(tenant="bob", model_id="hkm_private", run_id="better", private=True),
}


class Registry:
    """A model registry with the models of `MODELS`."""

    async def find(
        self, session: AsyncSession, model_id: str, principal: Principal
    ) -> Subject | None:
        found = MODELS.get(model_id)
        hidden = found is not None and found.private and found.tenant != principal.tenant
        return None if hidden else found


def mlflow(request: httpx.Request) -> httpx.Response:
    workspace = request.headers.get(WORKSPACE)
    match request.url.path.rpartition("/mlflow/")[2]:
        case "server-info":
            return httpx.Response(200, json={"workspaces_enabled": True})
        case "experiments/create":
            return httpx.Response(200, json={"experiment_id": "1"})
        case "runs/get":
            run_id = request.url.params["run_id"]
            metrics = RUNS.get((workspace, run_id))
            if metrics is None:
                missing = {"error_code": "RESOURCE_DOES_NOT_EXIST"}
                return httpx.Response(404, json=missing)
            listed = [{"key": name, "value": value} for name, value in metrics.items()]
            info = {"run_id": run_id, "experiment_id": "1", "artifact_uri": "mlflow-artifacts:/1"}
            run = {"info": info, "data": {"metrics": listed}}
            return httpx.Response(200, json={"run": run})
    return httpx.Response(200, json={})


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    """One database for all tests."""
    return new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, connections=2)
    yield opened
    await opened.close()


@pytest.fixture
async def issuer(database: Database) -> AsyncIterator[AttestationIssuer]:
    """An issuer whose MLflow is `mlflow` and whose registry is `Registry`."""
    client = MLflowClient("http://mlflow", httpx.MockTransport(mlflow))
    workspaces = Workspaces(database, client, "workspaces")
    evidence = EvidenceCollector(database, client, workspaces, Registry())
    settings = Settings(attestor_key=SecretStr("a7" * 32))
    signer = LogSigner(Attestor.from_settings(settings))
    yield AttestationIssuer(database, evidence, signer, Quotas(settings))
    await client.close()


async def issue(issuer: AttestationIssuer, caller: Principal, **members: Any) -> AttestationView:
    request = AttestationRequest.model_validate(members)
    return await issuer.issue(caller, request, Actor(caller.id, "request", "192.0.2.1"))


async def test_a_registered_improvement_has_its_baseline_and_contributors(
    issuer: AttestationIssuer,
) -> None:
    data = (await issue(issuer, BOB, model_id="hkm_better")).data
    assert (data["model_id"], data["baseline"]["model_id"]) == ("hkm_better", "hkm_base")
    assert (data["model_name"], data["model_version"]) == ("classifier", "2")
    assert data["delta_one"] == 10.0
    (giver,) = data["contributors"]
    assert (giver["address"], giver["data_size"]) == (GIVER, 7)


async def test_of_another_tenants_baseline_only_registered_metrics_are_attested(
    issuer: AttestationIssuer,
) -> None:
    data = (await issue(issuer, BOB, model_id="hkm_better")).data
    assert data["baseline"]["metrics"] == {"accuracy": 0.8}
    assert data["metrics"] == {"accuracy": 0.9, "secret_score": 0.2}
    with pytest.raises(ClaimDisagreesError):
        await issue(
            issuer,
            BOB,
            model_id="hkm_better",
            metrics={"baseline": {"secret_score": 0.1}, "improved": {}},
        )


async def test_another_tenants_model_cannot_be_attested(issuer: AttestationIssuer) -> None:
    with pytest.raises(PermissionDeniedError):
        await issue(issuer, ALICE, model_id="hkm_better")
    with pytest.raises(NotFoundError):
        await issue(issuer, ALICE, model_id="hkm_private")
    with pytest.raises(NotFoundError):
        await issue(issuer, BOB, improved_model_id="hkm_better", baseline_model_id="hkm_none")
    with pytest.raises(NotFoundError):
        await issue(issuer, BOB, improved_run_id="base")


async def test_claims_about_a_baseline_need_a_baseline(issuer: AttestationIssuer) -> None:
    with pytest.raises(UnprocessableError):
        await issue(
            issuer,
            BOB,
            improved_run_id="better",
            metrics={"baseline": {"accuracy": 0.1}, "improved": {}},
        )


async def named(database: Database, reader: Principal) -> list[str]:
    """The hashes of the attestations that name GIVER, as a principal sees them."""
    found = await list_attestations(database.reads, AttestationFilter(contributor=GIVER), reader)
    return [item["hash"] for item in json.loads(bytes(found.body))["items"]]


async def test_attestations_are_found_by_model_and_by_contributor(
    issuer: AttestationIssuer, database: Database
) -> None:
    public = (await issue(issuer, BOB, model_id="hkm_better")).hash
    contribution = {"contributor": GIVER}
    issued = await issue(issuer, BOB, model_id="hkm_private", data_contribution=contribution)
    private = issued.hash

    models = ["hkm_better", "hkm_private", "hkm_base"]
    own = await newest_by_model(database.reads, models, BOB)
    others = await newest_by_model(database.reads, models, ALICE)
    own_gifts = await named(database, BOB)
    other_gifts = await named(database, ALICE)
    assert own["hkm_better"] == others["hkm_better"] == [public]
    assert private in own["hkm_private"]
    assert others["hkm_private"] == own["hkm_base"] == []
    assert {public, private} <= set(own_gifts)
    assert other_gifts == [public]


async def test_an_attestation_of_a_private_model_is_visible_to_its_tenant_only(
    issuer: AttestationIssuer, database: Database
) -> None:
    digest = (await issue(issuer, BOB, model_id="hkm_private")).hash

    async with database.transaction() as session:
        assert (await find_attestation(session, digest, BOB)).private
        with pytest.raises(NotFoundError):
            await find_attestation(session, digest, ALICE)
