"""Health probes by HEAD, which some monitors send."""

import pytest

from tests.support.gateway import RunningGateway


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version"])
def test_a_probe_may_be_a_head(gateway: RunningGateway, path: str) -> None:
    with gateway.client() as client:
        response = client.head(path)
    assert response.status_code == 200
    assert response.content == b""
