"""What the caller trusts: the addresses of attestors, the keys of logs and those of envelopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from hokusai.errors import DocumentError, InputError
from hokusai.verify import json_fields
from hokusai.verify.checkpoint import Checkpoint, LogKey, WitnessKey, parse_checkpoint
from hokusai.verify.envelope_key import EnvelopeKey
from hokusai.verify.ethereum import checksum_address
from hokusai.verify.strict_json import checked_copy


@dataclass(frozen=True)
class Trust:
    """Trusted attestors and logs.

    Attributes:
        attestors: Addresses in EIP-55 form.
        log_keys: The public keys of logs.
        envelope_keys: The public keys of envelopes.
        circuits: The identifiers of the circuits of proofs.
        witnesses: The public keys of witnesses of logs.
        quorum: How many of them must have cosigned.
    """

    attestors: frozenset[str] = frozenset()
    log_keys: tuple[LogKey, ...] = ()
    envelope_keys: tuple[EnvelopeKey, ...] = ()
    circuits: frozenset[str] = frozenset()
    witnesses: tuple[WitnessKey, ...] = ()
    quorum: int = 0

    @classmethod
    def parse(
        cls,
        attestors: str | Iterable[str] = (),
        log_keys: str | Iterable[str] = (),
        envelope_keys: str | Iterable[str] = (),
        circuits: str | Iterable[str] = (),
        witnesses: str | Iterable[str] = (),
        quorum: int | None = None,
    ) -> Trust:
        """Parse addresses and keys.

        Args:
            attestors: One address or several, in any casing.
            log_keys: One key or several, as C2SP signed-note writes them.
            envelope_keys: One key or several, in PEM.
            circuits: One identifier or several, each 64 hexadecimal digits.
            witnesses: One key or several, as C2SP tlog-cosignature writes them.
            quorum: How many witnesses must have cosigned; by default all of them.

        Raises:
            InputError: One of them is not valid.
        """
        try:
            witness_keys = tuple(WitnessKey(text) for text in _as_list(witnesses))
            return cls(
                frozenset(map(checksum_address, _as_list(attestors))),
                tuple(LogKey(text) for text in _as_list(log_keys)),
                tuple(EnvelopeKey(text) for text in _as_list(envelope_keys)),
                frozenset(map(_circuit, _as_list(circuits))),
                witness_keys,
                _quorum(witness_keys, quorum),
            )
        except ValueError as error:
            raise InputError(f"A trusted attestor or key is not valid: {error}.") from None

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
            # The first gateways had no envelopes.
            envelope_keys = []
            if "envelopes" in data:
                envelope_keys = [
                    json_fields.text_at(data, "envelopes", "key"),
                    *json_fields.texts_at(data, "envelopes", "keys"),
                ]
            # The first gateways had no circuits either.
            circuits = json_fields.texts_at(data, "circuits") if "circuits" in data else []
            # The newest key is in the list of all keys as well.
            return cls.parse(attestors, dict.fromkeys(keys), dict.fromkeys(envelope_keys), circuits)
        except (json_fields.CheckFailed, InputError) as reason:
            raise DocumentError(f"This is not a gateway's attestor document: {reason}") from None

    def __or__(self, other: Trust) -> Trust:
        return Trust(
            self.attestors | other.attestors,
            self.log_keys + other.log_keys,
            self.envelope_keys + other.envelope_keys,
            self.circuits | other.circuits,
            self.witnesses + other.witnesses,
            self.quorum + other.quorum,
        )

    def checkpoint(self, note: str) -> Checkpoint:
        """Parse a checkpoint in a signed note, and find out who has signed it.

        Raises:
            ValueError: This is not a valid checkpoint in a signed note.
        """
        return parse_checkpoint(note, self.log_keys, self.witnesses)


def check_note(
    note: str,
    log_keys: Iterable[str] = (),
    witnesses: Iterable[str] = (),
    quorum: int | None = None,
) -> Checkpoint:
    """Check who has signed a checkpoint.

    Args:
        note: The checkpoint, a signed note.
        log_keys: The keys of the log, of which one must have signed it; none for no such check.
        witnesses: The keys of witnesses.
        quorum: How many of them must have cosigned; by default all.

    Returns:
        The checkpoint.

    Raises:
        DocumentError: It is not valid, or not signed by enough of them.
        InputError: A key is not valid.
    """
    trust = Trust.parse(log_keys=log_keys, witnesses=witnesses, quorum=quorum)
    try:
        found = trust.checkpoint(note)
    except ValueError as error:
        raise DocumentError(f"This is not a valid checkpoint: {error}.") from None
    if trust.log_keys and found.signed_by is None:
        raise DocumentError(
            f"No log key that you trust for {found.origin} has signed the checkpoint."
        )
    if len(found.cosigned_by) < trust.quorum:
        raise DocumentError(
            f"The checkpoint is cosigned by {len(found.cosigned_by)} of your witnesses, and "
            f"{trust.quorum} are required."
        )
    return found


def _quorum(witnesses: tuple[WitnessKey, ...], quorum: int | None) -> int:
    different = len({witness.public for witness in witnesses})
    if quorum is None:
        return different
    if not 1 <= quorum <= different:
        raise ValueError(f"a quorum of {quorum} needs as many different witnesses")
    return quorum


def _as_list(values: str | Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


def _circuit(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise ValueError("a circuit's identifier has 64 hexadecimal digits in lower case")
    return text
