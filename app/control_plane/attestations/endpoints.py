"""HTTP endpoints: attestations. Verifying needs no credential."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status

from app.control_plane.attestations import listing, revocation
from app.control_plane.attestations.documents import attestation_view
from app.control_plane.attestations.issuing import AttestationIssuer
from app.control_plane.attestations.log_verification import verify_with_log
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.schemas import (
    AttestationFilter,
    AttestationRequest,
    AttestationSummary,
    AttestationView,
    AttestorView,
    CheckView,
    Hash,
    RevokeRequest,
    VerificationView,
)
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.unsigned import unsigned_members
from app.control_plane.attestations.verification import is_valid
from app.control_plane.attestations.well_known import attestor_view
from app.control_plane.body_reader import DOCUMENT, MAX_DOCUMENT
from app.control_plane.contributors.shares import Address
from app.control_plane.document_route import DirectRoute, DocumentRoute
from app.control_plane.idempotency.headers import IdempotencyKey
from app.control_plane.proofs.circuits import Circuits
from app.control_plane.transparency_log.dependencies import Signer
from app.core import canonical_json
from app.core.app_state import state_of
from app.core.errors import UnprocessableError
from app.core.request.context import context_of
from app.database.engine import Database
from app.edge.documents import Documents
from app.rest.dependencies import (
    Attesting,
    ChangeSession,
    CurrentActor,
    CurrentReads,
    Reading,
    Session,
)
from app.rest.pagination import Page, PageRequest
from app.rest.request_model import MAX_MEMBERS

router = APIRouter(prefix="/api/attestations", tags=["attestations"], route_class=DocumentRoute)
contributors = APIRouter(prefix="/api/contributors", tags=["contributors"])
well_known = APIRouter(tags=["attestations"])

PUBLIC = frozenset(
    {
        ("POST", "/api/attestations/verify"),
        ("GET", "/.well-known/hokusai-attestor.json"),
    }
)


def _attestor(request: Request) -> Attestor:
    return state_of(request)[Attestor]


async def _strict_body(request: Request) -> Any:
    """The body as unambiguous JSON: what is hashed must not depend on the reader."""
    body = await request.body()
    documents, context = state_of(request)[Documents], context_of(request.scope)
    return await documents.work(context, len(body), canonical_json.parse, body)


SigningKey = Annotated[Attestor, Depends(_attestor)]
StrictBody = Annotated[Any, Depends(_strict_body)]


async def issue(
    request: Request,
    body: AttestationRequest,
    caller: Attesting,
    actor: CurrentActor,
    idempotency_key: IdempotencyKey = None,
) -> AttestationView:
    """Attest a model, or that a model improves on a baseline.

    The attestation is signed and added to a public log. The same request, or the same
    Idempotency-Key, gets the same attestation again.
    """
    # What is hashed must not depend on the reader.
    canonical_json.require_reliable(request.scope[DOCUMENT])
    issuer = state_of(request)[AttestationIssuer]
    proof = context_of(request.scope).wallet_proof
    return await issuer.issue(caller, body, actor, idempotency_key, proof)


router.add_api_route(
    "",
    issue,
    methods=["POST"],
    status_code=status.HTTP_201_CREATED,
    route_class_override=DirectRoute,
)


@router.post(
    "/verify",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "An attestation, as this gateway returned it.",
            # Any object: what it lacks of an AttestationView is reported in the response.
            "content": {
                "application/json": {
                    "schema": {"type": "object", "maxProperties": MAX_MEMBERS},
                    "example": {"hash": "9f" * 32, "kind": "witnessed", "data": {"…": "…"}},
                }
            },
        }
    },
)
async def verify(request: Request, document: StrictBody, attestor: SigningKey) -> VerificationView:
    """Verify an attestation: whether it is valid, and the result of each check.

    Members that nobody signed are named in `unsigned`: anybody can have added them.
    """
    if not isinstance(document, dict) or len(document) > MAX_MEMBERS:
        raise UnprocessableError(f"An attestation is an object of at most {MAX_MEMBERS} members.")
    services, context = state_of(request), context_of(request.scope)
    # In a thread for any size, because each takes milliseconds to verify.
    run = partial(services[Documents].work, context, MAX_DOCUMENT)
    checks = await verify_with_log(services[Database], document, attestor, run)
    return VerificationView(
        valid=is_valid(checks),
        checks={name: CheckView.model_validate(check) for name, check in checks.items()},
        unsigned=unsigned_members(document),
    )


@router.get("", response_model=Page[AttestationSummary])
async def list_attestations(
    reader: Reading, reads: CurrentReads, conditions: Annotated[AttestationFilter, Query()]
) -> Response:
    """The attestations of all tenants, newest first. Private ones show to their own tenant."""
    return await listing.list_attestations(reads, conditions, reader)


@contributors.get("/{address}/attestations", response_model=Page[AttestationSummary])
async def list_of_contributor(
    address: Annotated[Address, Path(description="An Ethereum address, in any casing.")],
    reader: Reading,
    reads: CurrentReads,
    page: Annotated[PageRequest, Query()],
) -> Response:
    """The attestations that name a contributor, newest first."""
    conditions = AttestationFilter(contributor=address, cursor=page.cursor, limit=page.limit)
    return await listing.list_attestations(reads, conditions, reader)


@router.get("/{digest}")
async def show(digest: Hash, caller: Reading, session: Session, signer: Signer) -> AttestationView:
    """An attestation by its hash, with an inclusion proof for the log's present state."""
    row = await find_attestation(session, digest, caller)
    return await attestation_view(session, row, signer)


@router.post("/{digest}/revoke")
async def revoke(
    digest: Hash,
    body: RevokeRequest,
    caller: Attesting,
    session: ChangeSession,
    signer: Signer,
    attestor: SigningKey,
    actor: CurrentActor,
) -> AttestationView:
    """Revoke an attestation: the log says that it no longer holds. It stays readable."""
    row = await revocation.revoke(session, digest, body.reason, caller, actor, attestor.address)
    return await attestation_view(session, row, signer)


@well_known.get("/.well-known/hokusai-attestor.json")
async def describe(
    request: Request, session: Session, signer: Signer, attestor: SigningKey
) -> AttestorView:
    """The attestors to trust, the types that they sign, the keys of the log, and the circuits."""
    return await attestor_view(session, signer, attestor, state_of(request)[Circuits])
