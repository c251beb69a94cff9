"""Fixtures of the minting tests: a token with its holder, and a tenant that improves on it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.minting import TokenMarket
from tests.support.training import Training


@pytest.fixture(scope="session")
def market(gateway: RunningGateway) -> Iterator[TokenMarket]:
    """A token id that is bound to a model number."""
    with TokenMarket(gateway) as made:
        yield made


@pytest.fixture(scope="session")
def improver(gateway: RunningGateway) -> Iterator[Training]:
    """A tenant that does not hold the token."""
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="session")
def admin(market: TokenMarket) -> httpx.Client:
    """The operator of the gateway."""
    return market.admin
