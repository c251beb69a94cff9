"""The form of an Ethereum address; whether its checksum is right is another question (EIP-55)."""

import re

_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{40}")


def is_address(text: str) -> bool:
    """Whether a text is `0x` and 40 hexadecimal digits, in any casing."""
    return _ADDRESS.fullmatch(text) is not None
