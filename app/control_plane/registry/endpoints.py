"""HTTP endpoints of the model registry: registering, listing and showing models."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, status
from fastapi.responses import JSONResponse
from starlette.responses import Response

from app.control_plane.body_reader import DocumentRoute
from app.control_plane.registry import service
from app.control_plane.registry.models import Model
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
from app.control_plane.registry.service import AttestationsByModel
from app.core.app_state import state_of
from app.core.errors import NotFoundError
from app.core.request.context import context_of
from app.rest.dependencies import CurrentActor, Reading, Registering, Session
from app.rest.fields import Label
from app.rest.pagination import Page

router = APIRouter(prefix="/api/models", tags=["models"], route_class=DocumentRoute)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Identifies this registration: a repetition with the same key gets the same "
        "response, and registers nothing again. Without a key, the same body is the same "
        "registration.",
    ),
]
REPLAYED = "Idempotent-Replayed"


@router.post("/baseline", status_code=status.HTTP_201_CREATED, response_model=ModelView)
async def register_baseline(
    request: Request,
    body: BaselineRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register a model in MLflow as a baseline, which others can improve on."""
    return await _register(request, "baseline", body, caller, actor, idempotency_key)


@router.post("/improved", status_code=status.HTTP_201_CREATED, response_model=ModelView)
async def register_improved(
    request: Request,
    body: ImprovedRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register a model that improves on a registered one, and the contributors of its data."""
    return await _register(request, "improved", body, caller, actor, idempotency_key)


@router.post("/tokenized", status_code=status.HTTP_201_CREATED, response_model=ModelView)
async def register_tokenized(
    request: Request,
    body: TokenizedRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register a version of the model behind a token.

    A token id belongs to the tenant that registers it first; others get 409.
    """
    return await _register(request, "tokenized", body, caller, actor, idempotency_key)


@router.get("")
async def list_models(
    request: Request,
    reader: Reading,
    session: Session,
    conditions: Annotated[ModelFilter, Query()],
) -> Page[ModelView]:
    """The registered models of all tenants, newest first. Private ones show to their own tenant."""
    rows = await service.list_models(session, conditions, reader)
    ids = [row.model_id for row in rows[: conditions.limit]]
    attestations = await state_of(request)[AttestationsByModel](session, ids, reader)
    return Page.of(
        rows,
        conditions.limit,
        key=lambda row: row.number,
        view=lambda row: service.model_view(row, attestations.get(row.model_id, []), reader),
    )


@router.get("/{model_id}")
async def show_model(
    request: Request, model_id: Label, reader: Reading, session: Session
) -> ModelView:
    """One registered model."""
    model = await _find(session, model_id, reader)
    attestations = await state_of(request)[AttestationsByModel](session, [model_id], reader)
    return service.model_view(model, attestations.get(model_id, []), reader)


@router.get("/{model_id}/lineage")
async def show_lineage(
    request: Request, model_id: Label, reader: Reading, session: Session
) -> LineageView:
    """The tree from the first baseline on: which model improves on which, by how much, and with
    whose data."""
    model = await _find(session, model_id, reader)
    return await service.lineage_view(
        session, model, reader, state_of(request)[AttestationsByModel]
    )


async def _find(session: Session, model_id: str, reader: Reading) -> Model:
    model = await service.find_model(session, model_id, reader)
    if model is None:
        raise NotFoundError("There is no model with this id.")
    return model


async def _register(
    request: Request,
    route: str,
    body: RegistrationRequest,
    caller: Registering,
    actor: CurrentActor,
    idempotency_key: str | None,
) -> Response:
    registrations = state_of(request)[Registrations]
    proof = context_of(request.scope).wallet_proof
    response = await registrations.register(caller, route, body, actor, idempotency_key, proof)
    headers = {"Location": f"/api/models/{response.document['model_id']}"}
    if response.replayed:
        headers[REPLAYED] = "true"
    return JSONResponse(response.document, response.status, headers)
