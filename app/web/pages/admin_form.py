"""The forms of the pages for admins."""

from typing import Annotated

from fastapi import Depends, Request

from app.rest.dependencies import Admin
from app.web.forms import own_form


async def _form(request: Request, admin: Admin) -> dict[str, str]:
    """The fields of a form that the admin's own session was shown. Raises as `own_form`."""
    return await own_form(request, admin)


AdminForm = Annotated[dict[str, str], Depends(_form)]
