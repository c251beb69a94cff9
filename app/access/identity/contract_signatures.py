"""The calls by which a contract verifies a signature: EIP-1271 and ERC-6492.

Only what these two need of Solidity's ABI is encoded here.
"""

from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

_WORD: Final = 32
_IS_VALID: Final = keccak(b"isValidSignature(bytes32,bytes)")[:4]
# What a contract returns for a signature that it accepts: the selector again (EIP-1271).
_ACCEPTED: Final = _IS_VALID.ljust(_WORD, b"\0")
# The end of a signature of ERC-6492.
_WRAPPED: Final = bytes.fromhex("6492" * 16)
# Multicall3, at the same address on all chains that have it: runs several calls as one. Here it
# deploys the wallet within the call, and asks it; nothing of that is kept.
MULTICALL: Final = "0xcA11bde05977b3631167028862bE2a173976CA11"
_AGGREGATE: Final = keccak(b"aggregate3((address,bool,bytes)[])")[:4]


class MalformedSignatureError(ValueError):
    """A signature of ERC-6492 is not encoded as the standard says."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract. batched: by `MULTICALL`, with the question as its last call."""

    contract: str
    data: bytes
    batched: bool = False

    def is_acceptance(self, result: bytes) -> bool:
        """Whether the result of the call says that the signature is the contract's."""
        if not self.batched:
            return result[:_WORD] == _ACCEPTED
        try:
            return _last_result(result)[:_WORD] == _ACCEPTED
        except MalformedSignatureError:
            return False


def call_for(address: str, digest: bytes, signature: bytes) -> Call:
    """The call that asks the contract at an address whether a signature of a hash is its own.

    digest: 32 bytes. Raises MalformedSignatureError.
    """
    if not signature.endswith(_WRAPPED):
        return Call(address, _question(digest, signature))
    factory, preparation, inner = _unwrap(signature[: -len(_WRAPPED)])
    calls = [(factory, preparation), (_address_word(address), _question(digest, inner))]
    return Call(MULTICALL, _AGGREGATE + _batch(calls), batched=True)


def _question(digest: bytes, signature: bytes) -> bytes:
    return _IS_VALID + digest + _number(2 * _WORD) + _bytes(signature)


def _batch(calls: list[tuple[bytes, bytes]]) -> bytes:
    """An array of (address, bool, bytes), each call of which may fail."""
    encoded = [target + _number(1) + _number(3 * _WORD) + _bytes(data) for target, data in calls]
    offsets, at = b"", _WORD * len(encoded)
    for one in encoded:
        offsets += _number(at)
        at += len(one)
    return _number(_WORD) + _number(len(encoded)) + offsets + b"".join(encoded)


def _unwrap(data: bytes) -> tuple[bytes, bytes, bytes]:
    """(factory, its call data, signature of the wallet), the factory as a word of 32 bytes."""
    factory = data[:_WORD]
    if factory[:12] != bytes(12):
        raise MalformedSignatureError
    return factory, _bytes_at(data, _read(data, _WORD)), _bytes_at(data, _read(data, 2 * _WORD))


def _last_result(result: bytes) -> bytes:
    """What the last of the calls returned: of an array of (bool, bytes)."""
    start = _read(result, 0)
    count = _read(result, start)
    if not 0 < count <= 2:
        raise MalformedSignatureError
    first = start + _WORD
    entry = first + _read(result, first + (count - 1) * _WORD)
    if _read(result, entry) != 1:
        return b""
    return _bytes_at(result, entry + _read(result, entry + _WORD))


def _read(data: bytes, at: int) -> int:
    word = data[at : at + _WORD]
    number = int.from_bytes(word, "big")
    # An offset or a length beyond the data is never valid.
    if len(word) != _WORD or number > len(data) + _WORD:
        raise MalformedSignatureError
    return number


def _bytes_at(data: bytes, at: int) -> bytes:
    length = _read(data, at)
    found = data[at + _WORD : at + _WORD + length]
    if len(found) != length:
        raise MalformedSignatureError
    return found


def _bytes(data: bytes) -> bytes:
    return _number(len(data)) + data + bytes(-len(data) % _WORD)


def _number(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


def _address_word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(_WORD, b"\0")
