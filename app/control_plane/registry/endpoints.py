"""Registering models, and finding them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, status
from fastapi.responses import JSONResponse
from starlette.responses import Response

from app.control_plane.registry import service
from app.control_plane.registry.registration import Registrations
from app.control_plane.registry.schemas import (
    BaselineRequest,
    ImprovedRequest,
    LineageView,
    ModelFilter,
    ModelView,
    RegistrationRequest,
    TokenizedRequest,
)
from app.control_plane.registry.service import AttestationsOf
from app.core.app_state import state_of
from app.core.errors import NotFoundError
from app.core.request.context import context_of
from app.rest.dependencies import CurrentActor, Reading, Registering, Session
from app.rest.fields import Label
from app.rest.pagination import Page, encode_cursor

router = APIRouter(prefix="/api/models", tags=["models"])

Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Names this registration: sent again with the same key it is answered again, "
        "not done again. Without one, the same body is the same registration.",
    ),
]
REPLAYED = "Idempotent-Replayed"


@router.post("/baseline", status_code=status.HTTP_201_CREATED, response_model=ModelView)
async def register_baseline(
    request: Request,
    body: BaselineRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: Key = None,
) -> Response:
    """Register a model that is in MLflow as one that others can improve on."""
    return await _register(request, "baseline", body, caller, actor, idempotency_key)


@router.post("/improved", status_code=status.HTTP_201_CREATED, response_model=ModelView)
async def register_improved(
    request: Request,
    body: ImprovedRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: Key = None,
) -> Response:
    """Register a model that improves on another, with whose data it does."""
    return await _register(request, "improved", body, caller, actor, idempotency_key)


@router.post("/tokenized", status_code=status.HTTP_201_CREATED, response_model=ModelView)
async def register_tokenized(
    request: Request,
    body: TokenizedRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: Key = None,
) -> Response:
    """Register a version of the model behind a token. A token id belongs to its first tenant."""
    return await _register(request, "tokenized", body, caller, actor, idempotency_key)


@router.get("")
async def list_models(
    request: Request,
    reader: Reading,
    session: Session,
    wanted: Annotated[ModelFilter, Query()],
) -> Page[ModelView]:
    """Registered models of all tenants, newest first. What is private shows to its own tenant."""
    found = await service.page(session, wanted, reader)
    shown = found[: wanted.limit]
    attested = await _attestations(request)(session, [row.model_id for row in shown], reader)
    items = [service.view(row, attested.get(row.model_id, []), reader) for row in shown]
    more = encode_cursor(str(shown[-1].number)) if len(found) > wanted.limit else None
    return Page(items=items, next=more)


@router.get("/{model_id}")
async def show_model(
    request: Request, model_id: Label, reader: Reading, session: Session
) -> ModelView:
    """One registered model."""
    model = await service.find(session, model_id, reader)
    if model is None:
        raise _unknown()
    attested = await _attestations(request)(session, [model_id], reader)
    return service.view(model, attested.get(model_id, []), reader)


@router.get("/{model_id}/lineage")
async def show_lineage(
    request: Request, model_id: Label, reader: Reading, session: Session
) -> LineageView:
    """The tree from the first baseline on: what improved on what, by how much, with whose data."""
    model = await service.find(session, model_id, reader)
    if model is None:
        raise _unknown()
    return await service.lineage(session, model, reader, _attestations(request))


async def _register(
    request: Request,
    route: str,
    body: RegistrationRequest,
    caller: Registering,
    actor: CurrentActor,
    key: str | None,
) -> Response:
    registrations = state_of(request)[Registrations]
    proof = context_of(request.scope).wallet_proof
    answer = await registrations.register(caller, route, body, actor, key, proof)
    headers = {"Location": f"/api/models/{answer.document['model_id']}"}
    if answer.replayed:
        headers[REPLAYED] = "true"
    return JSONResponse(answer.document, answer.status, headers)


def _attestations(request: Request) -> AttestationsOf:
    return state_of(request)[AttestationsOf]


def _unknown() -> NotFoundError:
    return NotFoundError("There is no model with this id.")
