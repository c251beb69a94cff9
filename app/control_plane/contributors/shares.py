"""Who gave which data for one improvement, and which part in it is theirs."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from app.core.errors import UnprocessableError
from app.core.ethereum import checksum_address
from app.rest.fields import Label
from app.rest.json_values import LARGEST_INTEGER, check_document

# Basis points: hundredths of a percent.
WHOLE = 10_000


def _address(text: str) -> str:
    try:
        checksum_address(text)
    except UnprocessableError as error:
        raise ValueError(error.message) from None
    return text


# In any casing, as it came: whether its checksum is right can be told from that only.
Address = Annotated[
    str,
    AfterValidator(_address),
    Field(
        max_length=200,
        description="An Ethereum address: 0x and 40 hexadecimal digits, in any casing.",
        examples=["0x742d35Cc6634C0532925a3b844Bc9e7595f62341"],
        # Said, not checked by: the function above says it in better words.
        json_schema_extra={"pattern": "^0x[0-9A-Fa-f]{40}$"},
    ),
]


class GivenContribution(BaseModel):
    """One contribution of a request. What else it holds is kept as its details."""

    model_config = ConfigDict(extra="allow")

    contributor: Address | None = Field(
        default=None, description="The request's contributor_address by default."
    )
    weight_bps: Annotated[int, Field(ge=1, le=WHOLE)] | None = Field(
        default=None,
        description="The part in the improvement in basis points; all make 10000 together. What "
        "is left goes evenly to those without a weight.",
    )
    data_size: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)] | None = Field(
        default=None, description="In samples."
    )
    samples: Annotated[int, Field(ge=0, le=LARGEST_INTEGER)] | None = Field(
        default=None, description="Another name for data_size."
    )
    data_hash: Label | None = None


# Which of the two it is decides what is said of it: not what it lacks of the other.
GivenContributions = Annotated[
    Annotated[GivenContribution, Tag("object")]
    | Annotated[list[GivenContribution], Field(min_length=1, max_length=500), Tag("array")],
    Discriminator(lambda given: "array" if isinstance(given, list) else "object"),
]


class Share(BaseModel):
    """One contribution as it is kept."""

    address: str = Field(description="In EIP-55 form.")
    weight_bps: int
    data_size: int | None
    data_hash: str | None
    details: dict[str, Any]


def shares(given: Sequence[GivenContribution], contributor: str | None) -> list[Share]:
    """The contributions of one improvement, in the order in which they were given.

    contributor: whose those are that name nobody. Weights that are missing share what the given
    ones leave; basis points that cannot be shared evenly go to the first of them, one each.
    Raises UnprocessableError where somebody is missing, where the weights do not make 10000, or
    where one contributor comes twice with the same data.
    """
    weights = _weights([item.weight_bps for item in given])
    found = []
    for item, weight in zip(given, weights, strict=True):
        address = item.contributor or contributor
        if address is None:
            raise UnprocessableError(
                "A contribution names nobody: give contributor_address, or a contributor in each "
                "data_contribution."
            )
        details = dict(item.model_extra or {})
        if item.data_size is not None and item.samples is not None:
            details["samples"] = item.samples
        found.append(
            Share(
                address=checksum_address(address),
                weight_bps=weight,
                data_size=item.samples if item.data_size is None else item.data_size,
                data_hash=item.data_hash,
                details=_details(details),
            )
        )
    if len({(share.address, share.data_hash) for share in found}) != len(found):
        raise UnprocessableError(
            "One contributor comes twice with the same data: give each contribution of theirs a "
            "data_hash of its own, or make them one."
        )
    return found


def has_wrong_checksum(address: str) -> bool:
    """Whether the casing of an address claims an EIP-55 checksum that is not its own."""
    digits = address[2:]
    is_mixed = digits not in (digits.lower(), digits.upper())
    return is_mixed and checksum_address(address) != address


def _weights(given: Sequence[int | None]) -> list[int]:
    left = WHOLE - sum(weight for weight in given if weight is not None)
    missing = given.count(None)
    if left < missing or (left and not missing):
        raise UnprocessableError(
            f"The weights of the contributions make {WHOLE - left} basis points"
            + (f", which leaves nothing for {missing} more" if missing else "")
            + f"; all have to make {WHOLE} together."
        )
    if not missing:
        return [weight for weight in given if weight is not None]
    even, more = divmod(left, missing)
    parts = iter([even + (number < more) for number in range(missing)])
    return [next(parts) if weight is None else weight for weight in given]


def _details(details: dict[str, Any]) -> dict[str, Any]:
    try:
        check_document(details)
    except ValueError as error:
        raise UnprocessableError(f"data_contribution: {error}.") from None
    return details
