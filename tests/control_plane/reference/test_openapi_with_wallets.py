"""The gateway conforms to its OpenAPI document, for anonymous callers and wallets."""

from pathlib import Path

from tests.control_plane.reference.schemathesis_run import assert_conforms
from tests.support.gateway import RunningGateway
from tests.support.wallet import Wallet


def test_the_gateway_conforms_for_an_anonymous_caller(
    tested_gateway: RunningGateway, tmp_path: Path
) -> None:
    assert_conforms(tested_gateway, None, tmp_path)


def test_the_gateway_conforms_for_a_wallet(tested_gateway: RunningGateway, tmp_path: Path) -> None:
    with tested_gateway.client() as client:
        response = client.post("/api/auth/token", headers=Wallet().headers())
    token = response.json()["access_token"]
    assert_conforms(tested_gateway, token, tmp_path)
