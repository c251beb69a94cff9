"""JSON objects in requests that the registry stores unchanged."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator

from app.core.json_data import check_json_data
from app.core.redaction import has_secret


def check_document(value: Any) -> Any:
    """The JSON value itself, if every reader reads the same in it and PostgreSQL can store it.

    Raises ValueError for what `check_json_data` refuses, for NUL, and for an API key or token,
    which must not be stored in clear.
    """
    check_json_data(value, allow_nul=False)
    if has_secret(json.dumps(value)):
        raise ValueError("this holds an API key or token, which must not be kept in clear")
    return value


# A JSON object.
Document = Annotated[dict[str, Any], AfterValidator(check_document)]
