"""The vectors that gateway and SDK share: what was issued once verifies for good."""

import copy
import json
from typing import Any

import pytest

from app.control_plane.attestations.checkpoint import CheckpointVerifier
from app.control_plane.attestations.verification import holds, verify
from tests.control_plane.attestations.make_vectors import PATH

VECTORS: dict[str, Any] = json.loads(PATH.read_text())
KNOWN = VECTORS["known"]
KEYS = [CheckpointVerifier.parse(text) for text in KNOWN["log"]["keys"]]


@pytest.mark.parametrize("name", VECTORS["attestations"])
def test_what_was_issued_holds(name: str) -> None:
    assert holds(verify(VECTORS["attestations"][name], KNOWN["signers"], KEYS))


@pytest.mark.parametrize(
    "case", VECTORS["tampered"], ids=lambda case: f"{case['path']}={str(case['value'])[:12]}"
)
def test_the_tampering_is_found(case: dict[str, Any]) -> None:
    document = copy.deepcopy(VECTORS["attestations"]["improvement"])
    *way, last = case["path"].split(".")
    place = document
    for step in way:
        place = place[step]
    place[last] = case["value"]
    checks = verify(document, KNOWN["signers"], KEYS)
    assert not holds(checks)
    assert checks[case["fails"]].ok is False
