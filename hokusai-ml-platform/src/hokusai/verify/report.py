"""The result of verifying an attestation: a report with one entry per check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Mapping


class Result(str, Enum):
    """The outcome of one check. The values appear in the output of `hokusai verify --json`."""

    HOLDS = "holds"
    FAILS = "fails"
    UNCHECKED = "unchecked"

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS = {
    Result.HOLDS: "holds",
    Result.FAILS: "does not hold",
    Result.UNCHECKED: "could not be checked",
}
# Without these, nobody whom the caller trusts has signed the document.
_ESSENTIAL = ("hash", "signature", "signer")


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: Its name, such as `signature`.
        result: Its outcome.
        detail: The reason for the outcome, in words.
    """

    name: str
    result: Result
    detail: str


@dataclass(frozen=True)
class Report:
    """All checks of one attestation. `report["signature"]` is a check by its name.

    Attributes:
        checks: The checks, in the order in which they were made.
        hash: The hash that the document names, or None.
        signer: The address that signed, in EIP-55 form, or None if the signature does not hold.
        data: What was attested, parsed from the bytes that were hashed, or None if the hash does
            not hold. Use this rather than other members of the document.
        unsigned: Members of the document that no signature covers and no check looks at, such as
            `log.note`, at most 20. Anybody can have added them.
    """

    checks: tuple[Check, ...]
    hash: str | None
    signer: str | None
    data: Mapping[str, Any] | None
    unsigned: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no check fails, and those of hash, signature and signer hold.

        Without a trusted attestor the signer cannot be checked, so this is False.
        """
        return all(check.result is not Result.FAILS for check in self.checks) and all(
            self[name].result is Result.HOLDS for name in _ESSENTIAL
        )

    @property
    def complete(self) -> bool:
        """Whether every check could be made and holds, including log and revocation."""
        return all(check.result is Result.HOLDS for check in self.checks)

    @property
    def kind(self) -> str | None:
        """`proven`, `witnessed`, `claimed` or `unsigned`, as hashed; None if the hash fails."""
        return None if self.data is None else str(self.data["kind"])

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return {
            "ok": self.ok,
            "complete": self.complete,
            "hash": self.hash,
            "kind": self.kind,
            "signer": self.signer,
            "unsigned": list(self.unsigned),
            "checks": [
                {"name": check.name, "result": check.result.value, "detail": check.detail}
                for check in self.checks
            ],
        }
