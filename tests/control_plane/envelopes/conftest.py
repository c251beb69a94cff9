"""Fixtures of the envelope tests: a gateway that reads files, an attestation, the public key."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.training import Training


@pytest.fixture(scope="package")
def gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), mlflow_server.url, model_files_readers=2) as running:
        yield running


@pytest.fixture(scope="module")
def trainer(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant with all scopes but admin."""
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def stranger(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """Another tenant."""
    with gateway.client(gateway.key()) as client:
        yield client


@pytest.fixture(scope="module")
def attestation(trainer: Training) -> dict[str, Any]:
    """A witnessed improvement, which every tenant may read."""
    return trainer.improvement(private=False)


@pytest.fixture(scope="module")
def known(trainer: Training) -> dict[str, Any]:
    """What the gateway says of its keys."""
    found: dict[str, Any] = good(trainer.client.get("/.well-known/hokusai-attestor.json"))
    return found


@pytest.fixture(scope="module")
def pem(known: dict[str, Any]) -> str:
    """The public key of envelopes."""
    key: str = known["envelopes"]["key"]
    return key
