"""Fixtures of the attestation tests."""

from collections.abc import Iterator

import pytest

from tests.support.gateway import RunningGateway
from tests.support.training import Training


@pytest.fixture(scope="module")
def owner(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant with models; `stranger` is another."""
    with Training.of(gateway) as made:
        yield made
