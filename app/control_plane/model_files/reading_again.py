"""Having the files of a model read whose reading has ended without them."""

from typing import cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.model_files.limits import ReadingLimits
from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.model_files.queue import add_again
from app.control_plane.registry.model_ids import no_model
from app.control_plane.registry.models import Model
from app.control_plane.registry.schemas import FilesState
from app.control_plane.registry.service import find_model
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.core.errors import ConflictError, PermissionDeniedError
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now


async def read_again(
    session: AsyncSession,
    model_id: str,
    principal: Principal,
    actor: Actor,
    limits: ReadingLimits,
) -> FilesState:
    """Have the files of a model read, at once where they wait to be tried again.

    A tenant cannot have more seconds spent on one model than the limit; for an administrator they
    are counted anew. Returns what is known of the files.

    Raises NotFoundError, PermissionDeniedError for another tenant's model, ModelWithdrawnError, and
    ConflictError for files that have been read, or have taken all of the seconds.
    """
    model = await find_model(session, model_id, principal)
    if model is None:
        raise no_model(model_id)
    is_admin = Scope.ADMIN in principal.scopes
    if model.tenant != principal.tenant and not is_admin:
        raise PermissionDeniedError(
            f"The model {model_id} belongs to another tenant, which alone can have its files read."
        )
    require_not_withdrawn(model, "have its files read")
    query = select(ModelFilesRecord).where(ModelFilesRecord.model_id == model_id)
    record = await session.scalar(query.with_for_update())
    if record is None or record.holder is not None:
        # One of a release that read no files is added soon; the other is being read.
        return _state(model)
    if record.witnessed_at is not None:
        raise ConflictError(
            f"The gateway has read the files of {model_id}, and what is recorded stays. To record "
            "other files, withdraw the registration and register the model anew."
        )
    seconds_before = record.seconds
    if is_admin:
        record.seconds = 0.0
    elif seconds_before > limits.seconds:
        raise ConflictError(
            f"Reading the files of {model_id} has taken more than {limits.seconds:g} seconds, the "
            "most for one model. An administrator can have the count start anew."
        )
    is_counted_anew = record.seconds != seconds_before
    if record.due_at is None:
        await session.flush()
        await add_again(session, [model_id], limited_by=None, limit_was=None)
        await session.refresh(model)
    elif is_counted_anew or record.failures or record.due_at > now():
        record.due_at, record.failures = now(), 0
    else:
        # It is read next in any case: nothing changes.
        return _state(model)
    details = {"seconds_before": seconds_before} if is_counted_anew else {}
    audit.record(session, actor, "model.files_read_again", model_id, model.tenant, **details)
    return _state(model)


def _state(model: Model) -> FilesState:
    return cast("FilesState", model.files)
