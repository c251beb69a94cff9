"""`HokusaiAuth`: requests that a wallet signs."""

from __future__ import annotations

import pytest
from eth_account import Account

from hokusai.auth import HokusaiAuth
from hokusai.errors import ConfigurationError, CredentialError
from scripted import Response, ScriptedServer
from token_endpoint import PRIVATE_KEY, WALLET_ADDRESS, signer_of


def test_each_request_is_signed_separately(server: ScriptedServer) -> None:
    server.respond_with(Response(200, {"experiments": []}))
    auth = HokusaiAuth(PRIVATE_KEY, f"{server.origin}/api/")

    for _ in range(2):
        assert auth.make_request("POST", "/mlflow/x", json={"a": 1}) == {"experiments": []}
    first, second = server.requests
    assert signer_of(first) == signer_of(second) == WALLET_ADDRESS
    assert first.headers["X-ETH-Message"] != second.headers["X-ETH-Message"]
    assert (first.path, first.json) == ("/api/mlflow/x", {"a": 1})
    assert "Authorization" not in first.headers


def test_it_has_the_attributes_and_headers_of_the_guide() -> None:
    auth = HokusaiAuth(PRIVATE_KEY)

    assert auth.account.address == Account.from_key(PRIVATE_KEY).address
    assert auth.api_base == "https://registry.hokus.ai/api"
    assert set(auth.get_auth_headers()) == {"X-ETH-Address", "X-ETH-Message", "X-ETH-Signature"}


def test_a_key_or_url_that_is_not_valid_is_rejected() -> None:
    with pytest.raises(CredentialError, match="64 hexadecimal digits"):
        HokusaiAuth("0x12")
    with pytest.raises(ConfigurationError, match="gateway"):
        HokusaiAuth(PRIVATE_KEY, "elsewhere").make_request("GET", "/limits")


def test_the_representation_does_not_contain_the_private_key() -> None:
    assert "1111" not in repr(HokusaiAuth(PRIVATE_KEY))
