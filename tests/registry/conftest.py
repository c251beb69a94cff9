"""What the tests of the registry share."""

from collections.abc import Iterator

import pytest

from tests.support.gateway import RunningGateway
from tests.support.training import Training


@pytest.fixture(scope="session")
def training(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant of the shared gateway."""
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="session")
def stranger(gateway: RunningGateway) -> Iterator[Training]:
    """Another tenant."""
    with Training.of(gateway) as made:
        yield made
