"""Signing requests with a wallet's private key."""

from __future__ import annotations

import datetime
import subprocess
import sys

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from hokusai.errors import CredentialError
from hokusai.wallet_signer import WalletSigner

PRIVATE_KEY = "0x" + "11" * 32
PREFIX = "Hokusai API Access - "


def test_the_headers_are_a_signed_message_with_the_time() -> None:
    signer = WalletSigner(PRIVATE_KEY[2:])
    headers = signer.headers()

    message = headers["X-ETH-Message"]
    recovered = Account.recover_message(
        encode_defunct(text=message), signature=headers["X-ETH-Signature"]
    )
    assert recovered == headers["X-ETH-Address"] == signer.account.address
    assert headers["X-ETH-Signature"].startswith("0x")
    signed_at = datetime.datetime.fromisoformat(message[len(PREFIX) :] + "+00:00")
    age = datetime.datetime.now(datetime.timezone.utc) - signed_at
    assert datetime.timedelta() <= age < datetime.timedelta(minutes=1)


def test_the_clock_skew_is_added_to_the_time() -> None:
    signer = WalletSigner(PRIVATE_KEY)
    signer.clock_skew = -86400.0 * 365
    year = datetime.datetime.now(datetime.timezone.utc).year

    signed_year = int(signer.headers()["X-ETH-Message"][len(PREFIX) :][:4])
    assert signed_year in (year - 1, year - 2)


@pytest.mark.parametrize("key", ["", "0x12", "nonsense", "0x" + "zz" * 32, "11" * 31])
def test_a_key_that_is_not_valid_is_rejected_and_not_repeated(key: str) -> None:
    with pytest.raises(CredentialError) as raised:
        WalletSigner(key)

    assert "64 hexadecimal digits" in str(raised.value)
    assert not key or key not in str(raised.value)


def test_signing_keeps_pythons_recursion_limit() -> None:
    program = (
        "import sys; from hokusai.wallet_signer import WalletSigner;"
        "WalletSigner(sys.argv[1]).headers();"
        "print(sys.getrecursionlimit())"
    )

    output = subprocess.check_output([sys.executable, "-c", program, PRIVATE_KEY], text=True)
    assert output == "1000\n"
