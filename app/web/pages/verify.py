"""GET /verify: checking an attestation in the browser. The page needs no credential."""

import base64
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.well_known import attestor_view
from app.control_plane.proofs.circuits import Circuits
from app.control_plane.transparency_log.signer import LogSigner
from app.core.app_state import state_of
from app.rest.dependencies import Session
from app.web.rendering import page
from app.web.static_files import static_text

router = APIRouter(include_in_schema=False)

SAVED = "/verify/hokusai-verify.html"
PUBLIC = frozenset({("GET", "/verify"), ("GET", SAVED)})

_STYLE = static_text("style.css")
_SCRIPTS = (static_text("hokusai-verify.js"), static_text("verify.js"))


def _digest(text: str) -> str:
    """A source of a Content-Security-Policy: this text, wherever it is."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# The file is opened from a disk, where nothing but this policy keeps it from sending anything.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {' '.join(map(_digest, _SCRIPTS))}",
        f"style-src {_digest(_STYLE)}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    )
)


async def known_attestor(request: Request, session: Session) -> dict[str, Any]:
    """What `/.well-known/hokusai-attestor.json` says, for the parts of `verification.html`."""
    services = state_of(request)
    view = await attestor_view(session, services[LogSigner], services[Attestor], services[Circuits])
    return view.model_dump(mode="json")


Known = Annotated[dict[str, Any], Depends(known_attestor)]


@router.get("/verify")
async def verify(request: Request, known: Known) -> Response:
    """The page."""
    return page(request, "verify.html", known=known)


@router.get(SAVED)
async def saved(request: Request, known: Known) -> Response:
    """The page as one file to keep, which works without a network."""
    return page(
        request,
        "verify_saved.html",
        headers={"content-disposition": 'attachment; filename="hokusai-verify.html"'},
        known=known,
        policy=_POLICY,
        scripts=_SCRIPTS,
        style=_STYLE,
    )
