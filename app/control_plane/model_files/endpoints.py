"""HTTP endpoints of models' files: their list, and their content."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, status
from fastapi.responses import JSONResponse
from starlette.responses import Response

from app.control_plane.model_files import listing
from app.control_plane.model_files.content import open_file
from app.control_plane.model_files.limits import ReadingLimits
from app.control_plane.model_files.places import Places
from app.control_plane.model_files.reading_again import read_again
from app.control_plane.model_files.schemas import FilesPage, FilesStateView
from app.control_plane.registry.file_list import MAX_PATH
from app.core.app_state import state_of
from app.core.settings import Settings
from app.rest.dependencies import ChangeSession, CurrentActor, CurrentReads, Reading, Registering
from app.rest.fields import Label
from app.rest.json_response import json_response
from app.rest.pagination import PageRequest

router = APIRouter(prefix="/api/models", tags=["models"])


@router.get("/{model_id}/files", response_model=FilesPage)
async def list_files(
    model_id: Label, reader: Reading, reads: CurrentReads, page: Annotated[PageRequest, Query()]
) -> Response:
    """The files of a model, sorted by path: those that the gateway read in MLflow, or else those
    that the registration lists."""
    return json_response(
        await listing.list_files(reads, model_id, reader, cursor=page.cursor, limit=page.limit)
    )


@router.post(
    "/{model_id}/files/read", status_code=status.HTTP_202_ACCEPTED, response_model=FilesStateView
)
async def read_files_again(
    request: Request,
    session: ChangeSession,
    model_id: Label,
    caller: Registering,
    actor: CurrentActor,
) -> Response:
    """Have the files of a model of your tenant read that could not be read, such as after MLflow
    was repaired. What a gateway has read stays."""
    limits = ReadingLimits.from_settings(state_of(request)[Settings])
    state = await read_again(session, model_id, caller, actor, limits)
    view = FilesStateView(model_id=model_id, state=state)
    return JSONResponse(view.model_dump(), status.HTTP_202_ACCEPTED)


@router.get(
    "/{model_id}/files/content",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {
            "description": "The file from the byte on that the request names.",
            "content": {"application/octet-stream": {}},
        },
    },
)
async def file_content(
    request: Request,
    model_id: Label,
    reader: Reading,
    reads: CurrentReads,
    path: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_PATH,
            pattern=r"^[^\x00]+$",
            description="As the list of files has it.",
        ),
    ],
) -> Response:
    """The content of one file, of a model of your own tenant or of one with `share_files`.

    It is sent as it is in MLflow now; `Repr-Digest` has the SHA-256 of the list, which the reader
    has to compare, also after it was received in parts (`Range: bytes=START-`).
    """
    places = state_of(request)[Places]
    # Without an ETag there is nothing to compare an If-Range with.
    ranges = None if "if-range" in request.headers else request.headers.get("range")
    return await open_file(reads, places, model_id, path, reader, ranges)
