"""The load balancer for the tests with several gateways, which are skipped without HAProxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.haproxy import PROGRAM, LoadBalancer


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadBalancer]:
    """A load balancer; the test starts it with its gateways."""
    if PROGRAM is None:
        pytest.skip("HAProxy is not installed")
    directory: Path = tmp_path_factory.mktemp("balancer")
    with LoadBalancer(directory) as made:
        yield made
