"""Signed checkpoints: a signed note opens, and no other text does."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.transparency_log.checkpoint import (
    Checkpoint,
    CheckpointSigner,
    CheckpointVerifier,
)

NAME = "example.org/log"
SIGNER = CheckpointSigner(NAME, b"1" * 32)
NOTE = SIGNER.sign(7, b"r" * 32)


def test_a_note_has_the_form_of_c2sp_signed_note() -> None:
    assert NOTE.startswith(
        f"{NAME}\n7\n{base64.b64encode(b'r' * 32).decode()}\n\n\N{EM DASH} {NAME} "
    )
    assert NOTE.endswith("\n")
    blob = base64.b64decode(NOTE.splitlines()[-1].split(" ")[2])
    assert len(blob) == 4 + 64
    assert blob[:4] == SIGNER.verifier.key_id


def test_a_note_opens_with_the_key_parsed_from_its_text() -> None:
    key = CheckpointVerifier.parse(str(SIGNER.verifier))
    assert key.open(NOTE) == Checkpoint(NAME, 7, b"r" * 32)


def test_the_key_in_gos_documentation_is_parsed() -> None:
    """The verifier key in the documentation of golang.org/x/mod/sumdb/note."""
    key = CheckpointVerifier.parse(
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )
    assert key.key_id.hex() == "c74f20a3"
    assert str(key) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_note_may_have_signatures_of_other_keys() -> None:
    other = CheckpointSigner("witness.example", b"2" * 32)
    body = NOTE.split("\n\n")[0] + "\n\n"
    line = other.sign(7, b"r" * 32).split("\n\n")[1]
    assert SIGNER.verifier.open(body + line + NOTE.split("\n\n")[1]).size == 7


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ValueError, match="not signed"):
        CheckpointSigner(NAME, b"2" * 32).verifier.open(NOTE)
    with pytest.raises(ValueError, match=r"not a checkpoint of another\.example"):
        CheckpointSigner("another.example", b"1" * 32).verifier.open(NOTE)


def test_a_key_signs_for_no_other_log_than_that_of_its_name() -> None:
    """As when one secret serves two logs: the origin line says which one a checkpoint is of."""
    body = NOTE.replace(f"{NAME}\n", "another.example\n", 1).split("\n\n")[0] + "\n"
    key = SIGNER.verifier
    blob = base64.b64encode(key.key_id + SIGNER._signer.sign(body.encode())).decode()
    with pytest.raises(ValueError, match=f"not a checkpoint of {NAME}"):
        key.open(f"{body}\n\N{EM DASH} {NAME} {blob}\n")


@given(st.integers(min_value=0, max_value=len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_note_with_any_character_changed_does_not_open(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(ValueError, match="not"):
        SIGNER.verifier.open(changed)


@given(st.text())
def test_other_text_does_not_open(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        SIGNER.verifier.open(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a+b", "a+b+c", "a+00000000+AAAA", f"+{str(SIGNER.verifier).partition('+')[2]}"),
        *(str(CheckpointVerifier(name, bytes(32))) for name in ("a b", "a\n", "\u2003")),
    ],
)
def test_text_that_is_not_a_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        CheckpointVerifier.parse(text)
