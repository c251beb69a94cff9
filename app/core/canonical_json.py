"""The canonical text of an attestation's data, and its hash.

The form is the one in the integration guide: SHA-256 of `json.dumps(data, sort_keys=True)`. It is
not RFC 8785, whose floating-point numbers are written differently. The text is stored and served as
it was hashed, so that nobody who verifies it has to write numbers as Python does.
"""

import hashlib
import json
from typing import Any

from app.core.errors import InvalidParameterError, UnprocessableError
from app.core.json_data import TOO_DEEP, TOO_LARGE, check_json_data
from app.core.strict_json import MAX_OWN_VALUES, check_shape, syntax

_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)


def canonicalize(data: Any) -> str:
    """The canonical text of JSON data, in ASCII: sorted keys, `, ` and `: ` as separators.

    Raises UnprocessableError for data that not all readers understand in the same way: see
    `check_json_data`.
    """
    require_reliable(data)
    return _ENCODER.encode(data)


def digest(text: str) -> str:
    """SHA-256 of a text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_equal(one: object, other: object) -> bool:
    """Whether two JSON values mean the same: 1 and 1.0 do, since JavaScript writes both as 1.

    Python also treats 1 and true as equal, which are not the same in JSON.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def parse(text: str | bytes) -> Any:
    """JSON that all readers understand in the same way. Raises UnprocessableError for any other.

    A key that an object contains twice, and a number too large for a double, are refused.
    """
    if not text.strip():
        raise UnprocessableError("This is empty, and must be a JSON document.")
    try:
        encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        check_shape(encoded, max_values=MAX_OWN_VALUES)
    except InvalidParameterError as error:
        raise UnprocessableError(error.message) from None
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise UnprocessableError("This is not JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise _ambiguous(syntax(error)) from None
    except RecursionError:
        raise _unreliable(TOO_DEEP) from None
    except ValueError:  # Python's own limit of digits
        raise _unreliable(TOO_LARGE) from None
    require_reliable(data)
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _ambiguous("an object contains a key twice")
    return members


def _refuse_constant(name: str) -> None:
    raise _ambiguous(f"{name} is not a JSON number")


def require_reliable(data: Any) -> None:
    """Raise UnprocessableError for data that not all readers understand in the same way: see
    `check_json_data`."""
    try:
        check_json_data(data, allow_nul=True)
    except ValueError as error:
        raise _unreliable(str(error)) from None


def _ambiguous(reason: str) -> UnprocessableError:
    return UnprocessableError(f"This is not valid, unambiguous JSON: {reason}.")


def _unreliable(reason: str) -> UnprocessableError:
    return UnprocessableError(f"The JSON cannot be hashed reliably: {reason}.")
