"""What the tests of Sign-In with Ethereum share."""

from typing import Any

import httpx

from tests.support.responses import good

TOKEN = "/api/auth/token"
NONCE = "/api/auth/nonce"
CREATE = "/api/mlflow/api/2.0/mlflow/experiments/create"
HOST = "registry.example"


def nonce(client: httpx.Client) -> str:
    return str(good(client.get(NONCE))["nonce"])


def bearer(issued: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"{issued['token_type']} {issued['access_token']}"}
