"""The attestor's key, from the settings, and its signatures."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from pydantic import SecretStr

from app.control_plane.attestations.eip712 import TypedData, Types, domain
from app.control_plane.attestations.signing_key import Attestor, has_attestor_key
from app.core.errors import StartupError
from app.core.ethereum import checksum_address
from app.core.settings import Settings

KEY = "1f" * 32
ADDRESS = Account.from_key(KEY).address
PASSWORD = "correct horse"


def attestor(**settings: Any) -> Attestor:
    return Attestor.from_settings(Settings(**settings))


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keystore") / "key.json"
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY), PASSWORD, iterations=2)))
    return path


@pytest.mark.parametrize("text", [KEY, f"0x{KEY}", f"  {KEY.upper()}\n"])
def test_the_key_can_be_given_itself_or_in_a_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    assert attestor(attestor_key=SecretStr(text)).address == ADDRESS
    assert attestor(attestor_key_file=file).address == ADDRESS


def test_the_key_can_be_in_an_encrypted_keystore(keystore: Path) -> None:
    found = attestor(attestor_keystore=keystore, attestor_keystore_password=SecretStr(PASSWORD))
    assert found.address == ADDRESS


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"attestor_keystore_password": "x"}, False),
        ({"attestor_key": KEY}, True),
        ({"attestor_key_file": "/x"}, True),
        ({"attestor_keystore": "/x"}, True),
    ],
)
def test_a_key_is_set_in_one_of_three_settings(settings: dict[str, Any], expected: bool) -> None:
    assert has_attestor_key(Settings(**settings)) is expected


def test_the_checkpoint_key_is_derived_from_the_attestor_key() -> None:
    first, second = attestor(attestor_key=KEY), attestor(attestor_key="2f" * 32)
    assert str(first.checkpoint_signer.verifier) == str(
        attestor(attestor_key=KEY).checkpoint_signer.verifier
    )
    assert first.checkpoint_signer.verifier.key_id != second.checkpoint_signer.verifier.key_id


def test_the_key_of_envelopes_is_derived_from_the_attestor_key() -> None:
    """The same key as `cryptography` derives, and the PEM text that it writes."""
    key = attestor(attestor_key=KEY).envelope_key
    derive = HKDF(SHA256(), 48, b"", b"hokusai envelope p256 v1").derive
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    secret = int.from_bytes(derive(bytes.fromhex(KEY)), "big") % (order - 1) + 1
    public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert key.pem == pem.decode()
    assert key.hint == hashlib.sha256(pem).hexdigest()
    assert attestor(attestor_key="2f" * 32).envelope_key.pem != key.pem
    assert key.sign(b"note") == key.sign(b"note"), "it signs deterministically"
    public.verify(key.sign(b"note"), b"note", ec.ECDSA(SHA256()))


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({}, "HOKUSAI_ATTESTOR_KEY"),
        ({"attestor_key": "12"}, "HOKUSAI_ATTESTOR_KEY"),
        ({"attestor_key": "zz" * 32}, "HOKUSAI_ATTESTOR_KEY"),
        ({"attestor_key": "00" * 32}, "HOKUSAI_ATTESTOR_KEY"),
        ({"attestor_key": "ff" * 32}, "HOKUSAI_ATTESTOR_KEY"),
        ({"attestor_key_file": "/no/such/file"}, "HOKUSAI_ATTESTOR_KEY_FILE"),
        ({"attestor_key": KEY, "attestor_key_file": "/x"}, "HOKUSAI_ATTESTOR_KEY_FILE"),
        ({"attestor_keystore": "/x"}, "HOKUSAI_ATTESTOR_KEYSTORE_PASSWORD"),
        (
            {"attestor_keystore": "/x", "attestor_keystore_password": "x"},
            "HOKUSAI_ATTESTOR_KEYSTORE",
        ),
    ],
)
def test_an_error_names_the_setting_and_shows_no_key(
    settings: dict[str, Any], setting: str
) -> None:
    with pytest.raises(StartupError, match=setting) as caught:
        attestor(**settings)
    assert KEY not in str(caught.value)
    assert "zzzz" not in str(caught.value)


def test_a_wrong_password_is_reported_as_such(keystore: Path) -> None:
    with pytest.raises(StartupError, match="password does not open"):
        attestor(attestor_keystore=keystore, attestor_keystore_password=SecretStr("wrong"))


def test_a_signature_recovers_to_the_attestors_address() -> None:
    signer = attestor(attestor_key=KEY)
    types = Types({"Note": [{"name": "text", "type": "string"}]})
    data = TypedData(domain("Notes", "1", 1, "0x" + "00" * 20), types, "Note", {"text": "x"})
    signature = signer.sign(data)
    assert len(signature) == 132
    assert data.signer(signature) == signer.address


def test_the_domain_is_that_of_the_settings() -> None:
    contract = "0x" + "ab" * 20
    signer = attestor(attestor_key=KEY, chain_id=31337, verifying_contract=contract)
    assert signer.domain == {
        "name": "HokusaiAttestation",
        "version": "1",
        "chainId": 31337,
        "verifyingContract": checksum_address(contract),
    }
