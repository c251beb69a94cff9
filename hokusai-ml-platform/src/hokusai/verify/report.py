"""The result of verifying an attestation: a report with one entry per check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, Mapping

from hokusai.errors import DocumentError
from hokusai.verify.json_fields import CheckFailed, NotChecked


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


def make_check(name: str, make: Callable[[], str]) -> Check:
    """Make one check.

    Args:
        name: Its name.
        make: Returns why it holds; raises the reason where it does not, or cannot be made.
    """
    try:
        return Check(name, Result.HOLDS, make())
    except NotChecked as reason:
        return Check(name, Result.UNCHECKED, str(reason))
    except (CheckFailed, DocumentError, ValueError) as reason:
        return Check(name, Result.FAILS, str(reason))


@dataclass(frozen=True)
class Report:
    """All checks of one attestation, or of the signature of a model alone.

    `report["signature"]` is a check by its name.

    Attributes:
        checks: The checks, in the order in which they were made.
        hash: The hash that the document names, or None.
        signer: The address that signed, in EIP-55 form, or None if the signature does not hold.
        data: What was attested, parsed from the bytes that were hashed, or None if the hash does
            not hold. Use this rather than other members of the document.
        unsigned: Members of the document that no signature covers and no check looks at, such as
            `log.note`, at most 20. Anybody can have added them.
        essential: The names of the checks without which nobody whom the caller trusts has signed.
    """

    checks: tuple[Check, ...]
    hash: str | None
    signer: str | None
    data: Mapping[str, Any] | None
    unsigned: tuple[str, ...] = ()
    essential: tuple[str, ...] = ("hash", "signature", "signer")

    @property
    def ok(self) -> bool:
        """Whether no check fails, and the essential ones hold: hash, signature and signer.

        Without a trusted attestor the signer cannot be checked, so this is False.
        """
        return all(check.result is not Result.FAILS for check in self.checks) and all(
            self[name].result is Result.HOLDS for name in self.essential
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
