"""The vectors that gateway and SDK share: attestations of a real gateway, and what breaks them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Iterator

PATH = Path(__file__).parent / "vectors" / "attestations_v1.json"
VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
KNOWN: dict[str, Any] = VECTORS["known"]
IMPROVEMENT: dict[str, Any] = VECTORS["attestations"]["improvement"]
SIGNER: str = KNOWN["signer"]
LOG_KEY: str = KNOWN["log"]["key"]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a path."""
    found = copy.deepcopy(document)
    place = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return found


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Everything in a document that is neither an object nor a list with something in it."""
    if isinstance(document, (dict, list)) and document:
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items:
            yield from leaves(value, (*path, key))
    else:
        yield path, document
