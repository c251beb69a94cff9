"""The credential of a request is parsed from its headers, without repeating it in an error."""

import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.identity.credentials import KeyCredential, WalletCredential, parse
from app.core.errors import (
    AmbiguousCredentialsError,
    GatewayError,
    InvalidKeyError,
    InvalidSignatureError,
    UnauthenticatedError,
)

KEY = "hk_live_canary"
WALLET = {
    b"x-eth-address": b"0xabc",
    b"x-eth-message": b"Hokusai API Access - now",
    b"x-eth-signature": b"5167",
}


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


def test_a_request_without_credentials_has_no_credential() -> None:
    assert parse({}) is None
    assert parse({b"host": b"registry", b"cookie": b"key=" + KEY.encode()}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + KEY.encode()},
        {b"authorization": b"bearer " + KEY.encode()},
        {b"authorization": b"BEARER  " + KEY.encode() + b" "},
        {b"authorization": b"ApiKey " + KEY.encode()},
        {b"authorization": b"apikey " + KEY.encode()},
        {b"x-api-key": KEY.encode()},
        {b"authorization": basic(b"anybody:" + KEY.encode())},
        {b"authorization": basic(b":" + KEY.encode())},
        {b"authorization": basic(b"anybody:" + KEY.encode()).replace(b"Basic", b"bAsIc")},
        {b"authorization": basic(KEY.encode() + b":")},
        {b"authorization": basic(KEY.encode() + b":x-oauth-basic")},
        {b"authorization": basic(KEY.encode() + b":" + KEY.encode())},
    ],
)
def test_a_key_is_parsed_from_each_of_its_headers(headers: dict[bytes, bytes]) -> None:
    assert parse(headers) == KeyCredential(KEY)


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer " + KEY.encode(),
        b"ApiKey " + KEY.encode(),
        basic(b"anybody:" + KEY.encode()),
        basic(KEY.encode() + b":"),
    ],
)
def test_the_same_key_in_several_places_is_one_credential(authorization: bytes) -> None:
    headers = {b"authorization": authorization, b"x-api-key": KEY.encode()}
    assert parse(headers) == KeyCredential(KEY)
    with pytest.raises(AmbiguousCredentialsError) as caught:
        parse({**headers, b"x-api-key": KEY.encode() + b"2"})
    assert KEY not in str(caught.value.body("id"))


def test_a_basic_password_may_contain_colons() -> None:
    assert parse({b"authorization": basic(b"user:a:b")}) == KeyCredential("a:b")


def test_a_wallets_credential_is_parsed_from_its_three_headers() -> None:
    assert parse(WALLET) == WalletCredential("0xabc", "Hokusai API Access - now", "5167")


@pytest.mark.parametrize("name", list(WALLET))
@pytest.mark.parametrize("left", [None, b""])
def test_a_wallet_needs_all_three_headers(name: bytes, left: bytes | None) -> None:
    headers = {key: value for key, value in WALLET.items() if key != name}
    if left is not None:
        headers[name] = left
    with pytest.raises(InvalidSignatureError) as caught:
        parse(headers)
    missing = caught.value.message.partition(" is missing")[0]
    assert missing.lower().encode() == name


@pytest.mark.parametrize("name", list(WALLET))
def test_a_wallet_header_outside_ascii_is_refused(name: bytes) -> None:
    with pytest.raises(InvalidSignatureError, match="outside ASCII"):
        parse({**WALLET, name: b"\xe9"})


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer a", b"x-api-key": b"b"},
        {b"authorization": basic(KEY.encode() + b":" + KEY.encode() + b"2")},
        {**WALLET, b"authorization": b"Bearer a"},
        {**WALLET, b"x-api-key": b"a"},
        {b"x-eth-signature": b"", b"x-api-key": b"a"},
    ],
)
def test_two_credentials_are_ambiguous(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(AmbiguousCredentialsError) as caught:
        parse(headers)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({b"authorization": b""}, "no scheme"),
        ({b"authorization": KEY.encode()}, "no scheme"),
        ({b"authorization": b"Digest " + KEY.encode()}, "unknown scheme"),
        ({b"authorization": KEY.encode() + b" x"}, "unknown scheme"),
        ({b"authorization": b"Bearer"}, "no key"),
        ({b"authorization": b"Bearer   "}, "no key"),
        ({b"authorization": b"ApiKey "}, "no key"),
        ({b"authorization": b"Bearer " + KEY.encode() + b"\xff"}, "outside ASCII"),
        ({b"x-api-key": KEY.encode() + b"\xff"}, "outside ASCII"),
        ({b"x-api-key": b""}, "no key"),
        ({b"authorization": b"Basic " + KEY.encode()}, "not valid base64"),
        ({b"authorization": basic(b"u:" + KEY.encode())[:-2] + b"!!"}, "not valid base64"),
        ({b"authorization": basic(KEY.encode())}, "no colon"),
        ({b"authorization": basic(b"user:")}, "no key"),
        ({b"authorization": basic(KEY.encode() + b"\xff:")}, "outside ASCII"),
        ({b"authorization": b"", b"x-api-key": KEY.encode()}, "no scheme"),
        ({b"authorization": basic(b"u:" + KEY.encode() + b"\xff")}, "outside ASCII"),
    ],
)
def test_a_malformed_key_is_refused_without_repeating_it(
    headers: dict[bytes, bytes], words: str
) -> None:
    with pytest.raises(InvalidKeyError, match=words) as caught:
        parse(headers)
    assert caught.value.status == 401
    shown = "".join(traceback.format_exception_only(caught.value)) + str(caught.value.body("id"))
    assert KEY not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_repr_shows_no_secret() -> None:
    assert KEY not in repr(parse({b"x-api-key": KEY.encode()}))
    shown = repr(parse(WALLET))
    assert "5167" not in shown
    assert "0xabc" in shown


@given(
    st.dictionaries(
        st.sampled_from([b"authorization", b"x-api-key", *WALLET]),
        st.binary(max_size=60)
        | st.binary(max_size=40).map(lambda value: b"Basic " + value)
        | st.binary(max_size=40).map(basic)
        | st.binary(max_size=40).map(lambda value: b"Bearer " + value),
    )
)
def test_parsing_any_headers_raises_no_other_error(headers: dict[bytes, bytes]) -> None:
    try:
        credential = parse(headers)
    except GatewayError as error:
        assert isinstance(error, UnauthenticatedError | AmbiguousCredentialsError)  # noqa: PT017
    else:
        assert (credential is None) == (not headers)
