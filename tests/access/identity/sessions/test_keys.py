"""What a session may do with keys: as much as the credential that it began with."""

import pytest

from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.tab import SIGN_IN, Tab
from tests.support.wallet import Wallet

KEYS = "/api/keys"
MESSAGE = "/api/auth/message"


@pytest.fixture
def wallet(tab: Tab) -> Wallet:
    """A wallet that is signed in."""
    wallet = Wallet()
    good(tab.post(SIGN_IN, json=signed(tab, wallet)), 201)
    return wallet


def signed(tab: Tab, wallet: Wallet) -> dict[str, str]:
    text = good(tab.post(MESSAGE, json={"address": wallet.address}))["message"]
    return {"message": text, "signature": wallet.sign(text)}


def test_a_key_that_a_session_makes_ends_with_the_sessions_key(
    gateway: RunningGateway, tab: Tab
) -> None:
    parent = tab.sign_in(gateway.key())["key"]
    made = good(tab.post(KEYS, json={"name": "n"}), 201)
    assert (made["parent"], made["principal"]) == (parent, f"key:{parent}")
    good(tab.delete(f"{KEYS}/{made['id']}"), 204)


def test_a_wallets_session_makes_keys_of_a_day_or_with_a_message_of_ninety(
    tab: Tab, wallet: Wallet
) -> None:
    body = {"name": "n", "expires_in_days": 90}
    problem = refused(tab.post(KEYS, json=body), 403, "permission_denied")
    assert "siwe" in problem["message"]
    short = good(tab.post(KEYS, json={"name": "n"}), 201)
    long = good(tab.post(KEYS, json={**body, "siwe": signed(tab, wallet)}), 201)
    rotate = f"{KEYS}/{long['id']}/rotate"
    refused(tab.post(rotate, json={}), 403, "permission_denied")
    good(tab.post(rotate, json={"siwe": signed(tab, wallet)}), 201)
    good(tab.delete(f"{KEYS}/{short['id']}"), 204)


def test_a_session_is_restricted_to_the_networks_of_its_key(gateway: RunningGateway) -> None:
    with Tab(gateway) as tab:
        body = {"key": gateway.key(allowed_networks=["203.0.113.0/24"])}
        refused(tab.post(SIGN_IN, json=body), 403, "address_not_allowed")
