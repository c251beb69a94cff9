"""Attestations and their log over HTTP. Checking them takes no credential."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status

from app.control_plane.attestations import canonical_json, merkle, transparency_log
from app.control_plane.attestations.schemas import (
    AttestationRequest,
    AttestationView,
    AttestorView,
    CheckView,
    Hash,
    LogEntriesView,
    LogEntryView,
    LogProofView,
    LogView,
    MintRequestView,
    RevokeRequest,
    VerificationView,
)
from app.control_plane.attestations.service import Attestations
from app.core.app_state import state_of
from app.core.errors import InvalidParameterError, UnprocessableError
from app.core.request.context import context_of
from app.core.text_pattern import TextPattern
from app.rest.dependencies import (
    Attesting,
    ChangeSession,
    CurrentActor,
    Reading,
    Session,
)

router = APIRouter(prefix="/api/attestations", tags=["attestations"])
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
ChainModelId = Annotated[
    str,
    TextPattern(
        r"^(0|[1-9][0-9]{0,76})$", "must be a whole number of 1 to 77 digits, without leading zeros"
    ),
]
_CHECKPOINT = "text/plain; charset=utf-8"


def _service(request: Request) -> Attestations:
    return state_of(request)[Attestations]


async def _strict(request: Request) -> Any:
    """The body as JSON that can be read in one way only: what is hashed must not be a guess."""
    return canonical_json.parse(await request.body())


Service = Annotated[Attestations, Depends(_service)]
StrictBody = Annotated[Any, Depends(_strict)]


@router.post("", status_code=status.HTTP_201_CREATED)
async def issue(
    request: Request,
    _: StrictBody,
    body: AttestationRequest,
    caller: Attesting,
    service: Service,
    actor: CurrentActor,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> AttestationView:
    """Attest a model, or that it improves on a baseline.

    The same request again, or the same Idempotency-Key, gets the same attestation.
    """
    proof = context_of(request.scope).wallet_proof
    document = await service.issue(caller, body, actor, idempotency_key, proof)
    return AttestationView.model_validate(document)


@router.post(
    "/verify",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "An attestation as it was answered.",
            # Whatever is sent is looked at: what it lacks of an AttestationView is the answer.
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"hash": "9f" * 32, "kind": "witnessed", "data": {"…": "…"}},
                }
            },
        }
    },
)
async def verify(document: StrictBody, session: Session, service: Service) -> VerificationView:
    """Check an attestation as it was answered: what holds, and what does not."""
    if not isinstance(document, dict):
        raise UnprocessableError("An attestation is a JSON object.")
    valid, checks = await service.verify(session, document)
    return VerificationView(
        valid=valid,
        checks={name: CheckView.model_validate(check) for name, check in checks.items()},
    )


@router.get(
    "/log",
    responses={
        200: {
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "description": "The signed note; JSON where Accept asks for it.",
        }
    },
)
async def checkpoint(
    request: Request, response: Response, session: Session, service: Service
) -> LogView:
    """The log's newest checkpoint (C2SP tlog-checkpoint), signed."""
    found = await service.checkpoint(session)
    signer = service.attestor.checkpoints
    note = signer.sign(found.size, found.root)
    if "application/json" not in request.headers.get("accept", ""):
        return Response(note, media_type=_CHECKPOINT, headers={"vary": "accept"})  # type: ignore[return-value]
    response.headers["vary"] = "accept"
    return LogView(
        origin=found.origin,
        tree_size=found.size,
        root_hash=found.root.hex(),
        checkpoint=note,
        key=str(signer.verifier),
    )


@router.get("/log/proof")
async def proof(
    session: Session,
    index: TreeSize | None = None,
    tree_size: TreeSize | None = None,
    first: TreeSize | None = None,
    second: TreeSize | None = None,
) -> LogProofView:
    """That an entry is in the log (`index`), or that the log only grew (`first`, `second`).

    `tree_size` and `second` are the log's newest size by default.
    """
    if (index is None) == (first is None):
        raise InvalidParameterError("Give `index` for an inclusion proof, or `first` and `second`.")
    size = await transparency_log.size(session)
    if index is not None:
        size = size if tree_size is None else tree_size
        path = await transparency_log.inclusion(session, index, size)
        found = await transparency_log.entries(session, index, 1)
        return LogProofView(
            kind="inclusion",
            index=index,
            tree_size=size,
            leaf_hash=merkle.leaf_hash(found[0].text.encode()).hex(),
            root_hash=(await transparency_log.root(session, size)).hex(),
            proof=[item.hex() for item in path],
        )
    assert first is not None
    size = size if second is None else second
    path = await transparency_log.consistency(session, first, size)
    return LogProofView(
        kind="consistency",
        first=first,
        tree_size=size,
        first_root_hash=(await transparency_log.root(session, first)).hex(),
        root_hash=(await transparency_log.root(session, size)).hex(),
        proof=[item.hex() for item in path],
    )


@router.get("/log/entries")
async def entries(
    session: Session,
    start: TreeSize = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LogEntriesView:
    """The log's entries, for whoever keeps a copy or watches it."""
    size = await transparency_log.size(session)
    found = [
        entry
        for entry in await transparency_log.entries(session, start, limit)
        if entry.index < size
    ]
    after = start + len(found)
    return LogEntriesView(
        entries=[
            LogEntryView(
                index=entry.index,
                kind=entry.kind,
                attestation=entry.attestation,
                entry=entry.text,
                leaf_hash=merkle.leaf_hash(entry.text.encode()).hex(),
            )
            for entry in found
        ],
        tree_size=size,
        next=after if found and after < size else None,
    )


@router.get("/{digest}")
async def show(
    digest: Hash, caller: Reading, session: Session, service: Service
) -> AttestationView:
    """An attestation by its hash, with an inclusion proof for the log as it is now."""
    row = await service.find(session, digest, caller)
    return AttestationView.model_validate(await service.document(session, row))


@router.post("/{digest}/revoke")
async def revoke(
    digest: Hash,
    body: RevokeRequest,
    caller: Attesting,
    session: ChangeSession,
    service: Service,
    actor: CurrentActor,
) -> AttestationView:
    """Say in the log that an attestation no longer holds. It stays readable."""
    return AttestationView.model_validate(
        await service.revoke(session, digest, body.reason, caller, actor)
    )


@router.get("/{digest}/mint-request")
async def mint_request(
    digest: Hash,
    caller: Attesting,
    session: Session,
    service: Service,
    chain_model_id: ChainModelId | None = None,
) -> MintRequestView:
    """The chain side's MintRequest (EIP-712), unsigned and signed; valid for a day.

    `chain_model_id` is the model's number on the chain; by default it is derived from its name.
    """
    model = None if chain_model_id is None else int(chain_model_id)
    if model is not None and model >= 2**256:
        raise InvalidParameterError("chain_model_id is above what 256 bits hold.")
    return MintRequestView.model_validate(await service.mint(session, digest, caller, model))


@well_known.get("/.well-known/hokusai-attestor.json")
async def describe(session: Session, service: Service) -> AttestorView:
    """Whose signatures to believe, over which types, and the key of the log."""
    return AttestorView.model_validate(await service.describe(session))
