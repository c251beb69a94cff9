"""The digests of a model's files, which a commitment to its predictions is bound to."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.model_files.service import find_summary, require_same_files
from app.core.errors import FilesNotWitnessedError, FilesPendingError

# Seconds: the files of most models are read within one.
RETRY_AFTER = 1


async def find_digests(session: AsyncSession, model_id: str) -> dict[str, Any] | None:
    """The digests of a model's files; None where none are known. Raises FilesDifferError."""
    files = await find_summary(session, model_id)
    require_same_files(model_id, files)
    if files is None or files.state not in ("claimed", "witnessed"):
        return None
    return {
        "sha256": files.oms_root,
        "sha256_merkle_v1": files.weights,
        "list_sha256": files.list_sha256,
    }


async def require_read(session: AsyncSession, model_id: str) -> None:
    """Check that the gateway has read a model's files.

    Without that nobody knows which model a commitment is about: digests that a registration lists
    can be any, and differ each time that the same model is registered.

    Raises FilesPendingError where it still has to read them, FilesNotWitnessedError where it
    cannot, and FilesDifferError.
    """
    files = await find_summary(session, model_id)
    require_same_files(model_id, files)
    if files is None or files.state == "witnessed":
        return
    if files.reason is None:
        raise FilesPendingError(
            f"The gateway is still reading the files of {model_id}, to which its predictions are "
            "bound. Try again in a moment.",
            retry_after=RETRY_AFTER,
        )
    raise FilesNotWitnessedError(
        f"The gateway could not read the files of {model_id}, to which its predictions would be "
        f"bound: {files.reason} Register the model from a run or a logged model of your tenant."
    )
