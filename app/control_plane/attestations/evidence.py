"""What an attestation rests on: the models it is about, and the metrics of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.access.tenants.workspaces import Workspaces
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.subjects import Subject, Subjects
from app.control_plane.attestations.witness import compare, run_of_version, witness
from app.core.errors import NotFoundError, PermissionDeniedError, UnprocessableError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import Database
from app.mlflow.client import MLflowClient


@dataclass(frozen=True, slots=True)
class Side:
    """One model of an attestation, with the metrics that are attested."""

    subject: Subject
    metrics: Mapping[str, float]
    not_finite: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it stands in an attestation's data."""
        return {
            "model_id": self.subject.model_id,
            "run_id": self.subject.run_id,
            "model_name": self.subject.mlflow_name,
            "model_version": self.subject.mlflow_version,
            "metrics": dict(self.metrics),
        }


class Evidence:
    """Finds models in the registry, and metrics in MLflow."""

    def __init__(
        self,
        database: Database,
        mlflow: MLflowClient,
        workspaces: Workspaces,
        subjects: Subjects,
    ) -> None:
        self._database = database
        self._mlflow = mlflow
        self._workspaces = workspaces
        self._subjects = subjects

    async def gather(
        self, principal: Principal, request: AttestationRequest
    ) -> tuple[Side, Side | None]:
        """The improved model and its baseline, if it has one, with the metrics to attest.

        Raises NotFoundError for models and runs that the caller has not, PermissionDeniedError for
        another tenant's improved model, ClaimDisagreesError, and UnprocessableError.
        """
        own = Subject(tenant=principal.tenant)
        improved = await self._registered(
            principal, request.improved_model_id or request.model_id
        ) or replace(own, run_id=request.improved_run_id)
        if improved.tenant != principal.tenant:
            raise PermissionDeniedError(
                f"The model {improved.model_id} is another tenant's: its own tenant attests it."
            )
        if request.model_name is not None:
            improved = replace(
                improved,
                mlflow_name=request.model_name,
                mlflow_version=str(request.model_version),
            )
        baseline = await self._registered(
            principal, request.baseline_model_id or _inherited(request, improved)
        )
        if request.baseline_run_id is not None:
            baseline = replace(own, run_id=request.baseline_run_id)
        if request.kind == "claimed":
            return _claimed(request, improved, baseline)
        after = await self._witnessed(principal, "improved", improved, request.claimed_improved)
        if baseline is None:
            if request.claimed_baseline:
                raise UnprocessableError(
                    "metrics.baseline is claimed, but no baseline is named: give "
                    "baseline_model_id or baseline_run_id."
                )
            return after, None
        before = await self._witnessed(principal, "baseline", baseline, request.claimed_baseline)
        return after, before

    async def _registered(self, principal: Principal, model_id: str | None) -> Subject | None:
        if model_id is None:
            return None
        async with self._database.transaction() as session:
            found = await self._subjects.model(session, model_id, principal)
        if found is None:
            raise NotFoundError(f"There is no model {model_id}.")
        return found

    async def _witnessed(
        self, principal: Principal, which: str, subject: Subject, claimed: Mapping[str, float]
    ) -> Side:
        """Read a model's metrics in the workspace of its tenant, and hold the claims against them.

        Of another tenant's model only those are shown that were registered with it.
        """
        home = self._workspaces.known(subject.tenant) or await self._workspaces.prepare(
            subject.tenant, Actor(principal.id)
        )
        run_id = subject.run_id
        if run_id is None:
            assert subject.mlflow_name is not None
            assert subject.mlflow_version is not None
            run_id = await run_of_version(
                self._mlflow, home.name, subject.mlflow_name, subject.mlflow_version
            )
        seen = await witness(self._mlflow, home.name, run_id)
        if subject.tenant != principal.tenant:
            seen = replace(
                seen,
                metrics={
                    name: value for name, value in seen.metrics.items() if name in subject.metrics
                },
                not_finite=(),
            )
        compare(which, claimed, seen)
        return Side(replace(subject, run_id=run_id), seen.metrics, seen.not_finite)


def _inherited(request: AttestationRequest, improved: Subject) -> str | None:
    """An improved model of the registry brings its baseline, unless another is named."""
    return None if request.baseline_run_id is not None else improved.baseline_model_id


def _claimed(
    request: AttestationRequest, improved: Subject, baseline: Subject | None
) -> tuple[Side, Side | None]:
    after = Side(improved, request.claimed_improved)
    if baseline is None and not request.claimed_baseline:
        return after, None
    if not request.claimed_baseline:
        raise UnprocessableError(
            "A claimed improvement needs both models' numbers: metrics as "
            "{baseline: {...}, improved: {...}}."
        )
    return after, Side(baseline or Subject(tenant=improved.tenant), request.claimed_baseline)
