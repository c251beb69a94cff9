"""Attestations of registered models: what the registry knows of them, and who may see what."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.tenants.workspaces import Workspaces
from app.control_plane.attestations.evidence import Evidence
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.service import Attestations, attestations_for, attestations_of
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
    """The registry, as far as attestations see it."""

    async def model(
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
            run = {"info": {"run_id": run_id}, "data": {"metrics": listed}}
            return httpx.Response(200, json={"run": run})
    return httpx.Response(200, json={})


Work = Callable[[Attestations, Database], Coroutine[Any, Any, Any]]
Running = Callable[[Work], Any]


@pytest.fixture(scope="module")
def with_service(new_database: Callable[[], str]) -> Running:
    """Runs work with a service of its own; what it attests stays in one database."""
    url = new_database()

    async def wrapped(work: Work) -> Any:
        database = Database(url, connections=2)
        control = MLflowClient("http://mlflow", httpx.MockTransport(mlflow))
        try:
            workspaces = Workspaces(database, control, "workspaces")
            evidence = Evidence(database, control, workspaces, Registry())
            settings = Settings(attestor_key=SecretStr("a7" * 32))
            return await work(
                Attestations(database, evidence, Attestor.from_settings(settings)), database
            )
        finally:
            await control.close()
            await database.close()

    return lambda work: asyncio.run(wrapped(work))


def issue(with_service: Running, caller: Principal, **asked: Any) -> Mapping[str, Any]:
    request = AttestationRequest.model_validate(asked)

    async def work(service: Attestations, _: Database) -> Any:
        return await service.issue(caller, request, Actor(caller.id))

    found: Mapping[str, Any] = with_service(work)
    return found


def test_an_improved_model_brings_its_baseline_and_contributors(with_service: Running) -> None:
    data = issue(with_service, BOB, model_id="hkm_better")["data"]
    assert (data["model_id"], data["baseline"]["model_id"]) == ("hkm_better", "hkm_base")
    assert (data["model_name"], data["model_version"]) == ("classifier", "2")
    assert data["delta_one"] == 10.0
    (giver,) = data["contributors"]
    assert (giver["address"], giver["data_size"]) == (GIVER, 7)


def test_of_anothers_baseline_only_registered_metrics_are_shown(with_service: Running) -> None:
    data = issue(with_service, BOB, model_id="hkm_better")["data"]
    assert data["baseline"]["metrics"] == {"accuracy": 0.8}
    assert data["metrics"] == {"accuracy": 0.9, "secret_score": 0.2}
    with pytest.raises(ClaimDisagreesError):
        issue(
            with_service,
            BOB,
            model_id="hkm_better",
            metrics={"baseline": {"secret_score": 0.1}, "improved": {}},
        )


def test_nobody_attests_for_another_tenant(with_service: Running) -> None:
    with pytest.raises(PermissionDeniedError):
        issue(with_service, ALICE, model_id="hkm_better")
    with pytest.raises(NotFoundError):
        issue(with_service, ALICE, model_id="hkm_private")
    with pytest.raises(NotFoundError):
        issue(with_service, BOB, improved_model_id="hkm_better", baseline_model_id="hkm_none")
    with pytest.raises(NotFoundError):
        issue(with_service, BOB, improved_run_id="base")


def test_a_claim_about_a_missing_baseline_is_refused(with_service: Running) -> None:
    with pytest.raises(UnprocessableError):
        issue(
            with_service,
            BOB,
            improved_run_id="better",
            metrics={"baseline": {"accuracy": 0.1}, "improved": {}},
        )


def test_attestations_are_found_by_model_and_by_contributor(with_service: Running) -> None:
    public = issue(with_service, BOB, model_id="hkm_better")["hash"]
    private = issue(
        with_service,
        BOB,
        model_id="hkm_private",
        data_contribution={"contributor": GIVER},
    )["hash"]

    async def work(_: Attestations, database: Database) -> Any:
        models = ["hkm_better", "hkm_private", "hkm_base"]
        async with database.transaction() as session:
            return [
                (
                    await attestations_of(session, models, caller),
                    await attestations_for(session, GIVER, caller),
                )
                for caller in (BOB, ALICE)
            ]

    (own, own_gifts), (others, other_gifts) = with_service(work)
    assert own["hkm_better"] == others["hkm_better"] == [public]
    assert private in own["hkm_private"]
    assert others["hkm_private"] == own["hkm_base"] == []
    assert {public, private} <= set(own_gifts)
    assert other_gifts == [public]


def test_a_private_models_attestation_is_its_tenants_only(with_service: Running) -> None:
    digest = issue(with_service, BOB, model_id="hkm_private")["hash"]

    async def work(service: Attestations, database: Database) -> None:
        async with database.transaction() as session:
            assert (await service.find(session, digest, BOB)).private
            with pytest.raises(NotFoundError):
                await service.find(session, digest, ALICE)

    with_service(work)
