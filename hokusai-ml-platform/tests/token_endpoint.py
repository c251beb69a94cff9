"""The gateway's endpoint that exchanges a wallet's signature for a token, for scripted servers."""

from __future__ import annotations

import threading
from typing import Callable

from eth_account import Account
from eth_account.messages import encode_defunct

from scripted import Request, Response

PATH = "/api/auth/token"
PRIVATE_KEY = "0x" + "11" * 32
WALLET_ADDRESS: str = Account.from_key(PRIVATE_KEY).address


def signer_of(request: Request) -> str:
    """The address that signed a request."""
    message = encode_defunct(text=request.headers["X-ETH-Message"])
    address: str = Account.recover_message(message, signature=request.headers["X-ETH-Signature"])
    assert address == request.headers["X-ETH-Address"]
    return address


def issue_tokens(lifetime: int = 3600) -> Callable[[Request], Response]:
    """Responses with the tokens hk_token_1, hk_token_2 and so on, valid for `lifetime` seconds."""
    lock = threading.Lock()
    numbers = iter(range(1, 1000))

    def respond(request: Request) -> Response:
        assert request.path == PATH
        assert signer_of(request) == WALLET_ADDRESS
        with lock:
            number = next(numbers)
        return Response(201, {"access_token": f"hk_token_{number}", "expires_in": lifetime})

    return respond
