"""Fixtures: a tenant that trains models, and an attestation of one."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.trainer import Trainer


@pytest.fixture(scope="session")
def trainer(gateway: RunningGateway) -> Iterator[Trainer]:
    """A tenant of the shared gateway with all scopes but admin."""
    with gateway.client(gateway.key(f"trainer-{secrets.token_hex(4)}")) as client:
        yield Trainer(client)


@pytest.fixture(scope="session")
def attestation(trainer: Trainer) -> dict[str, Any]:
    """A witnessed improvement of three percentage points, which every tenant may read."""
    return trainer.improvement(private=False)


@pytest.fixture(scope="session")
def anyone(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with gateway.client() as client:
        yield client
