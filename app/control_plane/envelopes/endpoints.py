"""HTTP endpoints: what the gateway says in the forms that other people's tools check."""

from collections.abc import Callable
from typing import Any, ParamSpec

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.control_plane.attestations.endpoints import SigningKey
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.schemas import Hash
from app.control_plane.body_reader import MAX_DOCUMENT
from app.control_plane.envelopes import mlbom
from app.control_plane.envelopes.attestation_bundle import find_statement
from app.control_plane.envelopes.model_signature import find_witnessed, signed_model
from app.control_plane.envelopes.sigstore_bundle import MEDIA_TYPE, signed_bundle
from app.control_plane.transparency_log.dependencies import Signer
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.database.engine import Database
from app.edge.documents import Documents
from app.rest.dependencies import CurrentReads, Reading, Session
from app.rest.fields import Label
from app.rest.public_address import public_address

P = ParamSpec("P")

models = APIRouter(prefix="/api/models", tags=["models"])
attestations = APIRouter(prefix="/api/attestations", tags=["attestations"])
well_known = APIRouter(tags=["attestations"])

KEY_PATH = "/.well-known/hokusai.pub"
PUBLIC = frozenset({("GET", KEY_PATH)})

_PEM = "application/x-pem-file"


def _described(media_type: str, description: str, kind: str = "string") -> dict[int | str, Any]:
    """A response that is not the JSON of a schema, for the OpenAPI document."""
    content = {media_type: {"schema": {"type": kind}}}
    return {200: {"description": description, "content": content}}


@attestations.get(
    "/{digest}/bundle",
    response_class=Response,
    responses=_described(MEDIA_TYPE, "A Sigstore bundle with an in-toto statement.", "object"),
)
async def bundle(
    request: Request, digest: Hash, caller: Reading, signer: Signer, attestor: SigningKey
) -> Response:
    """An attestation as a Sigstore bundle, for cosign and other public tools.

    It states only what does not change, so that it is the same each time. An attestation that was
    revoked gets none.
    """
    services = state_of(request)
    async with services[Database].transaction() as session:
        await signer.ensure_registered(session)
        statement = await find_statement(session, digest, caller, signer.verifier.name)
    text = await _in_thread(request, signed_bundle, statement, attestor.envelope_key)
    return download(text, MEDIA_TYPE, f"attestation-{digest[:12]}.sigstore.json")


@attestations.get(
    "/{digest}/bytes",
    response_class=Response,
    responses=_described("application/octet-stream", "The bytes whose SHA-256 is the hash."),
)
async def exact_bytes(digest: Hash, caller: Reading, session: Session) -> Response:
    """The exact bytes of an attestation as a file, whose SHA-256 is its hash."""
    row = await find_attestation(session, digest, caller)
    return download(row.text, "application/octet-stream", f"attestation-{digest[:12]}.bytes")


@models.get(
    "/{model_id}/model.sig",
    response_class=Response,
    responses=_described(MEDIA_TYPE, "A signature of OpenSSF Model Signing v1.0.", "object"),
)
async def model_signature(
    request: Request, model_id: Label, caller: Reading, signer: Signer, attestor: SigningKey
) -> Response:
    """The signature of a model's files, for `model_signing verify key` (OpenSSF Model Signing).

    The gateway signs only files that it has read in MLflow, and none of a withdrawn model.
    """
    async with state_of(request)[Database].transaction() as session:
        await signer.ensure_registered(session)
        model, files = await find_witnessed(session, model_id, caller)
    text = await _in_thread(request, signed_model, model, files, attestor.envelope_key)
    return download(text, MEDIA_TYPE, "model.sig")


@models.get(
    "/{model_id}/mlbom.json",
    response_class=Response,
    responses=_described(mlbom.MEDIA_TYPE, "A bill of materials of CycloneDX 1.6.", "object"),
)
async def bill_of_materials(
    request: Request, model_id: Label, caller: Reading, reads: CurrentReads
) -> Response:
    """The bill of materials of a model (CycloneDX 1.6): files, metrics, data, attestations.

    It repeats what the registry shows to the caller, and is not signed.
    """
    async with state_of(request)[Database].transaction() as session:
        materials = await mlbom.find_materials(session, reads, model_id, caller)
    text = await _in_thread(request, mlbom.ml_bom, materials, public_address(request))
    return download(text, mlbom.MEDIA_TYPE, "mlbom.json")


@well_known.get(
    KEY_PATH,
    response_class=Response,
    responses=_described(_PEM, "A public key of P-256 in PEM."),
)
async def public_key(session: Session, signer: Signer, attestor: SigningKey) -> Response:
    """The public key in use that verifies bundles and signatures of models."""
    await signer.ensure_registered(session)
    return Response(attestor.envelope_key.pem, media_type=_PEM)


async def _in_thread(
    request: Request, make: Callable[P, str], *args: P.args, **kwargs: P.kwargs
) -> str:
    """A text that takes milliseconds to make, and that no database connection waits for.

    Raises as `Documents.work`.
    """
    documents, context = state_of(request)[Documents], context_of(request.scope)
    # In a thread, whatever the size.
    return await documents.work(context, MAX_DOCUMENT, make, *args, **kwargs)


def download(content: str, media_type: str, name: str) -> Response:
    """A file that a browser stores."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content.encode(), media_type=media_type, headers=headers)
