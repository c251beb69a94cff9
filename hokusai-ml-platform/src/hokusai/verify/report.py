"""What came out of verifying: one check for each thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Mapping


class Result(str, Enum):
    """What came of one check; the values are those of `--json`."""

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
# Without these a document is nobody's word.
_ESSENTIAL = ("hash", "signature", "signer")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and why it came out so."""

    name: str
    result: Result
    detail: str


@dataclass(frozen=True)
class Report:
    """All that was looked at.

    checks: in the order in which they were made. signer: who really signed, in EIP-55 form, or
    None where the signature does not hold. data: what the attestation says, read from the bytes
    that were hashed, or None where the hash does not hold; believe this, and not the document.
    """

    checks: tuple[Check, ...]
    hash: str | None
    signer: str | None
    data: Mapping[str, Any] | None

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and the hash, the signature and its signer were found to hold.

        So it is False as long as nobody said which attestor is to be believed.
        """
        return all(check.result is not Result.FAILS for check in self.checks) and all(
            self[name].result is Result.HOLDS for name in _ESSENTIAL
        )

    @property
    def complete(self) -> bool:
        """Whether everything was checked, and all of it holds: also log and revocation."""
        return all(check.result is Result.HOLDS for check in self.checks)

    @property
    def kind(self) -> str | None:
        """`witnessed`, `claimed` or `unsigned`, as it was hashed."""
        return None if self.data is None else str(self.data["kind"])

    def __getitem__(self, name: str) -> Check:
        """A check by its name. Raises KeyError where there is no such check."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON data, with the same names."""
        return {
            "ok": self.ok,
            "complete": self.complete,
            "hash": self.hash,
            "kind": self.kind,
            "signer": self.signer,
            "checks": [
                {"name": check.name, "result": check.result.value, "detail": check.detail}
                for check in self.checks
            ],
        }
