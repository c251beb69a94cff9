"""The evidence of an attestation: the models that it is about, and the numbers of each.

Of a registered model the numbers of its registration are attested. MLflow is read as well: it tells
whether the model still exists, and whether a number is still the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.control_plane.attestations.metric_evidence import (
    AttestedModel,
    changed_names,
    choose_kind,
    given,
    registered,
    seen,
)
from app.control_plane.attestations.naming import SubjectFinder
from app.control_plane.attestations.schemas import AttestationRequest, EvidenceKind
from app.control_plane.attestations.subjects import Subject
from app.control_plane.attestations.witness import WitnessedRun, check_claims, witnessed_run
from app.control_plane.model_files.present_files import PresentFiles
from app.control_plane.model_files.service import require_same_files
from app.control_plane.registry.metric_source import is_same
from app.control_plane.registry.sources import Sources
from app.core.errors import (
    DeletedInMLflowError,
    MetricsChangedError,
    NotFoundError,
    UnprocessableError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now


@dataclass(frozen=True, slots=True)
class Observation:
    """What MLflow has now of the registered metrics of a model, where the caller wants that."""

    model_id: str
    run_id: str
    metrics: Mapping[str, float]
    at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an attestation rests on. private: whether only the tenant may see it."""

    kind: EvidenceKind
    improved: AttestedModel
    baseline: AttestedModel | None
    private: bool
    observations: Sequence[Observation] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One model as it was read. run: None where there is none, or where it is another tenant's.

    changed: the registered metrics of which the run has another value now.
    """

    which: str
    subject: Subject
    run: WitnessedRun | None
    at: datetime
    changed: Sequence[str] = ()


class EvidenceCollector:
    """Finds models in the registry and reads their metrics in MLflow."""

    def __init__(self, sources: Sources, files: PresentFiles) -> None:
        self._sources = sources
        self._files = files
        self._finder = SubjectFinder(sources)

    async def collect(
        self, principal: Principal, request: AttestationRequest, actor: Actor
    ) -> Evidence:
        """The evidence of what a request asks for.

        Raises the errors of `SubjectFinder.find`; ClaimDisagreesError where a claimed metric is
        another one; MetricsChangedError where MLflow has another value than the registration, and
        the request does not say which to attest; FilesDifferError; FilesChangedError;
        DeletedInMLflowError;
        NotWitnessedError; and UnprocessableError.
        """
        improved, baseline = await self._finder.find(principal, request, actor)
        for subject in (improved, baseline):
            if subject is not None:
                require_same_files(subject.label, subject.files)
        private = _is_private(request, improved, baseline)
        if request.kind == "claimed":
            return _claimed(principal, request, improved, baseline, private)
        if baseline is None and request.claimed_baseline:
            raise UnprocessableError(
                "metrics.baseline is given, but no baseline: give baseline_model_id or "
                "baseline_run_id."
            )
        readings = [await self._read(principal, actor, "improved", improved)]
        if baseline is not None:
            readings.append(await self._read(principal, actor, "baseline", baseline))
        if request.refresh is None:
            _require_unchanged(readings)
        models = [_attested(reading, refresh=bool(request.refresh)) for reading in readings]
        for reading, model, claims in zip(
            readings, models, (request.claimed_improved, request.claimed_baseline), strict=False
        ):
            check_claims(reading.which, claims, model.values, _where(model.subject))
        wanted = request.kind if request.proof is None else "witnessed"
        kind, after, before = choose_kind(
            wanted, request.primary_metric, models[0], models[1] if baseline else None
        )
        if request.proof is not None:
            kind = "proven"
        observations = [_observation(one) for one in readings if request.refresh and one.changed]
        return Evidence(kind, after, before, private, observations)

    async def _read(
        self, principal: Principal, actor: Actor, which: str, subject: Subject
    ) -> _Reading:
        """Read a model in the workspace of its tenant, if it still exists there."""
        workspace = self._sources.workspaces.cached(
            subject.tenant
        ) or await self._sources.workspaces.ensure(subject.tenant, actor)
        if subject.record is not None:
            subject = await self._present(principal, workspace.name, subject)
        if subject.run_id is None:
            if subject.record is None:
                raise UnprocessableError(
                    f"Version {subject.mlflow_version} of {subject.mlflow_name} was not made from "
                    "a run, so there are no metrics to read. Create it from a run, or have your "
                    "own metrics attested with kind `claimed`."
                )
            return _Reading(which, subject, None, now())
        run = subject.run or await self._sources.mlflow.run(workspace.name, subject.run_id)
        if run is None and subject.record is None:
            raise NotFoundError(f"Your tenant has no run {subject.run_id}.")
        if run is None or run.is_deleted:
            raise DeletedInMLflowError(
                f"The run {subject.run_id} of the {which} model was deleted in MLflow, so nothing "
                "can be witnessed of it. Restore it there, or name another model."
            )
        at = now()
        if subject.tenant != principal.tenant:
            # What its owner has logged since is the owner's own.
            return _Reading(which, subject, None, at)
        found = witnessed_run(run)
        changed = changed_names(subject, run.model_metrics)
        return _Reading(which, subject, found, at, changed)

    async def _present(
        self, principal: Principal, workspace: str | None, subject: Subject
    ) -> Subject:
        """A registered model under its present name.

        Raises DeletedInMLflowError, and FilesChangedError for a model of the principal's tenant.
        """
        assert subject.record is not None
        version = await self._sources.presence.find_version(workspace, subject.record)
        if version is None:
            raise DeletedInMLflowError(
                f"Version {subject.mlflow_version} of {subject.mlflow_name}, which is registered "
                f"as {subject.model_id}, was deleted in MLflow, so nothing can be witnessed of it. "
                "Register the model anew."
            )
        if (
            version.logged_model is not None
            and await self._sources.mlflow.logged_model(workspace, version.logged_model) is None
        ):
            raise DeletedInMLflowError(
                f"The logged model {version.logged_model}, which is registered as "
                f"{subject.model_id}, was deleted in MLflow, so nothing can be witnessed of it. "
                "Log and register the model anew."
            )
        # Otherwise the owner of a baseline could keep others from attesting what builds on it.
        if subject.tenant == principal.tenant:
            await self._files.require_unchanged(subject.record, version)
        return replace(subject, mlflow_name=version.name)


def _is_private(request: AttestationRequest, *subjects: Subject | None) -> bool:
    """Whether only the tenant may see the attestation.

    Nobody has published a run that is not registered, or numbers that a caller claims, so those are
    private unless the caller says otherwise.
    """
    named = [subject for subject in subjects if subject is not None]
    secret = [subject for subject in named if subject.private]
    if secret and request.private is False:
        raise UnprocessableError(
            f"private is false, but {secret[0].label} is registered as private. Leave it out."
        )
    if secret or request.private is not None:
        return bool(secret) or bool(request.private)
    return any(subject.model_id is None for subject in named) or (
        bool(request.claimed_baseline) and len(named) == 1
    )


def _attested(reading: _Reading, *, refresh: bool) -> AttestedModel:
    """The numbers to attest of a model. refresh: MLflow's, where the registration has others."""
    subject, run = reading.subject, reading.run
    if subject.record is None:
        assert run is not None
        return AttestedModel(subject, seen(run.metrics, reading.at), run.not_finite)
    metrics = registered(subject)
    if run is None:
        return AttestedModel(subject, metrics)
    left_out = []
    for name, metric in list(metrics.items()):
        if name in reading.changed and refresh:
            if name in run.metrics:
                value = run.metrics[name]
                metrics[name] = replace(
                    metric, value=value, source="seen", at=reading.at, registered=metric.value
                )
            else:
                del metrics[name]
                left_out.append(name)
        elif name in run.metrics and is_same(metric.value, run.metrics[name]):
            metrics[name] = replace(metric, source="seen", at=reading.at)
    return AttestedModel(subject, metrics, tuple(left_out))


def _require_unchanged(readings: Sequence[_Reading]) -> None:
    changed: list[dict[str, Any]] = [
        {
            "model": reading.which,
            "model_id": reading.subject.model_id,
            "run_id": reading.subject.run_id,
            "metric": name,
            "registered": reading.subject.metrics[name],
            # null for one that is not finite.
            "in_mlflow": reading.run.metrics.get(name) if reading.run else None,
        }
        for reading in readings
        for name in reading.changed
    ]
    if changed:
        listed = "; ".join(
            f"{one['metric']} of {one['model_id']}: registered {one['registered']}, run "
            f"{one['run_id']} has {one['in_mlflow']}"
            for one in changed[:10]
        )
        raise MetricsChangedError(
            f"MLflow has other values now than were registered: {listed}. Send refresh: false to "
            "attest the registered ones, or refresh: true to attest MLflow's, which are recorded "
            "beside the registration and change nothing in it.",
            extra={"changed": changed},
        )


def _observation(reading: _Reading) -> Observation:
    assert reading.run is not None
    assert reading.subject.model_id is not None
    found = {
        name: value
        for name, value in reading.run.metrics.items()
        if name in reading.subject.metrics
    }
    return Observation(reading.subject.model_id, reading.run.run_id, found, reading.at)


def _where(subject: Subject) -> str:
    if subject.model_id is not None:
        return f"the registration {subject.model_id}"
    return f"run {subject.run_id} in MLflow"


def _claimed(
    principal: Principal,
    request: AttestationRequest,
    improved: Subject,
    baseline: Subject | None,
    private: bool,
) -> Evidence:
    """What a caller claims. Of another tenant's baseline only the registered metrics are attested.

    Raises ClaimDisagreesError where others are claimed of it, and UnprocessableError.
    """
    at = now()
    after = AttestedModel(improved, given(request.claimed_improved, at))
    if baseline is not None and baseline.tenant != principal.tenant:
        before = AttestedModel(baseline, registered(baseline))
        check_claims("baseline", request.claimed_baseline, before.values, _where(baseline))
        return Evidence("claimed", after, before, private)
    if baseline is None and not request.claimed_baseline:
        return Evidence("claimed", after, None, private)
    if not request.claimed_baseline:
        raise UnprocessableError(
            "A claimed improvement needs the metrics of both models: give metrics as "
            "{baseline: {...}, improved: {...}}."
        )
    subject = baseline or Subject(tenant=improved.tenant)
    before = AttestedModel(subject, given(request.claimed_baseline, at))
    return Evidence("claimed", after, before, private)
