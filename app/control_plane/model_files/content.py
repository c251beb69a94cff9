"""Sending one file of a model as it is received from MLflow."""

import base64
import re
from typing import Any
from urllib.parse import quote

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.control_plane.model_files.hashing import ModelFile
from app.control_plane.model_files.listing import find_file
from app.control_plane.model_files.places import Places
from app.control_plane.model_files.reading import UnreadableError
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.core.errors import (
    DeletedInMLflowError,
    FilesDifferError,
    NotFoundError,
    PermissionDeniedError,
)
from app.core.request.principal import Principal
from app.database.reads import Reads
from app.mlflow.artifacts import Artifacts, Place

_FROM = re.compile(r"bytes=([0-9]{1,18})-")


class FileContent(StreamingResponse):
    """The content of a file. Nothing of it is kept, and no connection to PostgreSQL is in use.

    Raises FilesDifferError where MLflow has another size than the list, and UpstreamError.
    """

    def __init__(self, artifacts: Artifacts, place: Place, file: ModelFile, start: int) -> None:
        """start: the byte to begin with; all of the file is sent where MLflow begins with the
        first one."""
        super().__init__(iter(()), headers=_headers(file), media_type="application/octet-stream")
        self._artifacts = artifacts
        self._place = place
        self._file = file
        self._start = start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._artifacts.open(
                self._place, self._file.path, start=self._start
            ) as opened:
                size = self._file.size
                if opened.size not in (None, size):
                    raise _changed(self._file.path)
                if opened.start > 0:
                    self.status_code = 206
                    self.headers["Content-Range"] = f"bytes {opened.start}-{size - 1}/{size}"
                    self.headers["Content-Length"] = str(size - opened.start)
                self.body_iterator = opened.chunks
                await super().__call__(scope, receive, send)
        except NotFoundError:
            raise _changed(self._file.path) from None


def _headers(file: ModelFile) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    name = quote(file.path.rpartition("/")[2], safe="")
    return {
        "Content-Length": str(file.size),
        # A browser saves it, and runs nothing that it may contain.
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
        "Accept-Ranges": "bytes",
    }


def _start(ranges: str | None, size: int) -> int:
    """Where a request's Range begins: 0 without one, or for another form than `bytes=START-`.

    A server may send all of a file to a request for a part of it (RFC 9110, section 14.2).
    """
    asked = _FROM.fullmatch(ranges) if ranges is not None else None
    start = int(asked[1]) if asked is not None else 0
    return start if start < size else 0


def _changed(path: str) -> FilesDifferError:
    return FilesDifferError(
        f"MLflow no longer has the file {path!r} as it is listed, so it is not sent."
    )


async def open_file(
    reads: Reads,
    places: Places,
    model_id: str,
    path: str,
    principal: Principal,
    ranges: str | None,
) -> FileContent:
    """The content of a file of a model of the principal's tenant, or of one whose owner shares it.

    ranges: the header Range of the request.

    Raises NotFoundError, PermissionDeniedError, ModelWithdrawnError for another tenant's model,
    DeletedInMLflowError, UpstreamError and DatabaseUnavailableError.
    """
    model = await find_file(reads, model_id, path, principal)
    if model.tenant != principal.tenant:
        if not model.share_files:
            raise PermissionDeniedError(
                "The tenant of this model does not share its files: it was registered without "
                "share_files."
            )
        require_not_withdrawn(model, "be downloaded by other tenants")
    if model.file is None:
        raise NotFoundError(_unknown(model, path))
    try:
        artifacts, place = await places.find(model, principal.tenant)
    except UnreadableError as error:
        raise DeletedInMLflowError(f"The files of {model_id} cannot be read: {error}") from None
    file = ModelFile(**model.file)
    return FileContent(artifacts, place, file, _start(ranges, file.size))


def _unknown(model: Any, path: str) -> str:
    if model.files in ("pending", "failed"):
        return (
            f"No files of {model.model_id} are known yet ({model.files}): see "
            f"GET /api/models/{model.model_id}/files."
        )
    return f"{model.model_id} has no file {path[:200]!r}."
