"""Ethereum's hash, addresses and signatures, compared with eth_account."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey
from eth_account import Account

from hokusai.verify.ethereum import checksum_address, from_hex, keccak, recover

ACCOUNT = Account.from_key("0x" + "11" * 32)
DIGEST = keccak(b"message")
SIGNATURE = PrivateKey(bytes(ACCOUNT.key)).sign_recoverable(DIGEST, hasher=None)
SIGNATURE = SIGNATURE[:64] + bytes([SIGNATURE[64] + 27])


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_is_the_variant_that_ethereum_uses(data: bytes, digest: str) -> None:
    assert keccak(data).hex() == digest


def test_an_address_gets_its_checksum() -> None:
    assert checksum_address(ACCOUNT.address.lower()) == ACCOUNT.address
    assert checksum_address("0x" + ACCOUNT.address[2:].upper()) == ACCOUNT.address


@pytest.mark.parametrize("text", ["", "0x12", "0X" + "ab" * 20, "ab" * 20, "0x" + "zz" * 20])
def test_a_text_that_is_not_an_address_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        checksum_address(text)


def test_hexadecimal_is_decoded() -> None:
    assert from_hex("0x") == b""
    assert from_hex("0x00Ff") == b"\x00\xff"
    for text in ("", "00", "0x0", "0xzz", "0x00\n"):
        with pytest.raises(ValueError, match="hexadecimal"):
            from_hex(text)


def test_the_signer_is_recovered() -> None:
    assert recover(DIGEST, SIGNATURE) == ACCOUNT.address
    assert recover(keccak(b"another"), SIGNATURE) != ACCOUNT.address


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (SIGNATURE[:64], "65 bytes"),
        (SIGNATURE[:64] + b"\x00", "neither 27 nor 28"),
        (SIGNATURE[:32] + b"\xff" * 32 + SIGNATURE[64:], "EIP-2"),
        (bytes(64) + b"\x1b", "not valid for any key"),
    ],
)
def test_a_signature_that_is_not_canonical_is_rejected(signature: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recover(DIGEST, signature)
