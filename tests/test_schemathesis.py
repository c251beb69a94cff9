"""The API's document and the gateway agree, as schemathesis tries it with all of its checks."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.standalone.mlflow_server import ChildMLflow
from tests.support.gateway import EVERYTHING, RunningGateway
from tests.support.programs import run
from tests.support.wallet import Wallet
from tests.test_api import OPERATIONS

CONFIG = Path(__file__).with_name("schemathesis.toml")


def _token(gateway: RunningGateway) -> str:
    with gateway.client() as client:
        answer = client.post("/api/auth/token", headers=Wallet().headers())
    token: str = answer.json()["access_token"]
    return token


CREDENTIALS: dict[str, Callable[[RunningGateway], str | None]] = {
    "none": lambda _: None,
    "member": lambda gateway: gateway.key(),
    "everything": lambda gateway: gateway.key(scopes=EVERYTHING),
    "wallet": _token,
}


@pytest.fixture(scope="module")
def tried(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway of its own: an admin may revoke anybody's key."""
    with RunningGateway(new_database(), mlflow_server.url) as running:
        yield running


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_schemathesis_finds_nothing(tried: RunningGateway, kind: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [
        program,
        "--config-file",
        CONFIG,
        "run",
        f"{tried.url}/openapi.json",
    ]
    credential = CREDENTIALS[kind](tried)
    if credential is not None:
        command += ["--header", f"Authorization: Bearer {credential}"]
    said = run([*command, "--checks", "all", "--no-color"], tmp_path)
    # All of the document's operations, and none skipped for a reason of its own.
    assert f"Tested: {len(OPERATIONS)}" in said, said
