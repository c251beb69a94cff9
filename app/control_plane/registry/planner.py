"""From a registration request to its plan. Everything that can be refused is refused here.

Nothing is written yet. What concurrent requests may change meanwhile (who owns a token, whether a
version is registered already) is checked again in the transaction that writes first.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from app.control_plane.contributors.shares import has_wrong_checksum, shares
from app.control_plane.registry import service
from app.control_plane.registry.deltas import deltas
from app.control_plane.registry.evaluation import Evaluate
from app.control_plane.registry.fields import LARGEST_METRIC
from app.control_plane.registry.metric_direction import (
    improvement_directions,
    resolve_directions,
)
from app.control_plane.registry.metric_names import require_metric_names
from app.control_plane.registry.metric_source import metric_sources
from app.control_plane.registry.metric_warnings import (
    listed,
    warn_about_guesses,
    warn_about_improvement,
    warn_about_sources,
)
from app.control_plane.registry.model_uri import (
    ResolvedModel,
    derive_name,
    parse_reference,
    resolve,
)
from app.control_plane.registry.models import Model
from app.control_plane.registry.plan import MODEL_TAG, OPERATION_TAG, Plan
from app.control_plane.registry.privacy import private_model_of
from app.control_plane.registry.schemas import (
    BaselineRequest,
    ImprovedRequest,
    RegistrationRequest,
    TokenizedRequest,
)
from app.control_plane.registry.sources import Sources
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.core.errors import NotFoundError, UnprocessableError
from app.core.ethereum import checksum_address
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now

# Models of a lineage, one after the other. Each keeps the ids of all before it, and shows them.
MAX_GENERATIONS = 1000


class Planner:
    """Checks a registration against MLflow and the registry, and plans it."""

    def __init__(self, sources: Sources, evaluate: Evaluate) -> None:
        """evaluate: checks what a registration states of an evaluation on a benchmark."""
        self._sources = sources
        self._evaluate = evaluate

    async def plan(self, principal: Principal, request: RegistrationRequest, actor: Actor) -> Plan:
        """The plan of a registration.

        Raises UnprocessableError, NotFoundError, DeletedInMLflowError and ConflictError for what
        cannot be registered, UpstreamError and DatabaseUnavailableError.
        """
        reference = parse_reference(request.model_uri, request.run_id, request.artifact_path)
        baseline = None
        if isinstance(request, ImprovedRequest):
            baseline = await self._baseline(principal, request.baseline_model_id)
        workspace = (await self._sources.workspaces.get_or_create(principal, actor)).name
        model = await resolve(self._sources.mlflow, workspace, reference)
        metrics, not_finite = _metrics(request, model)
        require_metric_names(metrics)
        is_own = baseline is None or baseline.tenant == principal.tenant
        directions = improvement_directions(
            baseline.model_id if baseline else None,
            service.model_directions(baseline) if baseline else {},
            request.higher_is_better,
            is_own=is_own,
        )
        if request.primary_metric is not None and request.primary_metric not in metrics:
            raise UnprocessableError(
                f"primary_metric is {request.primary_metric!r}, which is not one of the metrics."
            )
        model_id = f"hkm_{secrets.token_urlsafe(16)}"
        model_type = request.model_type
        if model_type is None and baseline is not None:
            model_type = baseline.model_type
        own_baseline = baseline if is_own else None
        name = await self._name(workspace, request, model, own_baseline)
        name = name or derive_name(model_type or "model", secrets.token_hex(4))
        adopts = model.existing if model.existing and model.existing.name == name else None
        if adopts is not None:
            await self._sources.presence.require_unrecorded(workspace, principal.tenant, adopts)
        plan = Plan(
            operation=secrets.token_hex(16),
            model_id=model_id,
            kind=_KINDS[type(request)],
            tenant=principal.tenant,
            principal=actor.principal,
            request_id=actor.request_id,
            client=actor.client,
            workspace=workspace,
            mlflow_name=name,
            adopts=adopts.version if adopts else None,
            adopts_created=adopts.created if adopts else None,
            source=model.source,
            run_id=model.run_id,
            logged_model=model.logged_model,
            tags={},
            model_uri=model.uri,
            model_type=model_type,
            metadata=request.metadata,
            metrics=metrics,
            metric_sources=metric_sources(metrics, model.metrics, now()),
            directions=directions | resolve_directions(metrics, directions),
            primary_metric=request.primary_metric,
            private=isinstance(request, BaselineRequest) and request.private,
            path=[model_id],
            listed_files=request.files,
            share_files=request.share_files,
        )
        if not_finite:
            plan.warn(
                "metric_not_finite",
                f"These metrics of the run are left out, since they are not finite numbers: "
                f"{', '.join(not_finite)}.",
            )
        warn_about_sources(plan, model.metrics)
        if isinstance(request, BaselineRequest):
            warn_about_guesses(plan)
        if isinstance(request, ImprovedRequest):
            assert baseline is not None
            _add_improvement(plan, request, baseline)
            await self._add_evaluation(principal, plan, request, baseline)
            warn_about_improvement(plan, baseline.model_id, own=is_own)
        if isinstance(request, TokenizedRequest):
            _add_token(plan, request)
            warn_about_improvement(plan, "baseline_value", own=True)
        if plan.private and plan.share_files:
            raise UnprocessableError(
                "share_files lets every tenant download the model's files, and the model is "
                "private. Leave share_files out, or build on a baseline that is not private."
            )
        await self._warn_if_published(plan)
        plan.tags |= _tags(plan)
        return plan

    async def _add_evaluation(
        self, principal: Principal, plan: Plan, request: ImprovedRequest, baseline: Model
    ) -> None:
        """Add what is stated of an evaluation on a benchmark. Raises as `Evaluate` does."""
        if request.benchmark_id is None or request.evaluation is None:
            return
        plan.evaluation = await self._evaluate(
            principal,
            request.benchmark_id,
            request.evaluation,
            baseline.metrics,
            plan.metrics,
            directions=plan.directions,
            private=plan.private,
        )
        metric = plan.evaluation["benchmark"]["metric"]
        if request.primary_metric not in (None, metric):
            raise UnprocessableError(
                f"primary_metric is {request.primary_metric!r}, and the metric of the benchmark "
                f"is {metric!r}. Leave primary_metric out."
            )
        plan.primary_metric = metric
        acceptance = plan.evaluation["acceptance"]
        if not acceptance["accepted"]:
            plan.warn(
                "not_accepted",
                f"The improvement on the benchmark {request.benchmark_id} is not accepted: "
                f"{acceptance['reason']}. {_figures(acceptance)}",
            )

    async def _warn_if_published(self, plan: Plan) -> None:
        """Warn where everybody will see the metrics of a run that is registered as private."""
        if plan.private:
            return
        async with self._sources.database.transaction() as session:
            private = await private_model_of(session, plan.tenant, plan.run_id)
        if private is not None:
            plan.warn(
                "private_run",
                f"The run {plan.run_id} is registered as private, as {private}; this registration "
                "shows its metrics to everybody. Withdraw it if that was not meant.",
            )

    async def _name(
        self,
        workspace: str | None,
        request: RegistrationRequest,
        model: ResolvedModel,
        own_baseline: Model | None,
    ) -> str | None:
        """The registered model in MLflow: as requested, else that of the version, else that of the
        caller's own baseline, to which an improvement adds a version; None where there is none.
        """
        name = request.model_name if isinstance(request, TokenizedRequest) else request.name
        if name is None and model.existing is not None:
            name = model.existing.name
        if name is None and own_baseline is not None:
            # It may have been renamed, or deleted.
            version = await self._sources.presence.find_version(workspace, own_baseline)
            name = version.name if version is not None else None
        return name

    async def _baseline(self, principal: Principal, model_id: str) -> Model:
        async with self._sources.database.transaction() as session:
            baseline = await service.find_model(session, model_id, principal)
        if baseline is None:
            raise NotFoundError(
                f"There is no model {model_id!r} to improve on. Register the baseline first."
            )
        require_not_withdrawn(baseline, "be improved on")
        if len(baseline.path) >= MAX_GENERATIONS:
            raise UnprocessableError(
                f"The model {model_id} is number {len(baseline.path)} of its lineage, which may "
                f"have {MAX_GENERATIONS} one after the other. Register this model as a baseline."
            )
        return baseline


_KINDS: Mapping[type[RegistrationRequest], Any] = {
    BaselineRequest: "baseline",
    ImprovedRequest: "improved",
    TokenizedRequest: "tokenized",
}


def _metrics(
    request: RegistrationRequest, model: ResolvedModel
) -> tuple[dict[str, float], list[str]]:
    """The metrics, from the first source that has any; and the run's that are not finite."""
    if request.metrics is not None:
        return request.metrics, []
    for source in (request.metadata.get("metrics"), request.metadata):
        numbers = _numbers(source)
        if numbers:
            return numbers, []
    # A comparison with NaN is false, so this includes NaN.
    not_finite = sorted(
        name for name, value in model.metrics.items() if not abs(value) <= LARGEST_METRIC
    )
    finite = {name: value for name, value in model.metrics.items() if name not in not_finite}
    return finite, not_finite


def _numbers(source: object) -> dict[str, float]:
    if not isinstance(source, dict):
        return {}
    numbers = {
        name: float(value)
        for name, value in source.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for name, value in numbers.items():
        if abs(value) > LARGEST_METRIC:
            raise UnprocessableError(
                f"The metric {name!r} does not lie between -{LARGEST_METRIC:g} and "
                f"{LARGEST_METRIC:g}."
            )
    return numbers


def _add_improvement(plan: Plan, request: ImprovedRequest, baseline: Model) -> None:
    plan.baseline_model_id = baseline.model_id
    plan.path = [*baseline.path, plan.model_id]
    # A visible improvement would reveal the private model that it builds on.
    plan.private = baseline.private
    if plan.primary_metric is None and baseline.primary_metric in plan.metrics:
        plan.primary_metric = baseline.primary_metric
    plan.delta = deltas(baseline.metrics, plan.metrics, plan.directions)
    plan.contributors = shares(request.contributions, request.contributor_address)
    addresses = [request.contributor_address, *(one.contributor for one in request.contributions)]
    for address in dict.fromkeys(addresses):
        if address is not None and has_wrong_checksum(address):
            plan.warn(
                "address_checksum",
                f"{address} has a wrong EIP-55 checksum and was taken as "
                f"{checksum_address(address)}. Check that this is the address you mean.",
            )
    if not plan.delta:
        plan.warn(
            "no_common_metric",
            f"{baseline.model_id} has {listed(sorted(baseline.metrics))} and this model has "
            f"{listed(sorted(plan.metrics))}: there is nothing to compare.",
        )


def _add_token(plan: Plan, request: TokenizedRequest) -> None:
    plan.token, plan.token_id = request.symbol, request.token_id
    plan.model_name, plan.metric_name = request.model_name, request.metric_name
    plan.baseline_value = request.baseline_value
    if plan.primary_metric is None and plan.metric_name in plan.metrics:
        plan.primary_metric = plan.metric_name
    baseline = {request.metric_name: request.baseline_value}
    plan.delta = deltas(baseline, plan.metrics, plan.directions)
    if not plan.delta:
        plan.warn(
            "metric_missing",
            f"The model has no metric {request.metric_name!r} to compare with baseline_value; it "
            f"has {listed(sorted(plan.metrics))}.",
        )
    plan.tags = dict(request.additional_tags)


def _tags(plan: Plan) -> dict[str, str]:
    """The gateway's own tags for the version in MLflow."""
    tags = {
        OPERATION_TAG: plan.operation,
        MODEL_TAG: plan.model_id,
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


def _figures(acceptance: Mapping[str, Any]) -> str:
    """An improvement in words, with its confidence interval where the test has one."""
    effect = f"It is {acceptance['effect_size_bps']} basis points"
    if acceptance["ci_low_bps"] is None:
        return f"{effect}, with a p-value of {acceptance['p_value']:.2g}."
    return (
        f"{effect}, and with 95 % confidence between {acceptance['ci_low_bps']} and "
        f"{acceptance['ci_high_bps']}."
    )
