"""What the tests of sessions share."""

from collections.abc import Iterator

import pytest

from tests.support.gateway import RunningGateway
from tests.support.tab import Tab


@pytest.fixture
def tab(gateway: RunningGateway) -> Iterator[Tab]:
    """A browser in which nobody is signed in."""
    with Tab(gateway) as opened:
        yield opened
