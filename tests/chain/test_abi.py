"""The encoding of calls and results, compared with eth_abi."""

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address

from app.chain.abi import decode_address, decode_bool, decode_string, encode_call


@pytest.mark.parametrize("number", [0, 27, 2**256 - 1])
def test_a_call_has_a_selector_and_its_arguments(number: int) -> None:
    signature = "getToken(uint256)"
    expected = function_signature_to_4byte_selector(signature) + encode(["uint256"], [number])
    assert encode_call(signature, number) == expected
    assert encode_call("symbol()") == function_signature_to_4byte_selector("symbol()")


@pytest.mark.parametrize("text", ["", "27", "x" * 32, "ünïcode" * 20])
def test_a_call_has_strings_after_its_words(text: str) -> None:
    signature = "f(string,uint256,string)"
    arguments = encode(["string", "uint256", "string"], [text, 7, "end"])
    expected = function_signature_to_4byte_selector(signature) + arguments
    assert encode_call(signature, text, 7, "end") == expected


def test_a_number_of_more_than_256_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        encode_call("getToken(uint256)", 2**256)


@pytest.mark.parametrize("value", [True, False])
def test_a_bool_is_read(value: bool) -> None:
    assert decode_bool(encode(["bool"], [value])) is value


def test_an_address_is_read() -> None:
    address = "0x" + "5a" * 20
    assert decode_address(encode(["address"], [address])) == to_checksum_address(address)


@pytest.mark.parametrize("text", ["", "HROUT", "ünïcode" * 20])
def test_a_string_is_read(text: str) -> None:
    assert decode_string(encode(["string"], [text])) == text


@pytest.mark.parametrize("decode", [decode_bool, decode_address, decode_string])
@pytest.mark.parametrize("result", [b"", b"\x01" * 31, b"\xff" * 32, b"\xff" * 64])
def test_another_result_is_refused(decode: object, result: bytes) -> None:
    assert callable(decode)
    with pytest.raises(ValueError):  # noqa: PT011 - of bytes that are no value at all
        decode(result)


def test_a_string_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="no string"):
        decode_string(encode(["string"], ["HROUT"])[:-30])
