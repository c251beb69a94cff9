"""Kinds of values in requests about benchmarks: digests, and commitments."""

from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.text_pattern import TextPattern

# The order of BN254's scalar field, in which commitments are computed.
FIELD_ORDER = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001

_PREFIX = "sha256:"

# The digest of a data set, kept as hexadecimal digits alone.
DatasetHash = Annotated[
    str,
    TextPattern(
        rf"^(?:{_PREFIX})?[0-9a-f]{{64}}$",
        "must be a SHA-256: 64 hexadecimal digits in lower case, after `sha256:` or alone",
    ),
    AfterValidator(lambda text: text.removeprefix(_PREFIX)),
    Field(json_schema_extra={"maxLength": 64 + len(_PREFIX)}, examples=["ab" * 32]),
]


def _field_element(text: str) -> str:
    if not 0 < int(text, 16) < FIELD_ORDER:
        raise ValueError("must be an element of BN254's scalar field, and not zero")
    return text


# A salted Poseidon commitment, as a field element in 32 bytes.
Commitment = Annotated[
    str,
    TextPattern(r"^[0-9a-f]{64}$", "must be 64 hexadecimal digits in lower case"),
    AfterValidator(_field_element),
    Field(
        json_schema_extra={
            "maxLength": 64,
            # For readers of the OpenAPI document; `_field_element` has the exact bound.
            "pattern": "^[12][0-9a-f]{63}$",
        },
        examples=["1f" * 32],
    ),
]
