"""What the tests of several gateways share: a load balancer, or a reason to do without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.haproxy import PROGRAM, LoadBalancer


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadBalancer]:
    """A load balancer that waits for its gateways."""
    if PROGRAM is None:
        pytest.skip("HAProxy is not installed")
    directory: Path = tmp_path_factory.mktemp("balancer")
    with LoadBalancer(directory) as made:
        yield made
