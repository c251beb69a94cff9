"""Bundles of attestations over HTTP: what they state, who gets them, that they stay the same."""

import hashlib
import json
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hokusai.verify import Result, verify

from app.control_plane.attestations.models import Attestation
from app.control_plane.envelopes.attestation_bundle import statement_about
from tests.support import envelopes
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.training import Training

PREDICATE = "https://hokus.ai/attestation/improvement/v1"


def bundle_of(client: httpx.Client, digest: str) -> httpx.Response:
    return client.get(f"/api/attestations/{digest}/bundle")


def other_key() -> str:
    """The public key of somebody else."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_an_independent_check_of_dsse_accepts_it_and_refuses_others(
    trainer: Training, attestation: dict[str, Any], pem: str
) -> None:
    bundle = good(bundle_of(trainer.client, attestation["hash"]))
    statement = envelopes.opened(bundle, pem)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == PREDICATE
    assert statement["subject"] == [
        {"name": "attestation", "digest": {"sha256": attestation["hash"]}}
    ]
    with pytest.raises(InvalidSignature):
        envelopes.opened(envelopes.changed(bundle), pem)
    other = other_key()
    hint = {"publicKey": {"hint": hashlib.sha256(other.encode()).hexdigest()}, "tlogEntries": []}
    with pytest.raises(InvalidSignature):
        envelopes.opened(bundle | {"verificationMaterial": hint}, other)


def test_the_predicate_is_what_was_attested_with_its_numbers_as_text(
    trainer: Training, attestation: dict[str, Any], known: dict[str, Any], pem: str
) -> None:
    bundle = good(bundle_of(trainer.client, attestation["hash"]))
    predicate = envelopes.opened(bundle, pem)["predicate"]
    assert predicate["evidence"] == "witnessed"
    assert predicate["attestor"] == known["signer"]
    assert predicate["log"] == {
        "origin": known["log"]["origin"],
        "index": str(attestation["log"]["index"]),
    }
    assert predicate["eas"] == {"uid": attestation["eas"]["sig"]["uid"]}
    written = json.loads(attestation["bytes"], parse_float=str, parse_int=str)
    assert predicate["attestation"] == written
    assert written["metrics"] == {"accuracy": "0.88"}
    assert not numbers_in(predicate)


def numbers_in(value: Any) -> list[float]:
    """The numbers in JSON data."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for inner in value for number in numbers_in(inner)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_the_sdk_checks_it_with_the_keys_of_the_gateway(
    trainer: Training, attestation: dict[str, Any], known: dict[str, Any], pem: str
) -> None:
    bundle = good(bundle_of(trainer.client, attestation["hash"]))
    report = verify(attestation, known=known, bundle=bundle)
    assert report["bundle"].result is Result.HOLDS, report["bundle"].detail
    signer = known["signer"]
    assert verify(attestation, attestors=signer, envelope_keys=pem, bundle=bundle).ok
    for other in (bundle_of_another(trainer), envelopes.changed(bundle)):
        report = verify(attestation, known=known, bundle=other)
        assert report["bundle"].result is Result.FAILS
        assert not report.ok


def bundle_of_another(trainer: Training) -> dict[str, Any]:
    """The bundle of another attestation."""
    found: dict[str, Any] = good(bundle_of(trainer.client, trainer.improvement()["hash"]))
    return found


def test_it_is_the_same_each_time(trainer: Training, attestation: dict[str, Any]) -> None:
    first = bundle_of(trainer.client, attestation["hash"])
    trainer.improvement()
    again = bundle_of(trainer.client, attestation["hash"])
    assert first.content == again.content
    assert first.headers["content-type"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    name = f"attestation-{attestation['hash'][:12]}.sigstore.json"
    assert first.headers["content-disposition"] == f'attachment; filename="{name}"'
    # It belongs to a credential, whatever it says.
    assert first.headers["cache-control"] == "no-store"


def test_the_exact_bytes_are_a_file_with_the_hash(
    trainer: Training, attestation: dict[str, Any]
) -> None:
    response = trainer.client.get(f"/api/attestations/{attestation['hash']}/bytes")
    assert response.content == attestation["bytes"].encode()
    assert hashlib.sha256(response.content).hexdigest() == attestation["hash"]


@pytest.mark.parametrize("part", ["bundle", "bytes"])
def test_a_private_one_is_for_its_own_tenant(
    trainer: Training, stranger: httpx.Client, gateway: RunningGateway, part: str
) -> None:
    digest = trainer.improvement()["hash"]
    path = f"/api/attestations/{digest}/{part}"
    assert trainer.client.get(path).status_code == 200
    refused(stranger.get(path), 404, "not_found")
    with gateway.client() as anyone:
        refused(anyone.get(path), 401, "credentials_missing")


def test_what_was_revoked_gets_no_bundle(trainer: Training) -> None:
    digest = trainer.improvement()["hash"]
    good(bundle_of(trainer.client, digest))
    good(trainer.client.post(f"/api/attestations/{digest}/revoke", json={"reason": "It leaked."}))
    problem = refused(bundle_of(trainer.client, digest), 409, "attestation_revoked")
    assert f"/api/attestations/{digest}" in problem["message"]
    assert trainer.client.get(f"/api/attestations/{digest}/bytes").status_code == 200


def test_the_key_is_published_without_a_credential(gateway: RunningGateway, pem: str) -> None:
    with gateway.client() as anyone:
        response = anyone.get("/.well-known/hokusai.pub", headers={"Origin": "https://a.example"})
    assert response.text == pem
    assert response.headers["content-type"] == "application/x-pem-file"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("files", "subjects"),
    [
        (None, []),
        ({"evidence": "claimed", "sha256": "11" * 32}, []),
        ({"evidence": "witnessed", "sha256": "11" * 32}, [("acme/churn@2", "11" * 32)]),
    ],
)
def test_files_are_a_subject_if_the_gateway_has_read_them(
    files: dict[str, Any] | None, subjects: list[tuple[str, str]]
) -> None:
    text = json.dumps(
        {"tenant": "acme", "model_name": "churn", "model_version": "2", "files": files}
    )
    row = Attestation(
        hash="22" * 32,
        text=text,
        kind="witnessed",
        signature={"signer": "0x", "message": {"nonce": 7}},
        eas={"sig": {"uid": "0x"}},
    )
    found = statement_about(row, "log.example")["subject"]
    assert [(one["name"], one["digest"]["sha256"]) for one in found] == [
        *subjects,
        ("attestation", "22" * 32),
    ]
