"""The pages of attestations: the list, and one with all that is needed to check it."""

import base64
import json
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.control_plane.attestations import endpoints
from app.control_plane.attestations.endpoints import SigningKey
from app.control_plane.attestations.listing import load_attestations
from app.control_plane.attestations.schemas import (
    AttestationFilter,
    AttestationView,
    EvidenceKind,
    Hash,
    RevokeRequest,
)
from app.control_plane.attestations.well_known import attestor_view
from app.control_plane.proofs.circuits import Circuits
from app.control_plane.registry.deltas import Delta
from app.control_plane.transparency_log.dependencies import Signer
from app.core.app_state import state_of
from app.core.errors import UnprocessableError
from app.core.request.principal import Principal, Scope
from app.rest.dependencies import (
    Attesting,
    ChangeSession,
    CurrentActor,
    CurrentReads,
    Reading,
    Session,
)
from app.web.forms import ListSearch, own_form, see_other, validated
from app.web.pages.metrics import Metric, sorted_metrics
from app.web.rendering import page, paging

router = APIRouter(prefix="/attestations", include_in_schema=False)

# A longer document is no link any more; it can be downloaded.
LONGEST_LINK = 24_000
# Members of the data that the page shows in tables of their own.
_IN_TABLES = frozenset(
    {
        "metrics",
        "metric_sources",
        "baseline",
        "delta",
        "contributors",
        "primary_metric",
        "delta_one",
        "evaluation",
        "files",
        "model_id",
        "model_name",
        "model_version",
        "run_id",
        "kind",
    }
)
Part = Literal["attestation.json", "data.json", "eas.json", "checkpoint.txt"]


async def _form(request: Request, caller: Attesting) -> dict[str, str]:
    return await own_form(request, caller)


RevocationForm = Annotated[dict[str, str], Depends(_form)]


class AttestationSearch(ListSearch, AttestationFilter):
    """The conditions of the API."""


@router.get("")
async def list_attestations(
    request: Request,
    reader: Reading,
    reads: CurrentReads,
    conditions: Annotated[AttestationSearch, Query()],
) -> Response:
    """The attestations, as the API lists them."""
    attestations, following = await load_attestations(reads, conditions, reader)
    return page(
        request,
        "attestations/list.html",
        compress=True,
        attestations=attestations,
        kinds=get_args(EvidenceKind),
        conditions=conditions,
        **paging(conditions, following),
    )


@router.get("/{digest}")
async def show(
    request: Request,
    digest: Hash,
    reader: Reading,
    session: Session,
    signer: Signer,
    attestor: SigningKey,
) -> Response:
    """One attestation."""
    view = await endpoints.show(digest, reader, session, signer)
    document = view.model_dump(mode="json")
    known = await attestor_view(session, signer, attestor, state_of(request)[Circuits])
    return page(
        request,
        "attestations/show.html",
        compress=True,
        view=view,
        document=document,
        data=view.data,
        metrics=metrics_of(view.data),
        sources=view.data.get("metric_sources", {}),
        others={name: one for name, one in view.data.items() if name not in _IN_TABLES},
        known=known.model_dump(mode="json"),
        link=link_to(document),
        parts=get_args(Part),
        may_revoke=view.revoked is None and _may_revoke(view, reader),
    )


@router.post("/{digest}/revoke")
async def revoke(
    digest: Hash,
    form: RevocationForm,
    caller: Attesting,
    session: ChangeSession,
    signer: Signer,
    attestor: SigningKey,
    actor: CurrentActor,
) -> Response:
    """Revoke an attestation, and show its page again."""
    if "sure" not in form:
        raise UnprocessableError("Confirm that you want to revoke it: this cannot be undone.")
    body = validated(RevokeRequest, {"reason": form.get("reason", "")})
    await endpoints.revoke(digest, body, caller, session, signer, attestor, actor)
    return see_other(f"/attestations/{digest}")


def _may_revoke(view: AttestationView, reader: Principal) -> bool:
    """Whether the API would revoke it for a principal."""
    is_own = view.data["tenant"] == reader.tenant
    return Scope.ATTEST in reader.scopes and (is_own or Scope.ADMIN in reader.scopes)


@router.get("/{digest}/{part}")
async def download(
    digest: Hash, part: Part, reader: Reading, session: Session, signer: Signer
) -> Response:
    """A part of an attestation, as a file."""
    view = await endpoints.show(digest, reader, session, signer)
    name = f"attestation-{digest[:12]}-{part}".replace("-attestation.json", ".json")
    return Response(
        _text_of(view, part),
        media_type="text/plain" if part.endswith(".txt") else "application/json",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


def _text_of(view: AttestationView, part: Part) -> str:
    """What a file contains."""
    if part == "data.json":
        return view.text
    if part == "checkpoint.txt":
        return view.log.checkpoint
    document = view.model_dump(mode="json")
    return json.dumps(document if part == "attestation.json" else view.eas, ensure_ascii=False)


def link_to(document: dict[str, Any]) -> str | None:
    """Where people without an account check a document, which is in the link's fragment.

    A browser keeps the fragment to itself. None for a document that is too long for a link.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > LONGEST_LINK:
        return None
    return f"/verify#attestation={base64.urlsafe_b64encode(text).decode().rstrip('=')}"


def metrics_of(data: dict[str, Any]) -> list[Metric]:
    """The attested metrics, in the order of `sorted_metrics`."""
    deltas = {name: Delta.model_validate(delta) for name, delta in data["delta"].items()}
    return sorted_metrics(data["metrics"], deltas, data["primary_metric"])
