"""Which models a request for an attestation names, whichever of their names it uses.

A run or version that belongs to a registered model stands for that model: what its registration
says of metrics, contributors and privacy cannot be avoided by another name.
"""

from dataclasses import replace

from app.control_plane.attestations import registry_subjects as registry
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.subjects import Subject
from app.control_plane.registry.privacy import private_model_of
from app.control_plane.registry.sources import Sources
from app.core.errors import NotFoundError, PermissionDeniedError, UnprocessableError
from app.core.request.actor import Actor
from app.core.request.principal import Principal


class SubjectFinder:
    """Finds the models that a request names, in the registry and in MLflow."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def find(
        self, principal: Principal, request: AttestationRequest, actor: Actor
    ) -> tuple[Subject, Subject | None]:
        """The improved model, or the only one, and its baseline, if it has one.

        Raises NotFoundError for what does not exist for the principal, PermissionDeniedError for
        another tenant's improved model, ModelWithdrawnError, and UnprocessableError for a name that
        several models have.
        """
        improved = Subject(principal.tenant)
        model_id = request.improved_model_id or request.model_id
        if model_id is not None:
            improved = await self._by_id(principal, model_id)
        elif request.improved_run_id is not None:
            improved = await self._by_run(principal, request.improved_run_id, actor)
        elif request.model_name is not None:
            improved = await self._by_version(
                principal, request.model_name, str(request.model_version), actor
            )
        if improved.tenant != principal.tenant:
            raise PermissionDeniedError(
                f"The model {improved.model_id} belongs to another tenant, which alone can have it "
                "attested."
            )
        if request.baseline_run_id is not None:
            return improved, await self._by_run(principal, request.baseline_run_id, actor)
        baseline_id = request.baseline_model_id or improved.baseline_model_id
        if baseline_id is None:
            return improved, None
        return improved, await self._by_id(principal, baseline_id)

    async def _by_id(self, principal: Principal, model_id: str) -> Subject:
        async with self._sources.database.transaction() as session:
            subject = await registry.find_by_id(session, model_id, principal)
            if subject.tenant == principal.tenant and not subject.private:
                private = await private_model_of(session, subject.tenant, subject.run_id)
                subject = replace(subject, private=private is not None)
        return subject

    async def _by_run(self, principal: Principal, run_id: str, actor: Actor) -> Subject:
        workspace = await self._sources.workspaces.get_or_create(principal, actor)
        run = await self._sources.mlflow.run(workspace.name, run_id)
        if run is None:
            raise NotFoundError(f"Your tenant has no run {run_id}.")
        async with self._sources.database.transaction() as session:
            subjects = await registry.find_by_run(session, principal.tenant, run.run_id)
            private = await private_model_of(session, principal.tenant, run.run_id)
        if len(subjects) > 1:
            ids = ", ".join(str(subject.model_id) for subject in subjects)
            raise UnprocessableError(
                f"Several models are registered with the run {run_id}: {ids}. Name the one that "
                "you mean by its model id."
            )
        subject = subjects[0] if subjects else Subject(principal.tenant, run_id=run.run_id)
        return replace(subject, run=run, private=private is not None)

    async def _by_version(
        self, principal: Principal, name: str, number: str, actor: Actor
    ) -> Subject:
        workspace = await self._sources.workspaces.get_or_create(principal, actor)
        version = await self._sources.mlflow.model_version(workspace.name, name, number)
        if version is None:
            raise NotFoundError(f"Your tenant has no version {number} of a model {name}.")
        async with self._sources.database.transaction() as session:
            subject = await registry.find_by_version(session, principal.tenant, version)
            private = await private_model_of(session, principal.tenant, version.run_id, version)
        if subject is None and version.run_id is not None:
            # Not registered itself, but perhaps a copy of a version that is.
            subject = await self._by_run(principal, version.run_id, actor)
        if subject is None or subject.model_id is None:
            subject = replace(
                subject or Subject(principal.tenant),
                mlflow_name=version.name,
                mlflow_version=version.version,
            )
        return replace(subject, private=private is not None or subject.private)
