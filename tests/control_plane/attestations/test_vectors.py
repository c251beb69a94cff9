"""The test vectors that the gateway and the SDK share: old attestations stay valid."""

import copy
import json
from typing import Any

import pytest

from app.control_plane.attestations.verification import is_valid, verify
from app.control_plane.transparency_log.checkpoint import CheckpointVerifier
from tests.control_plane.attestations.make_vectors import PATH

VECTORS: dict[str, Any] = json.loads(PATH.read_text())
KNOWN = VECTORS["known"]
KEYS = [CheckpointVerifier.parse(text) for text in KNOWN["log"]["keys"]]


@pytest.mark.parametrize("name", VECTORS["attestations"])
def test_an_issued_attestation_is_valid(name: str) -> None:
    assert is_valid(verify(VECTORS["attestations"][name], KNOWN["signers"], KEYS))


@pytest.mark.parametrize(
    "case", VECTORS["tampered"], ids=lambda case: f"{case['path']}={str(case['value'])[:12]}"
)
def test_tampering_is_found(case: dict[str, Any]) -> None:
    document = copy.deepcopy(VECTORS["attestations"]["improvement"])
    *way, last = case["path"].split(".")
    place = document
    for step in way:
        place = place[step]
    place[last] = case["value"]
    checks = verify(document, KNOWN["signers"], KEYS)
    assert not is_valid(checks)
    assert checks[case["fails"]].ok is False
