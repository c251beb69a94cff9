"""Probes by HEAD, as monitors send them."""

import pytest

from tests.support.gateway import RunningGateway


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version"])
def test_a_probe_may_be_a_head(gateway: RunningGateway, path: str) -> None:
    with gateway.client() as client:
        answer = client.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
