"""HTTP endpoints: the circuits whose proofs are accepted, and their keys."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from app.control_plane.proofs.circuits import Circuit, Circuits
from app.control_plane.proofs.schemas import CircuitId, CircuitsView, CircuitView
from app.core.app_state import state_of
from app.core.errors import NotFoundError, ProofRefusedError
from app.rest.dependencies import Reading

router = APIRouter(prefix="/api/proofs", tags=["proofs"])

_BINARY = "application/octet-stream"
_RESPONSES: dict[int | str, Any] = {
    200: {
        "description": "The proving key.",
        "content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/circuits")
async def circuits(request: Request, _: Reading) -> CircuitsView:
    """The circuits whose proofs this gateway accepts, with their verifying keys."""
    found = await state_of(request)[Circuits].all()
    return CircuitsView(items=[await _view(one) for one in found])


@router.get("/circuits/{circuit}/proving-key", response_class=Response, responses=_RESPONSES)
async def proving_key(request: Request, circuit: CircuitId, _: Reading) -> Response:
    """The proving key of a circuit, a .zkey file of some megabytes. It never changes."""
    try:
        found = await state_of(request)[Circuits].find(circuit)
    except ProofRefusedError:
        raise NotFoundError(
            f"There is no circuit {circuit}. GET /api/proofs/circuits lists those of this gateway."
        ) from None
    if not await asyncio.to_thread(found.proving_key.is_file):
        raise NotFoundError(f"This gateway has no proving key of the circuit {circuit}.")
    headers = {"cache-control": "private, max-age=31536000, immutable"}
    return FileResponse(found.proving_key, media_type=_BINARY, headers=headers)


async def _view(circuit: Circuit) -> CircuitView:
    has_key = await asyncio.to_thread(circuit.proving_key.is_file)
    path = f"/api/proofs/circuits/{circuit.circuit}/proving-key"
    return CircuitView(
        circuit=circuit.circuit,
        statement=circuit.statement,
        capacity=circuit.capacity,
        setup=circuit.setup,
        verifying_key=dict(circuit.document),
        proving_key=path if has_key else None,
    )
