"""Sigstore bundles, opened by other people's code and without any of the gateway's."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf.json_format import Parse
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from tests.support.programs import finish

TYPE = "application/vnd.in-toto+json"


def opened(bundle: dict[str, Any], pem: str) -> dict[str, Any]:
    """The statement in a bundle. Raises InvalidSignature unless the key in `pem` has signed it."""
    envelope = bundle["dsseEnvelope"]
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    hint = hashlib.sha256(pem.encode()).hexdigest()
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": hint}, "tlogEntries": []}
    assert envelope["payloadType"] == TYPE
    (signature,) = envelope["signatures"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    encoded = f"DSSEv1 {len(TYPE)} {TYPE} {len(payload)} ".encode() + payload
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    key.verify(base64.b64decode(signature["sig"]), encoded, ec.ECDSA(hashes.SHA256()))
    # in-toto's own library reads it.
    Statement.copy_from_pb(Parse(payload, statement_pb2.Statement())).validate()
    statement: dict[str, Any] = json.loads(payload)
    return statement


def changed(bundle: dict[str, Any]) -> dict[str, Any]:
    """The bundle with one bit of its payload turned around."""
    payload = bytearray(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload[len(payload) // 2] ^= 1
    envelope = bundle["dsseEnvelope"] | {"payload": base64.b64encode(payload).decode()}
    return bundle | {"dsseEnvelope": envelope}


def write_model(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Files of a model, as a downloader has them. Returns their directory."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def model_signing(
    model: Path, bundle: dict[str, Any], pem: str, elsewhere: Path
) -> subprocess.CompletedProcess[str]:
    """What `model_signing verify key` says of a directory. elsewhere: another one, which is empty.

    It is the program of OpenSSF, from PyPI.
    """
    signature, key = elsewhere / "model.sig", elsewhere / "hokusai.pub"
    signature.write_text(json.dumps(bundle))
    key.write_text(pem)
    program = Path(sys.executable).with_name("model_signing")
    options = ["--signature", str(signature), "--public_key", str(key)]
    return finish([program, "verify", "key", str(model), *options], elsewhere, {})
