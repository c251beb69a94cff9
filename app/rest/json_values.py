"""JSON objects in requests that the registry stores unchanged."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator

from app.core.json_data import MAX_DEPTH, check_json_data
from app.rest.fields import refuse_secret
from app.rest.request_model import AtMost

# Bytes of a document, written as compact JSON in UTF-8.
MAX_DOCUMENT = 64 * 1024


def check_document(value: Any, *, limit: int = MAX_DOCUMENT, max_depth: int = MAX_DEPTH) -> int:
    """Check that every parser reads a JSON value the same, and that PostgreSQL can store it.

    limit: bytes that it may have, as compact JSON in UTF-8. max_depth: levels of nested values.
    Returns how many bytes it has.

    Raises ValueError for what `check_json_data` refuses, for NUL, for an API key or token, and for
    a larger value.
    """
    check_json_data(value, allow_nul=False, max_depth=max_depth)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > limit:
        raise ValueError(f"must have at most {limit // 1024} KiB, and has {size:,} bytes")
    refuse_secret(text)
    return size


def _checked(value: dict[str, Any]) -> dict[str, Any]:
    check_document(value)
    return value


# A JSON object.
Document = Annotated[dict[str, Any], AtMost(1000), AfterValidator(_checked)]
