"""JSON objects in requests that the registry stores unchanged."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator

from app.core.json_data import check_json_data
from app.rest.fields import refuse_secret


def check_document(value: Any) -> Any:
    """Return a JSON value that every parser reads the same and that PostgreSQL can store.

    Raises ValueError for what `check_json_data` refuses, for NUL, and for an API key or token.
    """
    check_json_data(value, allow_nul=False)
    refuse_secret(json.dumps(value))
    return value


# A JSON object.
Document = Annotated[dict[str, Any], AfterValidator(check_document)]
