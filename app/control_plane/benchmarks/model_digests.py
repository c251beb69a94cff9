"""The digests of a model's files, which a commitment to its predictions is bound to."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.model_files.service import find_summary, require_same_files
from app.core.errors import FilesPendingError

# Seconds: the files of most models are read within one.
RETRY_AFTER = 1


async def find_digests(session: AsyncSession, model_id: str) -> dict[str, Any] | None:
    """The digests of a model's files; None where none are known. Raises FilesDifferError."""
    files = await find_summary(session, model_id)
    require_same_files(model_id, files)
    if files is None or files.state not in ("claimed", "witnessed"):
        return None
    return {"sha256": files.oms_root, "sha256_merkle_v1": files.weights}


async def require_read(session: AsyncSession, model_id: str) -> None:
    """Raises FilesPendingError where the gateway still has to read a model's files."""
    files = await find_summary(session, model_id)
    if files is not None and files.state == "pending":
        raise FilesPendingError(
            f"The gateway is still reading the files of {model_id}, to which its predictions are "
            "bound. Try again in a moment.",
            retry_after=RETRY_AFTER,
        )
