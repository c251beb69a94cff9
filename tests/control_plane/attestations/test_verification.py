"""What verification says of attestations that hold, and of those that were tampered with."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.attestations import merkle
from app.control_plane.attestations.checkpoint import CheckpointVerifier
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.verification import holds, verify
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.trainer import Trainer

ALL = {"hash", "signature", "signer", "inclusion", "revoked", "eas"}


def asked(anyone: httpx.Client, document: Any) -> tuple[bool, dict[str, Any]]:
    answer = good(anyone.post("/api/attestations/verify", json=document))
    return answer["valid"], answer["checks"]


def test_what_was_issued_holds(anyone: httpx.Client, attestation: dict[str, Any]) -> None:
    valid, checks = asked(anyone, attestation)
    assert valid
    assert set(checks) == ALL
    assert all(check["ok"] for check in checks.values())


def test_it_holds_offline_with_the_well_known_keys(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    known = good(anyone.get("/.well-known/hokusai-attestor.json"))
    key = CheckpointVerifier.parse(known["log"]["key"])
    checks = verify(attestation, known["signers"], [key])
    assert holds(checks)
    assert checks["revoked"].ok is None
    strangers = verify(attestation, ["0x" + "00" * 20], [])
    assert not holds(strangers)
    assert (strangers["signer"].ok, strangers["inclusion"].ok) == (False, False)
    assert strangers["hash"].ok
    assert strangers["signature"].ok


def test_the_verifier_needs_no_server() -> None:
    """Its imports stay those of a program that reads a file."""
    program = "import sys, app.control_plane.attestations.verification; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"fastapi", "sqlalchemy", "httpx", "pydantic", "app.core.settings"})


def change(**parts: Any) -> Callable[[dict[str, Any]], None]:
    """Replaces parts by their path, written with `__` between."""

    def apply(document: dict[str, Any]) -> None:
        for path, value in parts.items():
            *way, last = path.split("__")
            place = document
            for step in way:
                place = place[step]
            place[last] = value

    return apply


def better_numbers(document: dict[str, Any]) -> None:
    """Another text with its own right hash."""
    from app.control_plane.attestations.canonical_json import canonical, digest

    document["data"]["metrics"]["accuracy"] = 0.99
    document["bytes"] = canonical(document["data"])
    document["hash"] = digest(document["bytes"])


TAMPERED: list[tuple[Callable[[dict[str, Any]], None], set[str]]] = [
    (change(data__metrics={"accuracy": 1.0}), {"hash"}),
    (change(kind="claimed"), {"hash"}),
    (change(bytes="{}"), {"hash", "signature", "eas"}),
    (change(hash="0" * 64), {"hash", "signature", "inclusion", "eas"}),
    (better_numbers, {"signature", "inclusion", "eas"}),
    (change(signature__signature="0x" + "11" * 65), {"signature"}),
    (change(signature__signer="0x" + "11" * 20), {"signature", "signer", "eas"}),
    (change(signature__domain__chainId=5), {"signature"}),
    (change(signature__domain__name="Permit"), {"signature"}),
    (change(signature__message__nonce=10**6), {"signature"}),
    (change(signature__message__kind="claimed"), {"signature"}),
    (change(signature__primaryType="Permit"), {"signature"}),
    (change(signature__types={}), {"signature"}),
    (change(signature=None), {"signature", "signer", "eas"}),
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
def test_what_was_tampered_with_fails_where_it_was(
    anyone: httpx.Client,
    attestation: dict[str, Any],
    tamper: Callable[[dict[str, Any]], None],
    wrong: set[str],
) -> None:
    document = copy.deepcopy(attestation)
    tamper(document)
    valid, checks = asked(anyone, document)
    assert not valid
    assert {name for name, check in checks.items() if check["ok"] is False} == wrong


def test_the_other_half_of_a_signature_is_refused(
    anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    """The high-s twin recovers to the same address."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(attestation["signature"]["signature"][2:])
    twin = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    document = copy.deepcopy(attestation)
    document["signature"]["signature"] = f"0x{twin.hex()}{27 + 28 - raw[64]:02x}"
    _, checks = asked(anyone, document)
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
def test_any_document_is_judged(document: dict[str, Any]) -> None:
    assert not holds(verify(document, ["0x" + "11" * 20], []))


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "{", '{"a": 1, "a": 1}', "NaN"])
def test_what_is_no_document_is_refused(anyone: httpx.Client, body: str) -> None:
    refused(anyone.post("/api/attestations/verify", content=body), 422, "validation_failed")


def test_a_revoked_attestation_says_so(trainer: Trainer, anyone: httpx.Client) -> None:
    document = trainer.improvement()
    path = f"/api/attestations/{document['hash']}"
    said = {"reason": "The test set leaked."}
    revoked = good(trainer.client.post(f"{path}/revoke", json=said))["revoked"]
    assert revoked["reason"] == said["reason"]
    assert revoked["index"] > document["log"]["index"]
    valid, checks = asked(anyone, document)
    assert not valid
    assert {name for name, check in checks.items() if not check["ok"]} == {"revoked"}
    # It stays readable, and a second time adds nothing.
    again = good(trainer.client.post(f"{path}/revoke", json={"reason": "Once more."}))["revoked"]
    assert again == revoked
    found = good(trainer.client.get(path))
    assert (found["revoked"], found["bytes"]) == (revoked, document["bytes"])
    page = good(
        anyone.get("/api/attestations/log/entries", params={"start": revoked["index"], "limit": 1})
    )
    (entry,) = page["entries"]
    assert (entry["kind"], entry["attestation"]) == ("revoked", document["hash"])
    assert json.loads(entry["entry"])["reason"] == said["reason"]


def test_nobody_else_revokes(gateway: RunningGateway, attestation: dict[str, Any]) -> None:
    with gateway.client(gateway.key()) as other:
        path = f"/api/attestations/{attestation['hash']}"
        refused(other.post(f"{path}/revoke", json={"reason": "x"}), 403, "permission_denied")
        refused(other.get(f"{path}/mint-request"), 403, "permission_denied")


def test_a_log_that_does_not_exist_is_found_out(
    gateway: RunningGateway, anyone: httpx.Client, attestation: dict[str, Any]
) -> None:
    """Whoever has the attestor's key can sign all of a document, but not put it into the log."""
    attestor = Attestor.from_settings(gateway.settings)
    entry = json.dumps({"attestation": attestation["hash"], "kind": "attested"})
    forged = copy.deepcopy(attestation)
    forged["log"] = {
        "index": 0,
        "tree_size": 1,
        "proof": [],
        "entry": entry,
        "checkpoint": attestor.checkpoints.sign(1, merkle.leaf_hash(entry.encode())),
    }
    key = attestor.checkpoints.verifier
    assert holds(verify(forged, [attestor.address], [key]))
    valid, checks = asked(anyone, forged)
    assert not valid
    assert {name for name, check in checks.items() if check["ok"] is False} == {"inclusion"}
