"""Contributions of data to one improvement, and the share that each contributor gets.

A share is a part of the improvement in basis points (hundredths of a percent); the shares of one
improvement add up to 10000.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from app.control_plane.contributors.member_names import MEMBERS, meant_member
from app.core.errors import UnprocessableError
from app.core.ethereum import checksum_address
from app.core.json_data import LARGEST_INTEGER, MAX_DEPTH
from app.rest.fields import Label, WholeNumber
from app.rest.json_values import MAX_DOCUMENT, check_document
from app.rest.request_model import MAX_MEMBERS, RequestModel

# All shares of an improvement, in basis points.
WHOLE = 10_000
# Bytes of the details of one contribution; those of all of a request are `MAX_DOCUMENT`.
MAX_DETAILS = 16 * 1024
# Levels of details, which an attestation has within a share of its list of contributors.
MAX_LEVELS = MAX_DEPTH - 3


def _address(text: str) -> str:
    try:
        checksum_address(text)
    except UnprocessableError as error:
        raise ValueError(error.message) from None
    return text


# Kept in the casing that was sent, since only that tells whether its EIP-55 checksum is right.
Address = Annotated[
    str,
    AfterValidator(_address),
    Field(
        max_length=200,
        description="An Ethereum address: 0x and 40 hexadecimal digits, in any casing.",
        examples=["0x742d35Cc6634C0532925a3b844Bc9e7595f62341"],
        # For the document only: `_address` checks it, with a clearer error message.
        json_schema_extra={"pattern": "^0x[0-9A-Fa-f]{40}$"},
    ),
]


def _detail_name(name: str) -> str:
    meant = meant_member(name)
    if meant is not None:
        raise ValueError(
            f"is not known here: did you mean {meant}, {MEMBERS[meant]}? Further members may have "
            "any name that is not near one of the known ones"
        )
    return name


class ContributionRequest(RequestModel):
    """One contribution of data. Any further members are kept as its `details`.

    Details have at most 16 KiB, and those of all contributions of a request 64 KiB. One
    whose name is near a known member, such as `weight`, is refused.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"maxProperties": MAX_MEMBERS})
    __pydantic_extra__: dict[Annotated[str, AfterValidator(_detail_name)], Any]

    contributor: Address | None = Field(
        default=None, description="Who gave the data. Default: the request's contributor_address."
    )
    weight_bps: Annotated[int, Field(ge=1, le=WHOLE), WholeNumber] | None = Field(
        default=None,
        description="The share in the improvement, in basis points; all shares add up to 10000. "
        "Contributions without a weight share the rest evenly.",
    )
    data_size: Annotated[int, Field(ge=0, le=LARGEST_INTEGER), WholeNumber] | None = Field(
        default=None, description="The number of samples."
    )
    samples: Annotated[int, Field(ge=0, le=LARGEST_INTEGER), WholeNumber] | None = Field(
        default=None, description="Another name for data_size."
    )
    data_hash: Label | None = Field(default=None, description="A hash that identifies the data.")


def _form(contributions: object) -> str:
    return "array" if isinstance(contributions, list) else "object"


# One contribution or a list of them. With the tags, an error is about the form that was sent;
# without them it would also say what the value lacks to be of the other form. They are the types of
# the alternatives in the JSON Schema, for `validation_errors`.
Contributions = Annotated[
    Annotated[ContributionRequest, Tag("object")]
    | Annotated[list[ContributionRequest], Field(min_length=1, max_length=500), Tag("array")],
    Discriminator(_form),
]


class ShareSummary(BaseModel):
    """One contribution as lists show it."""

    address: str = Field(description="The contributor's address, in EIP-55 form.")
    weight_bps: int = Field(description="The share in the improvement, in basis points.")
    data_size: int | None = Field(description="The number of samples, if it was given.")
    data_hash: str | None


class Share(ShareSummary):
    """One contribution as the registry keeps it."""

    details: dict[str, Any] = Field(description="Further members of the contribution.")


def as_list(contributions: Contributions | None) -> list[ContributionRequest]:
    """The contributions of a request: none, one or several."""
    if contributions is None:
        return []
    return contributions if isinstance(contributions, list) else [contributions]


def shares(
    contributions: Sequence[ContributionRequest], default_contributor: str | None
) -> list[Share]:
    """The share of each contribution to one improvement, in the order of the request.

    default_contributor: the address for contributions that name none. Contributions without a
    weight share evenly what the weights leave; basis points that cannot be divided evenly go to
    the first of these, one each.

    Raises UnprocessableError where a contribution has no contributor or the zero address, where the
    weights do not add up to 10000, where a contributor gives the same data twice, or for details
    that are too large.
    """
    weights = _weights([contribution.weight_bps for contribution in contributions])
    result = []
    for contribution, weight in zip(contributions, weights, strict=True):
        address = contribution.contributor or default_contributor
        if address is None:
            raise UnprocessableError(
                "A contribution has no contributor: give contributor_address, or a contributor in "
                "each data_contribution."
            )
        if int(address, 16) == 0:
            raise UnprocessableError(
                "A contributor is the zero address, which belongs to nobody: name the address that "
                "is to get the share."
            )
        data_size = contribution.data_size
        details = dict(contribution.model_extra or {})
        if data_size is None:
            data_size = contribution.samples
        elif contribution.samples is not None:
            # It says something else than `data_size`, so it is not dropped.
            details["samples"] = contribution.samples
        result.append(
            Share(
                address=checksum_address(address),
                weight_bps=weight,
                data_size=data_size,
                data_hash=contribution.data_hash,
                details=details,
            )
        )
    _check_details(result)
    if len({(share.address, share.data_hash) for share in result}) != len(result):
        raise UnprocessableError(
            "A contributor is listed twice with the same data: give each of their contributions a "
            "data_hash of its own, or combine them into one."
        )
    return result


def has_wrong_checksum(address: str) -> bool:
    """Whether the casing of an address claims an EIP-55 checksum and the checksum is wrong.

    An address in one casing throughout claims none.
    """
    digits = address[2:]
    is_mixed = digits not in (digits.lower(), digits.upper())
    return is_mixed and checksum_address(address) != address


def _weights(weights: Sequence[int | None]) -> list[int]:
    rest = WHOLE - sum(weight for weight in weights if weight is not None)
    missing = weights.count(None)
    if rest < missing or (rest and not missing):
        raise UnprocessableError(
            f"The weights of the contributions add up to {WHOLE - rest} basis points"
            + (f", which leaves nothing for {missing} more" if missing else "")
            + f"; all of them have to add up to {WHOLE}."
        )
    if not missing:
        return [weight for weight in weights if weight is not None]
    even, odd = divmod(rest, missing)
    parts = iter([even + (number < odd) for number in range(missing)])
    return [next(parts) if weight is None else weight for weight in weights]


def _check_details(result: Sequence[Share]) -> None:
    size = 0
    for share in result:
        try:
            size += check_document(share.details, limit=MAX_DETAILS, max_depth=MAX_LEVELS)
        except ValueError as error:
            raise UnprocessableError(f"data_contribution: {error}.") from None
    if size > MAX_DOCUMENT:
        raise UnprocessableError(
            f"data_contribution: the details of all contributions have {size:,} bytes together; at "
            f"most {MAX_DOCUMENT // 1024} KiB are kept. Store them elsewhere, and give a data_hash."
        )
