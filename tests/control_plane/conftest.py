"""Fixtures: a tenant that trains models, and an attestation of one."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.training import Training


@pytest.fixture(scope="session")
def trainer(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant of the shared gateway with all scopes but admin."""
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="session")
def attestation(trainer: Training) -> dict[str, Any]:
    """A witnessed improvement of three percentage points, which every tenant may read."""
    return trainer.improvement(private=False)


@pytest.fixture(scope="session")
def anyone(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with gateway.client() as client:
        yield client
