"""Model numbers: the ids of models in the Hokusai contracts, of up to 256 bits."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.core.json_data import LARGEST_INTEGER
from app.core.text_pattern import TextPattern

_PATTERN = r"^(0|[1-9][0-9]{0,77})$"


def _text(value: object) -> object:
    """A JSON number is taken as well, unless other readers of JSON would round it."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value > LARGEST_INTEGER:
        raise ValueError(f"must be text if it is above {LARGEST_INTEGER}: JSON numbers are rounded")
    return str(value)


def _in_256_bits(text: str) -> str:
    if int(text) >= 1 << 256:
        raise ValueError("must be less than 2 to the power of 256")
    return text


# In decimal, as text.
ModelNumber = Annotated[
    str,
    BeforeValidator(_text),
    TextPattern(_PATTERN, "must be a whole number of 1 to 78 digits, without leading zeros"),
    AfterValidator(_in_256_bits),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _PATTERN, "maxLength": 78},
                {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER},
            ],
            "description": "The model's number on the chain, in decimal. As text, since JSON "
            "numbers above 2^53 - 1 are rounded by many readers.",
            "examples": ["27"],
        }
    ),
    Field(),
]
