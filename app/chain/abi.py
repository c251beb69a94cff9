"""The few kinds of values of Solidity's ABI that the gateway sends to contracts and reads."""

from eth_hash.auto import keccak

from app.core.ethereum import checksum_address

_WORD = 32


def encode_call(signature: str, *arguments: int | str) -> bytes:
    """The data of a call. signature: such as `getToken(uint256)`; arguments: numbers of the types
    uint256, address and bytes32, and strings.

    Raises OverflowError for a number that is not one of 256 bits.
    """
    # Strings come after all the words, each of which is a number or where its string begins.
    words, strings = [], b""
    for argument in arguments:
        if isinstance(argument, str):
            words.append(len(arguments) * _WORD + len(strings))
            text = argument.encode()
            strings += len(text).to_bytes(_WORD, "big") + text + bytes(-len(text) % _WORD)
        else:
            words.append(argument)
    head = b"".join(word.to_bytes(_WORD, "big") for word in words)
    return keccak(signature.encode())[:4] + head + strings


def decode_bool(result: bytes) -> bool:
    """A returned bool. Raises ValueError where it is none."""
    number = _number(result, 0)
    if number > 1:
        raise ValueError("this is no bool")
    return bool(number)


def decode_uint(result: bytes) -> int:
    """A returned uint256. Raises ValueError where it is none."""
    return _number(result, 0)


def decode_address(result: bytes) -> str:
    """A returned address, in EIP-55 form. Raises ValueError where it is none."""
    if _number(result, 0) >= 1 << 160:
        raise ValueError("this is no address")
    return checksum_address(f"0x{result[12:_WORD].hex()}")


def decode_bytes32(result: bytes) -> bytes:
    """A returned bytes32. Raises ValueError where it is none."""
    _number(result, 0)
    return result[:_WORD]


def decode_string(result: bytes) -> str:
    """A returned string. Raises ValueError where it is none, or not in UTF-8."""
    start = _number(result, 0)
    length = _number(result, start)
    text = result[start + _WORD : start + _WORD + length]
    if len(text) != length:
        raise ValueError("this is no string")
    return text.decode()


def _number(result: bytes, at: int) -> int:
    word = result[at : at + _WORD]
    if len(word) != _WORD:
        raise ValueError("the result is too short")
    return int.from_bytes(word, "big")
