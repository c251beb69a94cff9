"""Dependencies of endpoints that read the log."""

from typing import Annotated

from fastapi import Depends, Request

from app.control_plane.transparency_log.signer import LogSigner
from app.core.app_state import state_of


def _signer(request: Request) -> LogSigner:
    return state_of(request)[LogSigner]


Signer = Annotated[LogSigner, Depends(_signer)]
