"""Members of a document that no signature covers, and that no check compares with what is signed.

Anybody who passes an attestation on can add them, so a reader must not take them for attested.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

# How many of them are listed, and how many characters of a name.
MAX_LISTED = 20
MAX_NAME = 100

# The members that are checked, each with the members of its own. The members of `data` are compared
# with the bytes, and those of an EIP-712 domain and message are exactly those of its type.
_CHECKED: Final[Mapping[str, Any]] = {
    **dict.fromkeys(
        ("hash", "bytes", "data", "kind", "evidence", "delta_one", "proof", "revoked", "created_at")
    ),
    "signature": dict.fromkeys(
        ("signer", "signature", "domain", "types", "primaryType", "message")
    ),
    "eas": {
        "signer": None,
        "sig": {
            **dict.fromkeys(("version", "uid", "domain", "types", "primaryType", "message")),
            "signature": dict.fromkeys(("r", "s", "v")),
        },
    },
    "log": dict.fromkeys(("index", "tree_size", "proof", "entry", "checkpoint")),
}


def unsigned_members(document: Mapping[str, Any]) -> list[str]:
    """The paths of the unsigned members, such as `log.note`: the first `MAX_LISTED` of them."""
    found: list[str] = []
    for path in _unknown(document, _CHECKED):
        if len(found) == MAX_LISTED:
            break
        found.append(path)
    return found


def _unknown(document: object, checked: Mapping[str, Any], path: str = "") -> Iterator[str]:
    if not isinstance(document, Mapping):
        return
    for name, value in document.items():
        if name not in checked:
            yield path + name[:MAX_NAME]
        elif checked[name] is not None:
            yield from _unknown(value, checked[name], f"{path}{name}.")
