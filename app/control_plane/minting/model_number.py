"""Model numbers: the ids of models in the Hokusai contracts, of up to 256 bits."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.core.text_pattern import TextPattern

_END = 1 << 256
_PATTERN = r"^[1-9][0-9]{0,77}$"


def _text(value: object) -> object:
    """A JSON number is taken as well, though other readers of JSON round large ones."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _in_256_bits(text: str) -> str:
    if int(text) >= _END:
        raise ValueError("must be less than 2 to the power of 256")
    return text


# In decimal, as text.
ModelNumber = Annotated[
    str,
    BeforeValidator(_text),
    TextPattern(
        _PATTERN, "must be a whole number of 1 to 78 digits, without leading zeros, and above 0"
    ),
    AfterValidator(_in_256_bits),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _PATTERN, "maxLength": 78},
                # Not `maximum`: FastAPI writes it as a float, which 2^256 is exactly.
                {"type": "integer", "minimum": 1, "exclusiveMaximum": _END},
            ],
            "description": "The model's number on the chain, in decimal. As text, since JSON "
            "numbers of this size are rounded by many readers.",
            "examples": ["27"],
        }
    ),
    Field(),
]
