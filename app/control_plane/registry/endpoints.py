"""HTTP endpoints of the model registry: registering, listing and showing models."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, status
from fastapi.responses import JSONResponse
from starlette.responses import Response

from app.control_plane.contributors.service import find_shares
from app.control_plane.document_route import DocumentRoute
from app.control_plane.idempotency.headers import REPLAYED, IdempotencyKey
from app.control_plane.registry import lineage, listing, observations, withdrawal
from app.control_plane.registry.observations import ObservationView
from app.control_plane.registry.registration import Registrations
from app.control_plane.registry.schemas import (
    BaselineRequest,
    ImprovedRequest,
    LineageView,
    ModelFilter,
    ModelSummary,
    ModelView,
    RegistrationRequest,
    TokenizedRequest,
    WithdrawRequest,
)
from app.control_plane.registry.service import AttestationsByModel, model_view
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.rest.dependencies import ChangeSession, CurrentActor, CurrentReads, Reading, Registering
from app.rest.fields import Label
from app.rest.json_response import json_response
from app.rest.pagination import Page, PageRequest

router = APIRouter(prefix="/api/models", tags=["models"], route_class=DocumentRoute)


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


@router.get("", response_model=Page[ModelSummary])
async def list_models(
    reader: Reading, reads: CurrentReads, conditions: Annotated[ModelFilter, Query()]
) -> Response:
    """The registered models of all tenants, newest first. Private ones show to their own tenant."""
    return await listing.list_models(reads, conditions, reader)


@router.get("/{model_id}", response_model=ModelView)
async def show_model(
    request: Request, model_id: Label, reader: Reading, reads: CurrentReads
) -> Response:
    """One registered model."""
    attestations = state_of(request)[AttestationsByModel]
    return json_response(await listing.show_model(reads, model_id, reader, attestations))


@router.get("/{model_id}/lineage", response_model=LineageView)
async def show_lineage(
    request: Request,
    model_id: Label,
    reader: Reading,
    reads: CurrentReads,
    page: Annotated[PageRequest, Query()],
) -> Response:
    """The tree from the first baseline on: which model improves on which, by how much, and with
    whose data."""
    attestations = state_of(request)[AttestationsByModel]
    return json_response(
        await lineage.show_lineage(
            reads, model_id, reader, attestations, cursor=page.cursor, limit=page.limit
        )
    )


@router.get("/{model_id}/observations", response_model=Page[ObservationView])
async def list_observations(
    model_id: Label,
    reader: Reading,
    reads: CurrentReads,
    page: Annotated[PageRequest, Query()],
) -> Response:
    """What MLflow had of a model's metrics at later times, newest first; for its own tenant."""
    return await observations.list_observations(
        reads, model_id, reader, cursor=page.cursor, limit=page.limit
    )


@router.post("/{model_id}/withdraw")
async def withdraw(
    request: Request,
    model_id: Label,
    body: WithdrawRequest,
    caller: Registering,
    actor: CurrentActor,
    session: ChangeSession,
    reads: CurrentReads,
) -> ModelView:
    """Withdraw a registration: the record stays, and nothing builds on it any more.

    Withdrawing it again changes nothing. The same run or version can be registered anew.
    """
    model = await withdrawal.withdraw(session, model_id, body.reason, caller, actor)
    attestations = await state_of(request)[AttestationsByModel](reads, [model_id], caller)
    shares = await find_shares(session, model_id)
    return model_view(model, attestations[model_id], caller, shares)


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
