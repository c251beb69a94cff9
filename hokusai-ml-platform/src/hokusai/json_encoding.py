"""JSON as the gateway takes it, from what Python programs really hold."""

from __future__ import annotations

import datetime
import json
import math
import os
from typing import Any, Mapping

from hokusai.errors import InputError

# Nothing that a person writes is deeper; what is, refers to itself.
MAX_DEPTH = 64


def to_json_data(value: Any, where: str = "the value", depth: int = 0) -> Any:
    """The value as JSON has it: NumPy's and pandas' scalars and arrays, dates and paths included.

    Raises InputError, which names the place, for what JSON cannot hold: NaN and the infinities, and
    objects of other kinds.
    """
    if depth > MAX_DEPTH:
        raise InputError(f"{where} is nested too deeply, or holds itself.")
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{where} is {value}; only finite numbers can be sent.")
        return float(value)
    if isinstance(value, Mapping):
        return {
            str(key): to_json_data(item, f"{where}[{str(key)!r}]", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [
            to_json_data(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(value)
        ]
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # NumPy's scalars and arrays, and pandas' series: without importing either.
    convert = getattr(value, "tolist", None) or getattr(value, "item", None)
    if callable(convert):
        converted = convert()
        if converted is not value:
            return to_json_data(converted, where, depth + 1)
    raise InputError(f"{where} is a {type(value).__name__}, which JSON cannot hold.")


def encode_json(document: Mapping[str, Any]) -> bytes:
    """The body of a request, the same bytes for the same document."""
    text = json.dumps(to_json_data(document, "the request"), sort_keys=True, allow_nan=False)
    return text.encode()
