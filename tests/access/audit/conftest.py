"""What the tests of the audit log share."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import ALL_SCOPES, RunningGateway


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as client:
        yield client
