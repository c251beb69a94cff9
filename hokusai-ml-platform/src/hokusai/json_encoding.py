"""Converting the values that Python programs hold to JSON."""

from __future__ import annotations

import datetime
import json
import math
import os
from typing import Any, Mapping

from hokusai.errors import InputError

# Levels of nesting. Deeper data is taken for an object that contains itself.
MAX_DEPTH = 64


def to_json_data(value: Any, where: str = "the value", depth: int = 0) -> Any:
    """Convert a value to dicts, lists, strings, numbers, booleans and None.

    Scalars and arrays of NumPy and pandas, dates and paths are converted too.

    Args:
        value: The value.
        where: The name of the value, for error messages.
        depth: How many levels above the value have been converted already.

    Raises:
        InputError: JSON has no form for a part of the value, such as NaN, infinity or an object
            of another class, or the value is nested more than `MAX_DEPTH` levels deep. The message
            says which part it is.
    """
    if depth > MAX_DEPTH:
        raise InputError(f"{where} is nested too deeply, or contains itself.")
    if value is None or isinstance(value, (bool, str)):
        return value
    # Subclasses, such as NumPy's float64, become the plain type.
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
            to_json_data(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)
        ]
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # Scalars and arrays of NumPy and pandas, recognised by method so that neither is imported.
    convert = getattr(value, "tolist", None) or getattr(value, "item", None)
    if callable(convert):
        converted = convert()
        if converted is not value:
            return to_json_data(converted, where, depth + 1)
    raise InputError(f"{where} has the type {type(value).__name__}, which JSON cannot represent.")


def encode_json(document: Mapping[str, Any]) -> bytes:
    """Encode the body of a request. Equal documents give equal bytes: keys are sorted.

    Raises:
        InputError: As `to_json_data` does.
    """
    data = to_json_data(document, "the request")
    return json.dumps(data, sort_keys=True, allow_nan=False).encode()
