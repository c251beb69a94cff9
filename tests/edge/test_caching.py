"""No cache stores a response to a credential, with data of one's own."""

from typing import Any

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.wallet import Wallet

V2 = "/api/mlflow/api/2.0/mlflow"


def directives(response: httpx.Response) -> list[str]:
    return response.headers.get_list("cache-control")


@pytest.mark.parametrize("way", ["key", "wallet"])
def test_a_response_to_a_credential_is_not_stored(gateway: RunningGateway, way: str) -> None:
    wallet = Wallet()
    with gateway.client(gateway.key() if way == "key" else None) as client:

        def send(method: str, path: str, body: Any = None) -> httpx.Response:
            headers = wallet.headers() if way == "wallet" else {}
            content = body if isinstance(body, bytes) else None
            document = None if content else body
            return client.request(method, path, headers=headers, json=document, content=content)

        # The second one of each pair takes the fast path.
        responses = [
            send("GET", path)
            for path in (
                "/api/auth/whoami",
                "/api/limits",
                "/api/models",
                f"{V2}/experiments/search?max_results=1",
                f"{V2}/experiments/search?max_results=1",
                f"{V2}/runs/get?run_id={'0' * 32}",
                f"{V2}/runs/get?run_id={'0' * 32}",
                "/api/mlflow/api/3.0/mlflow/server-info",
                "/api/keys",
                "/api/nowhere",
            )
        ]
        responses.append(send("POST", "/api/keys", {"name": "k", "expires_in_days": 1}))
        run = good(send("POST", f"{V2}/runs/create", {}))["run"]["info"]
        files = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts/"
        file = f"{files}{'/'.join(run['artifact_uri'].split('/')[3:])}/f.txt"
        responses += [send("PUT", file, b"x"), send("GET", file)]
    assert {200, 201, 404} == {one.status_code for one in responses}
    for one in responses:
        assert directives(one) == ["no-store"], one.request.url


def test_nonces_and_tokens_are_not_stored(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        assert directives(client.get("/api/auth/nonce")) == ["no-store"]
        response = client.post("/api/auth/token", headers=Wallet().headers())
        assert directives(response) == ["no-store"]
