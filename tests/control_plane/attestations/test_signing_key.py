"""The attestor's key, from the settings, and the typed data that it signs."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.control_plane.attestations.eip712 import TypedData, domain
from app.control_plane.attestations.signing_key import Attestor, has_attestor_key
from app.core.errors import StartupError
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


TYPES = {
    "Letter": [
        {"name": "subject", "type": "string"},
        {"name": "from", "type": "Person"},
        {"name": "to", "type": "Person[]"},
        {"name": "urgent", "type": "bool"},
        {"name": "stamp", "type": "bytes32"},
        {"name": "body", "type": "bytes"},
        {"name": "at", "type": "uint64"},
    ],
    "Person": [
        {"name": "wallet", "type": "address"},
        {"name": "weight", "type": "uint256"},
    ],
}
PEOPLE = st.fixed_dictionaries(
    {
        "wallet": st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}"),
        "weight": st.integers(min_value=0, max_value=2**256 - 1),
    }
)
LETTERS = st.fixed_dictionaries(
    {
        "subject": st.text(),
        "from": PEOPLE,
        "to": st.lists(PEOPLE, max_size=3),
        "urgent": st.booleans(),
        "stamp": st.binary(min_size=32, max_size=32).map(lambda raw: f"0x{raw.hex()}"),
        "body": st.binary(max_size=70).map(lambda raw: f"0x{raw.hex()}"),
        "at": st.integers(min_value=0, max_value=2**64 - 1),
    }
)
SIGNER = attestor(attestor_key=KEY)


@given(LETTERS)
def test_typed_data_is_hashed_as_eth_account_hashes_it(message: dict[str, Any]) -> None:
    data = TypedData(domain("Post", "1", 31337, "0x" + "00" * 20), TYPES, "Letter", message)
    theirs = encode_typed_data(domain_data=data.domain, message_types=TYPES, message_data=message)
    assert data.digest() == keccak(b"\x19" + theirs.version + theirs.header + theirs.body)
    signature = SIGNER.sign(data)
    assert data.signer(signature) == ADDRESS
    assert Account.recover_message(theirs, signature=signature) == ADDRESS


@pytest.mark.parametrize(
    "change",
    [
        {"at": -1},
        {"at": 2**64},
        {"at": True},
        {"at": 1.0},
        {"at": "1"},
        {"urgent": 1},
        {"stamp": "0x12"},
        {"body": "12"},
        {"body": "0x1"},
        {"subject": None},
        {"to": {}},
        {"from": {"wallet": "0x" + "00" * 20}},
        {"from": {"wallet": "0x" + "00" * 21, "weight": 1}},
        {"more": 1},
    ],
)
def test_a_value_of_another_type_is_not_signed(change: dict[str, Any]) -> None:
    person = {"wallet": "0x" + "00" * 20, "weight": 1}
    letter = {
        "subject": "",
        "from": person,
        "to": [person],
        "urgent": True,
        "stamp": "0x" + "00" * 32,
        "body": "0x",
        "at": 1,
    }
    place = domain("Post", "1", 1, "0x" + "00" * 20)
    assert TypedData(place, TYPES, "Letter", letter).digest()
    with pytest.raises(ValueError, match=r"value|members"):
        TypedData(place, TYPES, "Letter", letter | change).digest()
