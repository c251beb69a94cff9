"""FastAPI dependencies of the endpoints for API keys and tokens."""

from typing import Annotated

from fastapi import Depends, Request

from app.access.identity.peppers import Peppers
from app.core.app_state import state_of


def _peppers(request: Request) -> Peppers:
    return state_of(request)[Peppers]


CurrentPeppers = Annotated[Peppers, Depends(_peppers)]
