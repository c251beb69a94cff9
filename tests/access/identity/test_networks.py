"""Keys that work from some networks only, behind proxies that are trusted and others."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest

from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

WHOAMI = "/api/auth/whoami"


@pytest.fixture(scope="module")
def behind_proxy(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway that believes what loopback, its only peer, says of the client's address."""
    trusted = (ip_network("127.0.0.0/8"),)
    with RunningGateway(new_database(), mlflow_server.url, trusted_proxies=trusted) as running:
        yield running


def test_a_key_works_from_its_networks_only(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(allowed_networks=["127.0.0.0/8"])) as client:
        good(client.get(WHOAMI))
    with gateway.client(gateway.key(allowed_networks=["10.0.0.0/8", "::1/128"])) as client:
        problem = refused(client.get(WHOAMI), 403, "address_not_allowed")
        assert "127.0.0.1" in problem["message"]
        # The memory does not skip the question, nor does another route.
        refused(client.get(WHOAMI), 403, "address_not_allowed")
        search = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
        refused(client.get(search), 403, "address_not_allowed")


def test_an_untrusted_peer_cannot_name_another_address(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(allowed_networks=["10.0.0.0/8"])) as client:
        answer = client.get(WHOAMI, headers={"X-Forwarded-For": "10.1.2.3"})
        refused(answer, 403, "address_not_allowed")


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        ("10.1.2.3", True),
        ("8.8.8.8, 10.1.2.3", True),
        ("10.1.2.3, 8.8.8.8", False),
        ("10.1.2.3, 127.0.0.9", True),
        ("10.1.2.3, nonsense", False),
        ("::ffff:10.1.2.3", True),
        ("8.8.8.8", False),
        (None, False),
    ],
)
def test_a_trusted_proxy_names_the_client(
    behind_proxy: RunningGateway, forwarded: str | None, allowed: bool
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with behind_proxy.client(behind_proxy.key(allowed_networks=["10.0.0.0/8"])) as client:
        answer = client.get(WHOAMI, headers=headers)
        if allowed:
            good(answer)
        else:
            refused(answer, 403, "address_not_allowed")
