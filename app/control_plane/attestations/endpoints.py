"""HTTP endpoints: attestations, and their log. Verifying needs no credential."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status

from app.control_plane.attestations import (
    canonical_json,
    listing,
    merkle,
    revocation,
    transparency_log,
)
from app.control_plane.attestations.documents import attestation_view
from app.control_plane.attestations.issuing import AttestationIssuer
from app.control_plane.attestations.log_schemas import (
    LogEntriesView,
    LogEntryView,
    LogProofView,
    LogView,
)
from app.control_plane.attestations.log_signer import LogSigner
from app.control_plane.attestations.log_verification import verify_with_log
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.models import LogEntry
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
from app.control_plane.attestations.unsigned import unsigned_members
from app.control_plane.attestations.verification import is_valid
from app.control_plane.attestations.well_known import attestor_view
from app.control_plane.body_reader import MAX_DOCUMENT, DocumentRoute
from app.control_plane.contributors.shares import Address
from app.core.app_state import state_of
from app.core.errors import InvalidParameterError, UnprocessableError
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
        ("GET", "/api/attestations/log"),
        ("GET", "/api/attestations/log/proof"),
        ("GET", "/api/attestations/log/entries"),
        ("GET", "/.well-known/hokusai-attestor.json"),
    }
)

TreeSize = Annotated[int, Query(ge=0, le=2**53)]
_NOTE = "text/plain; charset=utf-8"


def _signer(request: Request) -> LogSigner:
    return state_of(request)[LogSigner]


async def _strict_body(request: Request) -> Any:
    """The body as unambiguous JSON: what is hashed must not depend on the reader."""
    body = await request.body()
    documents, context = state_of(request)[Documents], context_of(request.scope)
    return await documents.work(context, len(body), canonical_json.parse, body)


Signer = Annotated[LogSigner, Depends(_signer)]
StrictBody = Annotated[Any, Depends(_strict_body)]


@router.post("", status_code=status.HTTP_201_CREATED)
async def issue(
    request: Request,
    _: StrictBody,
    body: AttestationRequest,
    caller: Attesting,
    actor: CurrentActor,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="Identifies this request: a repetition with the same key gets the same "
            "attestation. Without a key, the same body is the same request.",
        ),
    ] = None,
) -> AttestationView:
    """Attest a model, or that a model improves on a baseline.

    The attestation is signed and added to a public log. The same request, or the same
    Idempotency-Key, gets the same attestation again.
    """
    issuer = state_of(request)[AttestationIssuer]
    proof = context_of(request.scope).wallet_proof
    return await issuer.issue(caller, body, actor, idempotency_key, proof)


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
async def verify(request: Request, document: StrictBody, signer: Signer) -> VerificationView:
    """Verify an attestation: whether it is valid, and the result of each check.

    Members that nobody signed are named in `unsigned`: anybody can have added them.
    """
    if not isinstance(document, dict) or len(document) > MAX_MEMBERS:
        raise UnprocessableError(f"An attestation is an object of at most {MAX_MEMBERS} members.")
    services, context = state_of(request), context_of(request.scope)
    # In a thread for any size, because each takes milliseconds to verify.
    run = partial(services[Documents].work, context, MAX_DOCUMENT)
    checks = await verify_with_log(services[Database], document, signer.attestor, run)
    return VerificationView(
        valid=is_valid(checks),
        checks={name: CheckView.model_validate(check) for name, check in checks.items()},
        unsigned=unsigned_members(document),
    )


@router.get("/log")
async def checkpoint(
    request: Request, response: Response, session: Session, signer: Signer
) -> LogView:
    """The signed checkpoint (C2SP tlog-checkpoint) of the log's present state.

    With `Accept: text/plain` the response is the signed note alone.
    """
    current = await signer.checkpoint(session)
    note = signer.sign(current)
    accepted = request.headers.get("accept", "")
    if "text/plain" in accepted and "application/json" not in accepted:
        return Response(note, media_type=_NOTE, headers={"vary": "accept"})  # type: ignore[return-value]
    response.headers["vary"] = "accept"
    return LogView(
        origin=current.origin,
        tree_size=current.size,
        root_hash=current.root.hex(),
        checkpoint=note,
        key=str(signer.attestor.checkpoint_signer.verifier),
    )


@router.get("/log/proof")
async def proof(
    session: Session,
    index: TreeSize | None = None,
    tree_size: TreeSize | None = None,
    first: TreeSize | None = None,
    second: TreeSize | None = None,
) -> LogProofView:
    """Prove that the log contains an entry, or that it has only grown.

    `index`: the entry is in the tree of `tree_size` entries (RFC 6962, section 2.1.1). `first`: the
    tree of `second` entries extends that of `first` (section 2.1.2). `tree_size` and `second` are
    the present size of the log by default.
    """
    if (index is None) == (first is None):
        raise InvalidParameterError("Give `index` for an inclusion proof, or `first` and `second`.")
    size = await transparency_log.size(session)
    if index is not None:
        size = size if tree_size is None else tree_size
        path = await transparency_log.inclusion_proof(session, index, size)
        (entry,) = await transparency_log.entries(session, index, 1)
        return LogProofView(
            kind="inclusion",
            index=index,
            tree_size=size,
            leaf_hash=_leaf_hash(entry),
            root_hash=(await transparency_log.root(session, size)).hex(),
            proof=[node_hash.hex() for node_hash in path],
        )
    assert first is not None
    size = size if second is None else second
    path = await transparency_log.consistency_proof(session, first, size)
    return LogProofView(
        kind="consistency",
        first=first,
        tree_size=size,
        first_root_hash=(await transparency_log.root(session, first)).hex(),
        root_hash=(await transparency_log.root(session, size)).hex(),
        proof=[node_hash.hex() for node_hash in path],
    )


@router.get("/log/entries")
async def entries(
    session: Session,
    start: TreeSize = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LogEntriesView:
    """The log's entries from `start` on, for those who copy or monitor the log."""
    size = await transparency_log.size(session)
    page = [
        entry
        for entry in await transparency_log.entries(session, start, limit)
        # Not those that were added since the size was read.
        if entry.index < size
    ]
    following = start + len(page)
    return LogEntriesView(
        entries=[
            LogEntryView(
                index=entry.index,
                kind=entry.kind,
                attestation=entry.attestation,
                entry=entry.text,
                leaf_hash=_leaf_hash(entry),
            )
            for entry in page
        ],
        tree_size=size,
        next=following if page and following < size else None,
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
    actor: CurrentActor,
) -> AttestationView:
    """Revoke an attestation: the log says that it no longer holds. It stays readable."""
    address = signer.attestor.address
    row = await revocation.revoke(session, digest, body.reason, caller, actor, address)
    return await attestation_view(session, row, signer)


@well_known.get("/.well-known/hokusai-attestor.json")
async def describe(session: Session, signer: Signer) -> AttestorView:
    """The attestors to trust, the types that they sign, and the keys of the log."""
    return await attestor_view(session, signer)


def _leaf_hash(entry: LogEntry) -> str:
    return merkle.leaf_hash(entry.text.encode()).hex()
