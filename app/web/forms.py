"""Reading the forms that pages send."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from app.core.errors import InvalidParameterError

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
