"""GET /: what this registry is, and what is new in it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.control_plane.attestations.listing import summaries_by_model
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.registry.listing import load_models
from app.control_plane.registry.schemas import ModelFilter
from app.control_plane.transparency_log.checkpoint import Checkpoint
from app.control_plane.transparency_log.signer import LogSigner
from app.core.app_state import state_of
from app.core.errors import UnavailableError
from app.core.request.context import context_of
from app.core.request.principal import Principal
from app.core.request.principal import Scope as Permission
from app.database.engine import Database
from app.database.reads import Reads
from app.rest.dependencies import CurrentReads
from app.web.pages.model_facts import Row, row_of
from app.web.rendering import page

router = APIRouter(include_in_schema=False)

PUBLIC = frozenset({("GET", "/")})
NEWEST = 6


async def _checkpoint(request: Request) -> Checkpoint | None:
    """The state of the log; None while it cannot be read, when the page has still its use."""
    services = state_of(request)
    try:
        async with services[Database].transaction() as session:
            return await services[LogSigner].checkpoint(session)
    except UnavailableError:
        return None


@router.get("/")
async def home(
    request: Request,
    reads: CurrentReads,
    checkpoint: Annotated[Checkpoint | None, Depends(_checkpoint)],
) -> Response:
    """The first page."""
    principal = context_of(request.scope).principal
    return page(
        request,
        "home.html",
        attestor=state_of(request)[Attestor].address,
        checkpoint=checkpoint,
        rows=await _newest(reads, principal),
    )


async def _newest(reads: Reads, principal: Principal | None) -> list[Row]:
    """The newest models that a principal with the scope `read` may see; none for others."""
    if principal is None or Permission.READ not in principal.scopes:
        return []
    models, _ = await load_models(reads, ModelFilter(limit=NEWEST), principal)
    ids = [model.model_id for model in models]
    attestations = await summaries_by_model(reads, ids, principal, each=5)
    return [row_of(model, attestations[model.model_id]) for model in models]
