"""From a request to the plan of a registration: everything that can be refused is refused here.

Nothing is written yet. What other requests may change meanwhile (who holds a token, whether a
version was registered) is looked at again in the transaction that writes the first thing.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from app.access.tenants.workspaces import Workspaces
from app.control_plane.contributors.shares import has_wrong_checksum, shares
from app.control_plane.registry import service
from app.control_plane.registry.deltas import deltas
from app.control_plane.registry.model_uri import Found, derived_name, find, wanted
from app.control_plane.registry.models import Model
from app.control_plane.registry.plan import MODEL, OPERATION, Plan
from app.control_plane.registry.schemas import (
    LARGEST,
    BaselineRequest,
    ImprovedRequest,
    RegistrationRequest,
    TokenizedRequest,
    Warn,
)
from app.core.errors import NotFoundError, UnprocessableError
from app.core.ethereum import checksum_address
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import Database
from app.mlflow.client import SYSTEM_METRICS
from app.mlflow.model_registry import MLflowModels


class Planner:
    """Looks at what a request names, in MLflow and in the registry."""

    def __init__(self, database: Database, mlflow: MLflowModels, workspaces: Workspaces) -> None:
        self._database = database
        self._mlflow = mlflow
        self._workspaces = workspaces

    async def plan(self, principal: Principal, request: RegistrationRequest, actor: Actor) -> Plan:
        """The plan of a registration.

        Raises UnprocessableError and NotFoundError for what cannot be registered, UpstreamError
        and DatabaseUnavailableError.
        """
        asked = wanted(request.model_uri, request.run_id, request.artifact_path)
        baseline = None
        if isinstance(request, ImprovedRequest):
            baseline = await self._baseline(principal, request.baseline_model_id)
        workspace = (await self._workspaces.of(principal, actor)).name
        found = await find(self._mlflow, workspace, asked)
        warnings: list[Warn] = []
        metrics = _metrics(request, found, warnings)
        if request.primary_metric is not None and request.primary_metric not in metrics:
            raise UnprocessableError(
                f"primary_metric is {request.primary_metric!r}, which is not among the metrics."
            )
        model_id = f"hkm_{secrets.token_urlsafe(16)}"
        operation = secrets.token_hex(16)
        model_type = request.model_type
        if model_type is None and baseline is not None:
            model_type = baseline.model_type
        name = _name(request, found, model_type)
        plan = Plan(
            operation=operation,
            model_id=model_id,
            kind=_KINDS[type(request)],
            tenant=principal.tenant,
            principal=actor.principal,
            request_id=actor.request_id,
            client=actor.client,
            workspace=workspace,
            mlflow_name=name,
            adopts=found.version if found.name == name else None,
            source=found.source,
            run_id=found.run_id,
            logged_model=found.logged_model,
            tags={},
            model_uri=found.uri,
            model_type=model_type,
            metadata=request.metadata,
            metrics=metrics,
            higher_is_better=request.higher_is_better,
            primary_metric=request.primary_metric,
            private=isinstance(request, BaselineRequest) and request.private,
            path=[model_id],
            warnings=warnings,
        )
        if isinstance(request, ImprovedRequest):
            assert baseline is not None
            _improve(plan, request, baseline)
        if isinstance(request, TokenizedRequest):
            _tokenize(plan, request)
        plan.tags |= _tags(plan)
        return plan

    async def _baseline(self, principal: Principal, model_id: str) -> Model:
        async with self._database.transaction() as session:
            found = await service.find(session, model_id, principal)
        if found is None:
            raise NotFoundError(
                f"There is no model {model_id!r} to improve on. Register the baseline first."
            )
        return found


_KINDS: Mapping[type[RegistrationRequest], Any] = {
    BaselineRequest: "baseline",
    ImprovedRequest: "improved",
    TokenizedRequest: "tokenized",
}


def _name(request: RegistrationRequest, found: Found, model_type: str | None) -> str:
    given = request.model_name if isinstance(request, TokenizedRequest) else request.name
    return given or found.name or derived_name(model_type or "model", secrets.token_hex(4))


def _metrics(request: RegistrationRequest, found: Found, warnings: list[Warn]) -> dict[str, float]:
    """The numbers that count, from the first place that has any."""
    if request.metrics is not None:
        return request.metrics
    nested = request.metadata.get("metrics")
    for place in (nested, request.metadata):
        numbers = _numbers(place)
        if numbers:
            return numbers
    seen = {
        name: value for name, value in found.metrics.items() if not name.startswith(SYSTEM_METRICS)
    }
    # NaN compares as false, so this is everything else.
    wrong = sorted(name for name, value in seen.items() if not abs(value) <= LARGEST)
    if wrong:
        warnings.append(
            Warn(
                code="metric_not_finite",
                message=f"The run's {', '.join(wrong)} left out: not a finite number.",
            )
        )
    return {name: value for name, value in seen.items() if name not in wrong}


def _numbers(place: object) -> dict[str, float]:
    if not isinstance(place, dict):
        return {}
    found = {
        name: float(value)
        for name, value in place.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for name, value in found.items():
        if abs(value) > LARGEST:
            raise UnprocessableError(f"The metric {name!r} is above {LARGEST:g}.")
    return found


def _improve(plan: Plan, request: ImprovedRequest, baseline: Model) -> None:
    plan.baseline_model_id = baseline.model_id
    plan.path = [*baseline.path, plan.model_id]
    # What builds on a private model would tell of it.
    plan.private = baseline.private
    plan.higher_is_better = baseline.higher_is_better | request.higher_is_better
    if plan.primary_metric is None and baseline.primary_metric in plan.metrics:
        plan.primary_metric = baseline.primary_metric
    plan.delta = deltas(baseline.metrics, plan.metrics, plan.higher_is_better)
    plan.contributors = shares(request.contributions, request.contributor_address)
    named = [request.contributor_address, *(one.contributor for one in request.contributions)]
    for address in dict.fromkeys(named):
        if address is not None and has_wrong_checksum(address):
            plan.warnings.append(
                Warn(
                    code="address_checksum",
                    message=f"{address} has a wrong EIP-55 checksum; it was taken as "
                    f"{checksum_address(address)}. Look whether that is who you mean.",
                )
            )
    if not plan.delta:
        plan.warnings.append(
            Warn(
                code="no_common_metric",
                message=f"{baseline.model_id} has {_list(baseline.metrics)}, this model has "
                f"{_list(plan.metrics)}: nothing to compare.",
            )
        )


def _tokenize(plan: Plan, request: TokenizedRequest) -> None:
    plan.token, plan.token_id = request.symbol, request.token_id
    plan.model_name, plan.metric_name = request.model_name, request.metric_name
    plan.baseline_value = request.baseline_value
    if plan.primary_metric is None and plan.metric_name in plan.metrics:
        plan.primary_metric = plan.metric_name
    before = {request.metric_name: request.baseline_value}
    plan.delta = deltas(before, plan.metrics, plan.higher_is_better)
    if not plan.delta:
        plan.warnings.append(
            Warn(
                code="metric_missing",
                message=f"The model has no metric {request.metric_name!r} to hold against "
                f"baseline_value; it has {_list(plan.metrics)}.",
            )
        )
    plan.tags = dict(request.additional_tags)


def _tags(plan: Plan) -> dict[str, str]:
    tags = {
        OPERATION: plan.operation,
        MODEL: plan.model_id,
        "hokusai.kind": plan.kind,
        "hokusai.model_type": plan.model_type,
        "hokusai.baseline_model_id": plan.baseline_model_id,
        "hokusai.contributors": ",".join(sorted({share.address for share in plan.contributors})),
        "hokusai.token_id": plan.token_id,
        "hokusai.metric_name": plan.metric_name,
        "hokusai.baseline_value": None
        if plan.baseline_value is None
        else repr(plan.baseline_value),
    }
    return {key: value for key, value in tags.items() if value}


def _list(metrics: Mapping[str, float]) -> str:
    names = sorted(metrics)
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "") if names else "no metrics"
