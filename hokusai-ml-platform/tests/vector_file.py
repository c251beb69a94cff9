"""Test vectors that gateway and SDK share: a real gateway's attestations, and what breaks them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Iterator

from hokusai.verify import LogExport, Report, Result

FILE = Path(__file__).parent / "vectors" / "attestations_v1.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
KNOWN: dict[str, Any] = VECTORS["known"]
IMPROVEMENT: dict[str, Any] = VECTORS["attestations"]["improvement"]
SIGNER: str = KNOWN["signer"]
LOG_KEY: str = KNOWN["log"]["key"]
EXPORT = LogExport.read(VECTORS["log_pages"])


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value at a path."""
    result = copy.deepcopy(document)
    parent = result
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return result


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A copy of a document that lacks a member."""
    return {key: value for key, value in document.items() if key != name}


def failing(report: Report) -> set[str]:
    """The names of the checks that fail."""
    return {check.name for check in report.checks if check.result is Result.FAILS}


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The path and value of everything that is not an object or a list with members."""
    if isinstance(document, (dict, list)) and document:
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items:
            yield from leaves(value, (*path, key))
    else:
        yield path, document
