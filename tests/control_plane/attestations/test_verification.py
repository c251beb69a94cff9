"""Verifying attestations, valid and tampered with, offline and with the log; revoking them."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.attestations import eip712
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.verification import is_valid, verify
from app.control_plane.transparency_log import merkle
from app.control_plane.transparency_log.checkpoint import CheckpointVerifier
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training

ALL = {"hash", "signature", "signer", "inclusion", "revoked", "eas"}


def verified(anyone: httpx.Client, document: Any) -> tuple[bool, dict[str, Any]]:
    response = good(anyone.post("/api/attestations/verify", json=document))
    return response["valid"], response["checks"]


def test_an_issued_attestation_passes_all_checks(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    valid, checks = verified(anyone, attestation)
    assert valid
    assert set(checks) == ALL
    assert all(check["ok"] for check in checks.values())


def test_it_is_valid_offline_with_the_published_keys(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    known = good(anyone.get("/.well-known/hokusai-attestor.json"))
    key = CheckpointVerifier.parse(known["log"]["key"])
    checks = verify(attestation, known["signers"], [key])
    assert is_valid(checks)
    assert checks["revoked"].ok is None
    strangers = verify(attestation, ["0x" + "00" * 20], [])
    assert not is_valid(strangers)
    assert (strangers["signer"].ok, strangers["inclusion"].ok) == (False, False)
    assert strangers["hash"].ok
    assert strangers["signature"].ok


def test_the_offline_verifier_loads_nothing_of_a_server() -> None:
    """It is to work in a program that reads a file."""
    program = "import sys, app.control_plane.attestations.verification; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"fastapi", "sqlalchemy", "httpx", "pydantic", "app.core.settings"})


def change(**parts: Any) -> Callable[[dict[str, Any]], None]:
    """Replaces members, each named by its path with `__` between the steps."""

    def apply(document: dict[str, Any]) -> None:
        for path, value in parts.items():
            *way, last = path.split("__")
            place = document
            for step in way:
                place = place[step]
            place[last] = value

    return apply


def better_numbers(document: dict[str, Any]) -> None:
    """Other metrics, with the hash of the changed data."""
    from app.core.canonical_json import canonicalize, digest

    document["data"]["metrics"]["accuracy"] = 0.99
    document["bytes"] = canonicalize(document["data"])
    document["hash"] = digest(document["bytes"])


TAMPERED: list[tuple[Callable[[dict[str, Any]], None], set[str]]] = [
    (change(data__metrics={"accuracy": 1.0}), {"hash"}),
    (change(kind="claimed"), {"hash"}),
    (change(evidence="claimed"), {"hash"}),
    (change(evidence=None), {"hash"}),
    (change(delta_one=99.0), {"hash"}),
    (change(delta_one=None), {"hash"}),
    (change(proof={"system": "groth16"}), {"hash"}),
    (change(created_at="2020-01-01T00:00:00Z"), {"signature"}),
    (change(created_at="yesterday"), {"signature"}),
    (change(created_at=None), {"signature"}),
    (change(revoked={"index": 1, "reason": "no", "at": "2020-01-01T00:00:00Z"}), {"revoked"}),
    (change(eas__sig__version=1), {"eas"}),
    (change(bytes="{}"), {"hash", "signature", "eas"}),
    (change(hash="0" * 64), {"hash", "signature", "inclusion", "eas"}),
    (better_numbers, {"signature", "inclusion", "eas"}),
    (change(signature__signature="0x" + "11" * 65), {"signature"}),
    (change(signature__signer="0x" + "11" * 20), {"signature", "signer", "inclusion", "eas"}),
    (change(signature__domain__chainId=5), {"signature"}),
    (change(signature__domain__name="Permit"), {"signature"}),
    (change(signature__message__nonce=10**6), {"signature", "inclusion"}),
    (change(signature__message__kind="claimed"), {"signature"}),
    (change(signature__primaryType="Permit"), {"signature"}),
    (change(signature__types={}), {"signature"}),
    (change(signature=None), {"signature", "signer", "inclusion", "eas"}),
    (change(log__index=10**6), {"inclusion"}),
    (change(log__tree_size=10**6), {"inclusion"}),
    (change(log__proof=["00" * 32]), {"inclusion"}),
    (change(log__entry="{}"), {"inclusion"}),
    (change(log__checkpoint="nothing"), {"inclusion"}),
    (change(log=7), {"inclusion"}),
    (change(eas__sig__message__data="0x00"), {"eas"}),
    (change(eas__sig__uid="0x" + "00" * 32), {"eas"}),
    (change(eas__sig__signature__v=27.5), {"eas"}),
    (change(eas__signer="0x" + "11" * 20), {"eas"}),
]


@pytest.mark.parametrize(("tamper", "wrong"), TAMPERED)
def test_tampering_fails_the_checks_of_what_was_changed(
    anyone: httpx.Client,
    attestation: dict[str, Any],
    tamper: Callable[[dict[str, Any]], None],
    wrong: set[str],
) -> None:
    document = copy.deepcopy(attestation)
    tamper(document)
    valid, checks = verified(anyone, document)
    assert not valid
    assert {name for name, check in checks.items() if check["ok"] is False} == wrong


def test_a_fraction_of_a_second_is_not_part_of_the_signed_time(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    document = copy.deepcopy(attestation)
    document["created_at"] = document["created_at"].replace("Z", ".5Z")
    valid, checks = verified(anyone, document)
    assert not valid
    assert "created_at" in checks["signature"]["detail"]


def test_true_is_not_one(trainer: Training, anyone: httpx.Client) -> None:
    document = trainer.improvement(before=0.5, after=1)
    for number, valid in ((1, True), (True, False)):
        document["data"]["metrics"]["accuracy"] = number
        assert verified(anyone, document)[0] is valid


def test_members_that_nobody_signed_are_named(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    assert good(anyone.post("/api/attestations/verify", json=attestation))["unsigned"] == []
    document = copy.deepcopy(attestation)
    document["audited_by"] = "nobody"
    document["signature"]["note"] = document["eas"]["sig"]["signature"]["yParity"] = 1
    response = good(anyone.post("/api/attestations/verify", json=document))
    assert response["valid"]
    added = {"audited_by", "signature.note", "eas.sig.signature.yParity"}
    assert set(response["unsigned"]) == added
    document["log"] |= {f"m{i}": 0 for i in range(30)}
    response = good(anyone.post("/api/attestations/verify", json=document))
    assert len(response["unsigned"]) == 20


def test_a_signature_with_a_high_s_is_refused(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    """It recovers to the same address as the one with a low s (EIP-2)."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(attestation["signature"]["signature"][2:])
    twin = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    document = copy.deepcopy(attestation)
    document["signature"]["signature"] = f"0x{twin.hex()}{27 + 28 - raw[64]:02x}"
    _, checks = verified(anyone, document)
    assert checks["signature"]["ok"] is False
    assert "EIP-2" in checks["signature"]["detail"]


@given(
    st.dictionaries(
        st.sampled_from(["hash", "bytes", "data", "signature", "log", "eas", "kind"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["sig", "signer", "domain", "message", "types", "entry", "proof", "index"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_verification_never_raises(document: dict[str, Any]) -> None:
    assert not is_valid(verify(document, ["0x" + "11" * 20], []))


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "{", '{"a": 1, "a": 1}', "NaN"])
def test_a_body_that_is_not_a_json_object_is_refused(anyone: httpx.Client, body: str) -> None:
    refused(anyone.post("/api/attestations/verify", content=body), 422, "validation_failed")


def test_a_revoked_attestation_is_invalid_and_stays_readable(
    trainer: Training, anyone: httpx.Client
) -> None:
    document = trainer.improvement()
    path = f"/api/attestations/{document['hash']}"
    body = {"reason": "The test set leaked."}
    revoked = good(trainer.client.post(f"{path}/revoke", json=body))["revoked"]
    assert revoked["reason"] == body["reason"]
    assert revoked["index"] > document["log"]["index"]
    valid, checks = verified(anyone, document)
    assert not valid
    assert {name for name, check in checks.items() if not check["ok"]} == {"revoked"}
    # It stays readable, and revoking it again adds nothing.
    again = good(trainer.client.post(f"{path}/revoke", json={"reason": "Once more."}))["revoked"]
    assert again == revoked
    found = good(trainer.client.get(path))
    assert (found["revoked"], found["bytes"]) == (revoked, document["bytes"])
    page = good(
        anyone.get("/api/attestations/log/entries", params={"start": revoked["index"], "limit": 1})
    )
    (entry,) = page["entries"]
    assert (entry["kind"], entry["attestation"]) == ("revoked", document["hash"])
    assert json.loads(entry["entry"])["reason"] == body["reason"]


def test_another_tenant_cannot_revoke(gateway: RunningGateway, attestation: dict[str, Any]) -> None:
    with gateway.client(gateway.key()) as other:
        path = f"/api/attestations/{attestation['hash']}"
        refused(other.post(f"{path}/revoke", json={"reason": "x"}), 403, "permission_denied")


def test_a_forged_log_is_found_although_its_checkpoint_is_signed(
    gateway: RunningGateway, anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    """A stolen attestor key can sign every part of a document, but not add it to the log."""
    attestor = Attestor.from_settings(gateway.settings)
    entry = json.dumps(
        {"attestation": attestation["hash"], "kind": "attested", "signer": attestor.address}
    )
    forged = copy.deepcopy(attestation)
    issued_at = datetime.fromisoformat(attestation["created_at"])
    signed = eip712.attestation(
        attestor.domain, attestation["hash"], attestation["kind"], issued_at, nonce=0
    )
    forged["signature"] |= {"signature": attestor.sign(signed), "message": signed.message}
    forged["log"] = {
        "index": 0,
        "tree_size": 1,
        "proof": [],
        "entry": entry,
        "checkpoint": attestor.checkpoint_signer.sign(1, merkle.leaf_hash(entry.encode())),
    }
    key = attestor.checkpoint_signer.verifier
    assert is_valid(verify(forged, [attestor.address], [key]))
    valid, checks = verified(anyone, forged)
    assert not valid
    assert {name for name, check in checks.items() if check["ok"] is False} == {"inclusion"}
