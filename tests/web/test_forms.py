"""Reading the forms that pages send."""

import pytest
from starlette.requests import Request

from app.core.errors import InvalidParameterError
from app.web.forms import read_form


def form(body: bytes, media_type: str = "application/x-www-form-urlencoded") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", media_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def test_fields_are_read_by_name() -> None:
    read = await read_form(form(b"name=my+key%20&note=&word=%C3%A9"))
    assert read == {"name": "my key", "note": "", "word": "é"}
    assert await read_form(form(b"")) == {}


@pytest.mark.parametrize(
    "request_",
    [
        form(b"a=1&a=2"),
        form(b"a=%FF"),
        form("a=é".encode()),
        form(b"&".join(b"f%d=1" % number for number in range(101))),
        form(b'{"a": 1}', "application/json"),
    ],
)
async def test_what_is_no_form_is_refused(request_: Request) -> None:
    with pytest.raises(InvalidParameterError):
        await read_form(request_)
