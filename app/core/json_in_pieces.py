"""Long JSON in a thread, so that the event loop runs meanwhile.

The C code of `json` holds the interpreter's lock from the beginning of a document to its end, in a
thread too. These return to Python between two members. They are slower, and for use in a thread.
"""

import json
from collections.abc import Callable
from typing import Any


def dumps(document: Any, **options: Any) -> str:
    """As `json.dumps`, with the options of `json.JSONEncoder`."""
    # `encode` would use the C code for all of it.
    return "".join(json.JSONEncoder(**options).iterencode(document))


def loads(text: str | bytes, hook: Callable[[dict[str, Any]], Any] = lambda one: one) -> Any:
    """As `json.loads`. hook: makes what takes the place of each object."""
    return json.loads(text, object_hook=hook)
