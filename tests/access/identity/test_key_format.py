"""The format, checksum, digest and hint of API keys and tokens."""

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.identity.key_format import (
    KEY_PREFIX,
    TOKEN_PREFIX,
    digest,
    hint,
    is_token,
    is_well_formed,
    new_key,
    new_token,
)

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Fixed, so that a change of the format that would invalidate existing keys fails a test.
KNOWN = "hk_live_" + "0" * 43 + "_0gJe0l"


def checksum_by_hand(body: str) -> str:
    number = zlib.crc32(body.encode())
    return "".join(BASE62[number // 62**place % 62] for place in range(5, -1, -1))


def test_new_keys_and_tokens_are_well_formed_and_differ() -> None:
    texts = [new_key() for _ in range(50)] + [new_token() for _ in range(50)]
    assert all(is_well_formed(text) for text in texts)
    assert len(set(texts)) == 100


def test_a_key_has_the_documented_parts() -> None:
    body, checksum = new_key().rsplit("_", 1)
    assert body.startswith(KEY_PREFIX)
    assert re.fullmatch("[0-9A-Za-z]{43}", body.removeprefix(KEY_PREFIX))
    assert checksum == checksum_by_hand(body)


def test_the_format_of_existing_keys_is_unchanged() -> None:
    assert is_well_formed(KNOWN)


def test_tokens_and_keys_are_distinguished() -> None:
    assert is_token(new_token())
    assert not is_token(new_key())
    assert new_token().startswith(TOKEN_PREFIX)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: "",
        lambda key: key + "\n",
        lambda key: " " + key,
        lambda key: key + "0",
        lambda key: key[:-1],
        lambda key: key.upper(),
        lambda key: key.replace("_", "-"),
        lambda key: key.replace("hk_live_", "hk_test_"),
        lambda key: key.replace("hk_live_", "hk_token_"),
        lambda key: key[:10] + "é" + key[11:],
        lambda key: key[:10] + "\u0661" + key[11:],  # a digit, but not an ASCII one
        lambda key: key * 10_000,
    ],
)
def test_a_similar_text_is_not_well_formed(change: Callable[[str], str]) -> None:
    assert not is_well_formed(change(KNOWN))


@given(position=st.integers(8, len(KNOWN) - 1), character=st.sampled_from(BASE62))
def test_the_checksum_detects_every_single_typo(position: int, character: str) -> None:
    typo = KNOWN[:position] + character + KNOWN[position + 1 :]
    assert is_well_formed(typo) == (typo == KNOWN)


@given(st.text())
def test_any_other_text_is_not_well_formed(text: str) -> None:
    assert not is_well_formed(text)


def test_the_digest_is_an_hmac_with_the_pepper() -> None:
    key = new_key()
    assert digest(key, b"pepper") == hmac.new(b"pepper", key.encode(), hashlib.sha256).digest()
    assert digest(key, b"pepper") != digest(key, b"salt")
    assert digest(key, b"pepper") != digest(new_key(), b"pepper")


def test_the_hint_shows_four_random_characters() -> None:
    key = new_key()
    assert hint(key) == f"hk_live_...{key[47:51]}"
    token = new_token()
    assert hint(token) == f"hk_token_...{token[48:52]}"


def test_another_text_has_no_hint() -> None:
    with pytest.raises(ValueError, match="not the text of a key") as caught:
        hint("my-other-password")
    assert "password" not in str(caught.value)
