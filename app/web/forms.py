"""Reading the forms that pages send, and what follows them."""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError, model_validator
from starlette import status
from starlette.requests import Request
from starlette.responses import RedirectResponse

from app.core.errors import InvalidParameterError, SessionChangedError, UnprocessableError
from app.core.request.principal import Principal
from app.core.validation_errors import problems_with
from app.rest.pagination import Cursor, PageSize

M = TypeVar("M", bound=BaseModel)

MEDIA_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, by name, without white space around their values.

    Raises InvalidParameterError for a body that is not a form, or that has a field twice.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise InvalidParameterError(
            f"Send the fields as a form, with `Content-Type: {MEDIA_TYPE}`."
        )
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise InvalidParameterError("The form cannot be read. Send it again.") from None
    form = {name: value.strip() for name, value in fields}
    if len(form) < len(fields):
        raise InvalidParameterError("The form has a field twice. Send each field once.")
    return form


class Search(BaseModel):
    """The fields of a form that searches, which sends those that are not filled in as empty."""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if value != ""}
        return values


class ListSearch(Search):
    """Which entries of a list are wanted, and which page of them. Lists extend it by conditions."""

    cursor: Cursor = None
    limit: PageSize = 50

    def chosen(self) -> dict[str, Any]:
        """The conditions that are not the defaults, for links to the list."""
        return self.model_dump(
            mode="json", exclude_none=True, exclude_defaults=True, exclude={"cursor"}
        )


async def own_form(request: Request, caller: Principal) -> dict[str, str]:
    """The fields of a form that one of our own pages has shown to the caller.

    Raises SessionChangedError for a page that another session was shown: a browser has one session
    for all its tabs, and one of them may still show what its first person saw.
    """
    form = await read_form(request)
    if form.pop("session", "") != (caller.session or ""):
        raise SessionChangedError(
            f"This page was shown in another session than yours now, as {caller.id} of the tenant "
            f"{caller.tenant}. Load the page again, and repeat what you did there if it is right."
        )
    return form


def whole(text: str) -> int | str | None:
    """A whole number of a form; None where it is not filled in.

    Another text is returned unchanged, so that the API's schema says what is wrong with it.
    """
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    return text or None


def validated(schema: type[M], values: dict[str, Any]) -> M:
    """A request of the API, of the fields of a form. Raises UnprocessableError."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = problems_with(schema, error)
        raise UnprocessableError(
            "; ".join(f"{one.where or 'the form'}: {one.problem}" for one in problems)
        ) from None


def see_other(path: str) -> RedirectResponse:
    """After a form was sent: to the page on which one sees what has changed."""
    response = RedirectResponse(path, status.HTTP_303_SEE_OTHER)
    response.headers["cache-control"] = "no-store"
    return response
