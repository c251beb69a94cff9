"""The API's document and the gateway agree, for strangers and for wallets."""

from pathlib import Path

from tests.control_plane.reference.schemathesis_run import finds_nothing
from tests.support.gateway import RunningGateway
from tests.support.wallet import Wallet


def test_schemathesis_finds_nothing_as_a_stranger(tried: RunningGateway, tmp_path: Path) -> None:
    finds_nothing(tried, None, tmp_path)


def test_schemathesis_finds_nothing_with_a_token(tried: RunningGateway, tmp_path: Path) -> None:
    with tried.client() as client:
        answer = client.post("/api/auth/token", headers=Wallet().headers())
    finds_nothing(tried, answer.json()["access_token"], tmp_path)
