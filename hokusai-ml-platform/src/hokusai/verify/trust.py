"""Whom the one who verifies believes: attestors' addresses, and the keys of logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from hokusai.errors import DocumentError, InputError
from hokusai.verify import json_fields
from hokusai.verify.checkpoint import LogKey
from hokusai.verify.ethereum import checksum_address
from hokusai.verify.strict_json import checked_copy


@dataclass(frozen=True)
class Trust:
    """attestors: addresses in EIP-55 form. log_keys: of the logs whose checkpoints count."""

    attestors: frozenset[str] = frozenset()
    log_keys: tuple[LogKey, ...] = ()

    @classmethod
    def of(cls, attestors: str | Iterable[str] = (), log_keys: str | Iterable[str] = ()) -> Trust:
        """From addresses in any casing, and keys as C2SP signed-note writes them.

        Raises InputError for what is neither.
        """
        try:
            return cls(
                frozenset(map(checksum_address, _several(attestors))),
                tuple(LogKey(text) for text in _several(log_keys)),
            )
        except ValueError as error:
            raise InputError(f"This cannot be trusted: {error}.") from None

    @classmethod
    def from_well_known(cls, document: Mapping[str, Any]) -> Trust:
        """From what `/.well-known/hokusai-attestor.json` answered, once, over a connection that
        one trusts. Raises DocumentError for another document.
        """
        found = checked_copy(document)
        try:
            attestors = [
                json_fields.text_at(found, "signer"),
                *json_fields.texts_at(found, "signers"),
            ]
            keys = [
                json_fields.text_at(found, "log", "key"),
                *json_fields.texts_at(found, "log", "keys"),
            ]
            return cls.of(attestors, dict.fromkeys(keys))
        except (json_fields.CheckFailed, InputError) as reason:
            raise DocumentError(
                f"This is not what a gateway says of its attestor: {reason}"
            ) from None

    def __or__(self, other: Trust) -> Trust:
        return Trust(self.attestors | other.attestors, self.log_keys + other.log_keys)


def _several(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
