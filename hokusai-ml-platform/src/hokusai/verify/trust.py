"""What the caller trusts: the addresses of attestors, and the keys of logs."""

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
    """Trusted attestors and logs.

    Attributes:
        attestors: Addresses in EIP-55 form.
        log_keys: The public keys of logs.
    """

    attestors: frozenset[str] = frozenset()
    log_keys: tuple[LogKey, ...] = ()

    @classmethod
    def parse(
        cls, attestors: str | Iterable[str] = (), log_keys: str | Iterable[str] = ()
    ) -> Trust:
        """Parse addresses and keys.

        Args:
            attestors: One address or several, in any casing.
            log_keys: One key or several, as C2SP signed-note writes them.

        Raises:
            InputError: One of them is not valid.
        """
        try:
            return cls(
                frozenset(map(checksum_address, _as_list(attestors))),
                tuple(LogKey(text) for text in _as_list(log_keys)),
            )
        except ValueError as error:
            raise InputError(f"A trusted attestor or log key is not valid: {error}.") from None

    @classmethod
    def from_well_known(cls, document: Mapping[str, Any]) -> Trust:
        """Read a gateway's `/.well-known/hokusai-attestor.json`.

        The document must have been fetched over a connection that the caller trusts.

        Raises:
            DocumentError: This is another document.
        """
        data = checked_copy(document)
        try:
            attestors = [
                json_fields.text_at(data, "signer"),
                *json_fields.texts_at(data, "signers"),
            ]
            keys = [
                json_fields.text_at(data, "log", "key"),
                *json_fields.texts_at(data, "log", "keys"),
            ]
            # The newest key is in the list of all keys as well.
            return cls.parse(attestors, dict.fromkeys(keys))
        except (json_fields.CheckFailed, InputError) as reason:
            raise DocumentError(f"This is not a gateway's attestor document: {reason}") from None

    def __or__(self, other: Trust) -> Trust:
        return Trust(self.attestors | other.attestors, self.log_keys + other.log_keys)


def _as_list(values: str | Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)
