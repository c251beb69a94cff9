"""Ethereum addresses and signatures, compared with eth_account and eth_utils."""

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidSignatureError, UnprocessableError
from app.core.ethereum import (
    checksum_address,
    is_address,
    parse_signature,
    parse_wallet_signature,
    personal_digest,
    personal_recover,
    recover,
)

ACCOUNT = Account.from_key("0x" + "46" * 32)
# The order of the curve secp256k1 (SEC 2, section 2.4.1).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MESSAGE = b"a message"
SIGNATURE = bytes(ACCOUNT.sign_message(encode_defunct(MESSAGE)).signature)
R, S, V = SIGNATURE[:32], SIGNATURE[32:64], SIGNATURE[64]


# --- addresses ---

NOT_ADDRESSES = [
    "",
    "0x",
    "0x123...",
    ACCOUNT.address[2:],
    "0X" + ACCOUNT.address[2:],
    ACCOUNT.address + "0",
    ACCOUNT.address[:-1],
    ACCOUNT.address + "\n",
    "0x" + "g" * 40,
]


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_a_text_that_is_not_an_address_is_refused(text: str) -> None:
    assert not is_address(text)
    with pytest.raises(UnprocessableError, match="not a valid Ethereum address"):
        checksum_address(text)


def test_an_address_is_recognised_in_any_casing() -> None:
    for address in (ACCOUNT.address, ACCOUNT.address.lower(), "0x" + ACCOUNT.address[2:].upper()):
        assert is_address(address)
        assert checksum_address(address) == ACCOUNT.address


@given(st.binary(min_size=20, max_size=20))
def test_checksums_agree_with_eth_utils(address: bytes) -> None:
    expected = to_checksum_address(address)
    assert checksum_address("0x" + address.hex()) == expected
    assert checksum_address("0x" + address.hex().upper()) == expected


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
    ],
)
def test_the_examples_of_eip_55_keep_their_casing(address: str) -> None:
    assert checksum_address(address) == address


# --- signatures ---


def test_a_signature_is_parsed_with_and_without_0x_in_any_casing() -> None:
    assert parse_signature(SIGNATURE.hex()) == SIGNATURE
    assert parse_signature("0x" + SIGNATURE.hex().upper()) == SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "zz",
        SIGNATURE.hex()[:-1],
        SIGNATURE.hex()[:-2],
        SIGNATURE.hex() + "00",
        SIGNATURE.hex() + "\n",
        " " + SIGNATURE.hex(),
        "0X" + SIGNATURE.hex(),
        "0x0x" + SIGNATURE.hex(),
        "g" + SIGNATURE.hex()[1:],
        "\u0661" + SIGNATURE.hex()[1:],
    ],
)
def test_a_malformed_signature_is_refused(text: str) -> None:
    with pytest.raises(InvalidSignatureError, match="65 bytes in hexadecimal"):
        parse_signature(text)


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**255 - 1), st.sampled_from([0, 1]))
def test_a_wallets_signature_is_read_in_each_form(r: int, s: int, parity: int) -> None:
    rs = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    compact = r.to_bytes(32, "big") + (s | parity << 255).to_bytes(32, "big")
    expected = rs + bytes([27 + parity])
    for written in (expected, rs + bytes([parity]), compact):
        assert parse_wallet_signature("0x" + written.hex()) == expected
        assert parse_wallet_signature(written.hex().upper()) == expected


def test_the_vector_of_eip_2098_is_read() -> None:
    """The first test case of EIP-2098."""
    r = "68a020a209d3d56c46f38cc50a33f704f4a9a10a59377f8dd762ac66910e9b90"
    s = "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064"
    signer = Account.from_key("0x" + "1234567890" * 6 + "1234").address
    message = b"Hello World"
    assert personal_recover(message, parse_wallet_signature(r + s)) == signer


@pytest.mark.parametrize("length", [0, 1, 63, 66, 130])
def test_a_wallets_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidSignatureError, match="not 65 bytes"):
        parse_wallet_signature("0x" + "11" * length)


@given(st.binary(max_size=300))
def test_recovery_agrees_with_eth_account(message: bytes) -> None:
    signed = ACCOUNT.sign_message(encode_defunct(message))
    assert personal_digest(message) == bytes(signed.message_hash)
    assert personal_recover(message, bytes(signed.signature)) == ACCOUNT.address
    assert recover(personal_digest(message), bytes(signed.signature)) == ACCOUNT.address


@pytest.mark.parametrize("length", [0, 1, 64, 66, 1000])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidSignatureError, match=f"has {length} bytes"):
        recover(personal_digest(MESSAGE), bytes(length))


def test_a_signature_with_s_in_the_upper_half_is_refused() -> None:
    """EIP-2: each signature has a second one with another s, which recovers the same address."""
    second = R + (ORDER - int.from_bytes(S, "big")).to_bytes(32, "big") + bytes([55 - V])
    assert Account.recover_message(encode_defunct(MESSAGE), signature=second) == ACCOUNT.address
    with pytest.raises(InvalidSignatureError, match="upper half"):
        personal_recover(MESSAGE, second)


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 35, 255])
def test_a_v_other_than_27_and_28_is_refused(v: int) -> None:
    with pytest.raises(InvalidSignatureError, match=f"v, is {v};"):
        personal_recover(MESSAGE, R + S + bytes([v]))


@pytest.mark.parametrize("v", [27, 28])
@pytest.mark.parametrize(
    ("r", "s"),
    [
        (0, 1),
        (1, 0),
        (0, 0),
        (ORDER, 1),
        (ORDER + 1, 1),
        (2**256 - 1, 1),
        (5, 1),  # no point of the curve has this x
    ],
)
def test_numbers_that_no_key_could_have_made_are_refused(r: int, s: int, v: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])
    with pytest.raises(InvalidSignatureError, match="No key could"):
        personal_recover(MESSAGE, signature)


@given(st.integers(0, 64), st.integers(1, 255))
def test_a_changed_signature_does_not_recover_the_address(position: int, change: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[position] ^= change
    try:
        recovered = personal_recover(MESSAGE, bytes(changed))
    except InvalidSignatureError:
        return
    assert recovered != ACCOUNT.address
