"""The evidence of an attestation: the models that it is about, and the metrics of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.access.tenants.workspaces import Workspaces
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.subjects import Subject, SubjectRegistry
from app.control_plane.attestations.witness import check_claims, run_of_version, witness_run
from app.core.errors import NotFoundError, PermissionDeniedError, UnprocessableError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import Database
from app.mlflow.client import MLflowClient


@dataclass(frozen=True, slots=True)
class AttestedModel:
    """One model of an attestation.

    metrics: those that are attested. not_finite: names of metrics left out, as not finite.
    """

    subject: Subject
    metrics: Mapping[str, float]
    not_finite: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """The model's part of an attestation's data."""
        return {
            "model_id": self.subject.model_id,
            "run_id": self.subject.run_id,
            "model_name": self.subject.mlflow_name,
            "model_version": self.subject.mlflow_version,
            "metrics": dict(self.metrics),
        }


class EvidenceCollector:
    """Finds models in the registry and reads their metrics in MLflow."""

    def __init__(
        self,
        database: Database,
        mlflow: MLflowClient,
        workspaces: Workspaces,
        subjects: SubjectRegistry,
    ) -> None:
        self._database = database
        self._mlflow = mlflow
        self._workspaces = workspaces
        self._subjects = subjects

    async def collect(
        self, principal: Principal, request: AttestationRequest, actor: Actor
    ) -> tuple[AttestedModel, AttestedModel | None]:
        """The improved model and its baseline, if it has one.

        Raises NotFoundError for models and runs that do not exist for the principal,
        PermissionDeniedError for another tenant's improved model, ClaimDisagreesError where a
        claimed metric is not what MLflow holds, and UnprocessableError.
        """
        own = Subject(tenant=principal.tenant)
        improved = await self._registered(
            principal, request.improved_model_id or request.model_id
        ) or replace(own, run_id=request.improved_run_id)
        if improved.tenant != principal.tenant:
            raise PermissionDeniedError(
                f"The model {improved.model_id} belongs to another tenant, which alone can have it "
                "attested."
            )
        if request.model_name is not None:
            improved = replace(
                improved,
                mlflow_name=request.model_name,
                mlflow_version=str(request.model_version),
            )
        baseline = await self._registered(
            principal, request.baseline_model_id or _registered_baseline(request, improved)
        )
        if request.baseline_run_id is not None:
            baseline = replace(own, run_id=request.baseline_run_id)
        if request.kind == "claimed":
            return _claimed(request, improved, baseline)
        after = await self._witnessed(
            principal, actor, "improved", improved, request.claimed_improved
        )
        if baseline is None:
            if request.claimed_baseline:
                raise UnprocessableError(
                    "metrics.baseline is given, but no baseline: give baseline_model_id or "
                    "baseline_run_id."
                )
            return after, None
        before = await self._witnessed(
            principal, actor, "baseline", baseline, request.claimed_baseline
        )
        return after, before

    async def _registered(self, principal: Principal, model_id: str | None) -> Subject | None:
        if model_id is None:
            return None
        async with self._database.transaction() as session:
            subject = await self._subjects.find(session, model_id, principal)
        if subject is None:
            raise NotFoundError(f"There is no model {model_id}.")
        return subject

    async def _witnessed(
        self,
        principal: Principal,
        actor: Actor,
        which: str,
        subject: Subject,
        claims: Mapping[str, float],
    ) -> AttestedModel:
        """Read a model's metrics in the workspace of its tenant, and check the claims.

        Of another tenant's model only the metrics that were registered with it are shown.
        """
        workspace = self._workspaces.cached(subject.tenant) or await self._workspaces.ensure(
            subject.tenant, actor
        )
        run_id = subject.run_id
        if run_id is None:
            assert subject.mlflow_name is not None
            assert subject.mlflow_version is not None
            run_id = await run_of_version(
                self._mlflow, workspace.name, subject.mlflow_name, subject.mlflow_version
            )
        run = await witness_run(self._mlflow, workspace.name, run_id)
        if subject.tenant != principal.tenant:
            run = replace(
                run,
                metrics={
                    name: value for name, value in run.metrics.items() if name in subject.metrics
                },
                not_finite=(),
            )
        check_claims(which, claims, run)
        return AttestedModel(replace(subject, run_id=run_id), run.metrics, run.not_finite)


def _registered_baseline(request: AttestationRequest, improved: Subject) -> str | None:
    """The id of the baseline that the registry has for a model, unless the request names a run."""
    return None if request.baseline_run_id is not None else improved.baseline_model_id


def _claimed(
    request: AttestationRequest, improved: Subject, baseline: Subject | None
) -> tuple[AttestedModel, AttestedModel | None]:
    after = AttestedModel(improved, request.claimed_improved)
    if baseline is None and not request.claimed_baseline:
        return after, None
    if not request.claimed_baseline:
        raise UnprocessableError(
            "A claimed improvement needs the metrics of both models: give metrics as "
            "{baseline: {...}, improved: {...}}."
        )
    before = AttestedModel(baseline or Subject(tenant=improved.tenant), request.claimed_baseline)
    return after, before
