"""A wallet's signed message is verified by its time and its signature."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from app.access.identity.credentials import WalletCredential
from app.access.identity.wallet import verify
from app.core.errors import InvalidSignatureError, StaleSignatureError
from app.core.ethereum import personal_digest
from app.core.request.wallet_proof import WalletProof

ACCOUNT = Account.from_key("0x" + "46" * 32)
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MAX_AGE, CLOCK_SKEW = 300.0, 60.0


class HokusaiAuth:
    """The guide's class, with a clock that tests set, and the signature with or without `0x`."""

    def __init__(self, private_key: str) -> None:
        self.account = Account.from_key(private_key)

    def get_auth_headers(self, now: datetime, prefix: str = "") -> dict[str, str]:
        message = f"Hokusai API Access - {now.replace(tzinfo=None).isoformat()}"
        message_hash = encode_defunct(text=message)
        signed = self.account.sign_message(message_hash)
        return {
            "X-ETH-Address": self.account.address,
            "X-ETH-Message": message,
            "X-ETH-Signature": prefix + signed.signature.hex().removeprefix("0x"),
        }


def sign(message: str) -> WalletCredential:
    signature = ACCOUNT.sign_message(encode_defunct(text=message)).signature
    return WalletCredential(ACCOUNT.address, message, bytes(signature).hex())


def check(credential: WalletCredential, now: datetime = NOW) -> WalletProof:
    return verify(credential, now, MAX_AGE, CLOCK_SKEW)


GOOD = sign("Hokusai API Access - 2026-03-01T12:00:00.000001")
RAW = bytes.fromhex(GOOD.signature)


def with_signature(signature: bytes) -> WalletCredential:
    return WalletCredential(GOOD.address, GOOD.message, signature.hex())


@pytest.mark.parametrize("prefix", ["", "0x"])
@pytest.mark.parametrize("microsecond", [0, 1, 120000, 999999])
def test_the_headers_of_the_guide_prove_the_wallet(prefix: str, microsecond: int) -> None:
    now = NOW.replace(microsecond=microsecond)
    auth = HokusaiAuth("0x" + "01" * 32)
    headers = auth.get_auth_headers(now, prefix)
    wallet = check(
        WalletCredential(
            headers["X-ETH-Address"], headers["X-ETH-Message"], headers["X-ETH-Signature"]
        ),
        now,
    )
    assert wallet.address == auth.account.address
    assert wallet.digest == personal_digest(headers["X-ETH-Message"].encode())
    assert wallet.expires_at == now + timedelta(seconds=MAX_AGE)


@pytest.mark.parametrize("zone", ["", "Z", "+00:00"])
@pytest.mark.parametrize("fraction", ["", ".1", ".123", ".000000"])
def test_other_ways_to_write_a_time_in_utc_are_accepted(zone: str, fraction: str) -> None:
    wallet = check(sign(f"Hokusai API Access - 2026-03-01T12:00:00{fraction}{zone}"))
    assert wallet.address == ACCOUNT.address


@pytest.mark.parametrize(
    "message",
    [
        "",
        "2026-03-01T12:00:00",
        "Hokusai API Access - ",
        "Hokusai API Access - now",
        "Hokusai API Access - 2026-03-01",
        "Hokusai API Access - 2026-03-01 12:00:00",
        "Hokusai API Access - 2026-03-01T12:00",
        "Hokusai API Access - 2026-03-01T12:00:00.",
        "Hokusai API Access - 2026-03-01T12:00:00.1234567",
        "Hokusai API Access - 2026-03-01T12:00:00+01:00",
        "Hokusai API Access - 2026-03-01T12:00:00-00:00",
        "Hokusai API Access - 2026-03-01T12:00:00ZZ",
        "Hokusai API Access - 2026-03-01T12:00:00\n",
        " Hokusai API Access - 2026-03-01T12:00:00",
        "hokusai api access - 2026-03-01T12:00:00",
        "Hokusai API Access - 2026-03-01T12:00:00 and all my coins",
        "Hokusai API Access - \u0662026-03-01T12:00:00",
        "Hokusai API Access - 0000-03-01T12:00:00",
        "Hokusai API Access - 2026-02-30T12:00:00",
        "Hokusai API Access - 2026-03-01T12:00:60",
    ],
)
def test_a_malformed_message_is_refused(message: str) -> None:
    with pytest.raises(InvalidSignatureError, match="X-ETH-Message"):
        check(sign(message))


@pytest.mark.parametrize(
    ("age", "fresh"),
    [(0, True), (300, True), (300.000001, False), (-60, True), (-60.000001, False), (1e8, False)],
)
def test_the_window_is_measured_from_the_time_in_the_message(age: float, fresh: bool) -> None:
    signed_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    credential = sign(f"Hokusai API Access - {signed_at.replace(tzinfo=None).isoformat()}")
    now = signed_at + timedelta(seconds=age)
    if fresh:
        assert check(credential, now).expires_at == signed_at + timedelta(seconds=MAX_AGE)
    else:
        with pytest.raises(StaleSignatureError, match="seconds") as caught:
            check(credential, now)
        assert caught.value.extra == {"server_time": now.isoformat()}


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_extreme_times_are_stale(year: str) -> None:
    with pytest.raises(StaleSignatureError):
        check(sign(f"Hokusai API Access - {year}-12-31T23:59:59.999999"))


@pytest.mark.parametrize("casing", [str, str.lower, lambda text: "0x" + text[2:].upper()])
def test_the_address_may_be_in_any_casing(casing: Callable[[str], str]) -> None:
    address = casing(ACCOUNT.address)
    wallet = check(WalletCredential(address, GOOD.message, GOOD.signature))
    assert wallet.address == ACCOUNT.address


def test_an_address_with_a_wrong_checksum_is_accepted() -> None:
    address = "0x" + ACCOUNT.address[2:].swapcase()
    assert check(WalletCredential(address, GOOD.message, GOOD.signature)).address != address


@pytest.mark.parametrize("address", ["", "0x123...", ACCOUNT.address[2:], ACCOUNT.address + "\n"])
def test_a_text_that_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidSignatureError, match="X-ETH-Address"):
        check(WalletCredential(address, GOOD.message, GOOD.signature))


def test_the_signature_of_another_wallet_is_refused() -> None:
    other = Account.from_key("0x" + "02" * 32)
    with pytest.raises(InvalidSignatureError, match="was not signed by"):
        check(WalletCredential(other.address, GOOD.message, GOOD.signature))


def test_the_signature_of_another_message_is_refused() -> None:
    later = GOOD.message.replace("12:00:00", "12:00:01")
    with pytest.raises(InvalidSignatureError, match="was not signed by"):
        check(WalletCredential(GOOD.address, later, GOOD.signature))


@pytest.mark.parametrize("signature", ["", "zz", GOOD.signature[:-4], GOOD.signature + "00"])
def test_a_malformed_signature_is_refused(signature: str) -> None:
    with pytest.raises(InvalidSignatureError, match="not 65 bytes"):
        check(WalletCredential(GOOD.address, GOOD.message, signature))


@given(st.integers(0, 64), st.integers(1, 255))
def test_a_changed_signature_does_not_prove_the_wallet(position: int, change: int) -> None:
    mutated = bytearray(RAW)
    mutated[position] ^= change
    with pytest.raises(InvalidSignatureError):
        check(with_signature(bytes(mutated)))


@given(st.binary(min_size=65, max_size=65), st.sampled_from([27, 28]))
def test_random_bytes_are_not_a_valid_signature(signature: bytes, v: int) -> None:
    with pytest.raises(InvalidSignatureError):
        check(with_signature(signature[:64] + bytes([v])))


@given(
    address=st.text() | st.just(GOOD.address),
    message=st.text() | st.text().map("Hokusai API Access - {}".format) | st.just(GOOD.message),
    signature=st.text() | st.text(alphabet="0123456789abcdefx"),
)
def test_any_other_text_is_refused(address: str, message: str, signature: str) -> None:
    with pytest.raises(InvalidSignatureError):
        check(WalletCredential(address, message, signature))
