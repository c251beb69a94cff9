"""Members of a document that no signature covers, and that no check compares with what is signed.

Anybody who passes an attestation on can add them, so a reader must not take them for attested.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping

MAX_LISTED = 20
_MAX_NAME = 100

# Members of `data` are compared with the bytes, and those of an EIP-712 domain and message are
# exactly those of its type, so none of these can have a further member unnoticed.
_CHECKED: dict[str, frozenset[str]] = {
    "": frozenset(
        {"hash", "bytes", "data", "kind", "evidence", "delta_one", "proof", "revoked"}
        | {"created_at", "signature", "eas", "log"}
    ),
    "signature.": frozenset({"signer", "signature", "domain", "types", "primaryType", "message"}),
    "eas.": frozenset({"signer", "sig"}),
    "eas.sig.": frozenset(
        {"version", "uid", "domain", "types", "primaryType", "message", "signature"}
    ),
    "eas.sig.signature.": frozenset({"r", "s", "v"}),
    "log.": frozenset({"index", "tree_size", "proof", "entry", "checkpoint"}),
}


def unsigned_members(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of the unsigned members, such as `log.note`: the first 20 of them."""
    paths = _unknown(document, "")
    return tuple(path for path, _ in zip(paths, range(MAX_LISTED)))


def _unknown(value: object, path: str) -> Iterator[str]:
    if path not in _CHECKED or not isinstance(value, Mapping):
        return
    for name, inner in value.items():
        if name in _CHECKED[path]:
            yield from _unknown(inner, f"{path}{name}.")
        else:
            yield path + name[:_MAX_NAME]
