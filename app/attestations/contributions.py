"""Who gave the data, and who has which part in what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.errors import UnprocessableError
from app.identity.wallet import checksum_address

# Basis points: hundredths of a percent.
WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Contribution:
    """One contributor's part.

    address: in EIP-55 form. weight_bps: basis points, of 10000 that all parts make together.
    data_size: in samples. details: what else was said of it.
    """

    address: str
    weight_bps: int
    data_size: int | None = None
    data_hash: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it stands in an attestation's data."""
        return {
            "address": self.address,
            "weight_bps": self.weight_bps,
            "data_size": self.data_size,
            "data_hash": self.data_hash,
            "details": dict(self.details),
        }


def contributions(given: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Contribution]:
    """The contributions of a request's `data_contribution`: one object, or a list of them.

    Keys: contributor (an Ethereum address), weight_bps, data_size or samples, data_hash; all else
    is kept as details. Raises UnprocessableError where an address is missing or wrong, where
    weights do not make 10000, or where one contributor is named twice for the same data.
    """
    items = [given] if isinstance(given, Mapping) else list(given)
    found = [_contribution(item, alone=len(items) == 1) for item in items]
    total = sum(item.weight_bps for item in found)
    if found and total != WHOLE:
        raise UnprocessableError(
            f"The contributors' weights make {total} basis points together; they have to make "
            f"{WHOLE}. Give each a weight_bps."
        )
    if len({(item.address, item.data_hash) for item in found}) != len(found):
        raise UnprocessableError("A contributor is named twice for the same data.")
    return found


def _contribution(given: Mapping[str, Any], *, alone: bool) -> Contribution:
    rest = dict(given)
    address = rest.pop("contributor", None)
    if not isinstance(address, str):
        raise UnprocessableError(
            "data_contribution names no contributor: give the Ethereum address as `contributor`."
        )
    size = rest.pop("data_size", None)
    samples = rest.pop("samples", None)
    data_hash = rest.pop("data_hash", None)
    if data_hash is not None and not isinstance(data_hash, str):
        raise UnprocessableError("data_contribution.data_hash has to be text.")
    return Contribution(
        address=checksum_address(address),
        weight_bps=_whole("weight_bps", rest.pop("weight_bps", WHOLE if alone else 0)) or 0,
        data_size=_whole("data_size", samples if size is None else size),
        data_hash=data_hash,
        details=rest,
    )


def _whole(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnprocessableError(f"data_contribution.{name} has to be a whole number from 0 on.")
    return value
