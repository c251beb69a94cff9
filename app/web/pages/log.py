"""GET /log: the transparency log. The page needs no credential, as its API needs none."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from app.control_plane.attestations.endpoints import SigningKey
from app.control_plane.attestations.well_known import attestor_view
from app.control_plane.proofs.circuits import Circuits
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.dependencies import Signer
from app.core.app_state import state_of
from app.core.canonical_json import parse
from app.rest.dependencies import Session
from app.web.forms import Search
from app.web.rendering import page

router = APIRouter(include_in_schema=False)

PUBLIC = frozenset({("GET", "/log")})


class LogQuery(Search):
    """Which entries: `limit` of them, the last of which has the index `to`; by default the newest.

    Numbers are bounded as those of the API.
    """

    to: Annotated[int, Field(ge=0, le=2**53)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 25


@router.get("/log")
async def show(
    request: Request,
    session: Session,
    signer: Signer,
    attestor: SigningKey,
    asked: Annotated[LogQuery, Query()],
) -> Response:
    """The checkpoint, and entries, newest first."""
    checkpoint = await signer.checkpoint(session)
    cosigned = await signer.cosigned(session)
    last = checkpoint.size - 1 if asked.to is None else min(asked.to, checkpoint.size - 1)
    start = max(0, last - asked.limit + 1)
    entries = await transparency_log.entries(session, start, last - start + 1) if last >= 0 else []
    known = await attestor_view(session, signer, attestor, state_of(request)[Circuits])
    return page(
        request,
        "log.html",
        compress=True,
        checkpoint=checkpoint,
        note=signer.sign(checkpoint) if cosigned is None else cosigned[1],
        cosigned=None if cosigned is None else cosigned[0],
        witnesses=await signer.cosignatures.states(session),
        key=str(signer.verifier),
        known=known.model_dump(mode="json"),
        entries=[(entry, parse(entry.text)) for entry in reversed(entries)],
        asked=asked,
        older=start - 1 if start else None,
        newer=min(last + asked.limit, checkpoint.size - 1) if last < checkpoint.size - 1 else None,
    )
