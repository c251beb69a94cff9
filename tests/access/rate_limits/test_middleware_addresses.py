"""The limits per client address: failed authentications, and anonymous requests."""

from collections.abc import Iterator
from ipaddress import ip_network

import httpx
import pytest

from app.access.identity.key_format import new_key
from app.edge import response_pace
from tests.support.gateway import RunningGateway
from tests.support.redis import free_port
from tests.support.responses import good, refused

FAILURES = 20
ANONYMOUS = 5
PROBES = ("/livez", "/version")


@pytest.fixture(scope="module")
def public(database: str) -> Iterator[RunningGateway]:
    """A gateway behind a trusted proxy, so that the tests can use many client addresses."""
    mlflow = f"http://127.0.0.1:{free_port()}"
    with RunningGateway(
        database,
        mlflow,
        rate_window=3600,
        failure_limit=FAILURES,
        anonymous_limit=ANONYMOUS,
        trusted_proxies=(ip_network("127.0.0.1/32"),),
    ) as running:
        yield running


def at(gateway: RunningGateway, address: str, key: str | None = None) -> httpx.Client:
    """A client with an address."""
    return gateway.client(key, **{"X-Forwarded-For": address})


def statuses(client: httpx.Client, path: str, times: int) -> list[int]:
    return [client.get(path).status_code for _ in range(times)]


def test_a_thousand_failures_do_not_lock_out_the_owner(
    public: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_pace, "PER_SECOND", 1_000_000)
    key = public.key()
    # The owner's key with another last character, and well-formed keys that do not exist.
    mistyped = key[:-1] + ("a" if key[-1] != "a" else "b")
    whoami = "/api/auth/whoami"
    tried: list[int] = []
    with at(public, "192.0.2.1") as thief, at(public, "192.0.2.1", key) as owner:
        for turn in range(1000):
            bad = new_key() if turn % 5 == 0 else mistyped
            answer = thief.get(whoami, headers={"Authorization": f"Bearer {bad}"})
            tried.append(answer.status_code)
            if turn % 100 == 0:
                # From the same address; the failures do not count for the owner.
                mine = owner.get(whoami)
                assert good(mine)["rate_limit"] == 1_000_000
                assert mine.headers["RateLimit-Remaining"] == str(999_999 - turn // 100)
        refused(answer, 429, "too_many_failures")
        assert good(owner.get(whoami))["principal"].startswith("key:")
    assert tried == [401] * FAILURES + [429] * (1000 - FAILURES)
    with at(public, "192.0.2.2", key) as elsewhere:
        good(elsewhere.get(whoami))


def test_a_valid_credential_passes_after_failures_of_others_at_its_address(
    public: RunningGateway,
) -> None:
    with at(public, "192.0.2.10") as stranger:
        assert statuses(stranger, "/api/limits", FAILURES + 1)[-1] == 429
    with at(public, "192.0.2.10", public.key()) as newcomer:
        good(newcomer.get("/api/limits"))


def test_failures_are_counted_by_address(public: RunningGateway) -> None:
    with at(public, "192.0.2.20") as one, at(public, "192.0.2.21") as other:
        statuses(one, "/api/limits", FAILURES + 5)
        late = one.get("/api/limits")
        first = other.get("/api/limits")
    refused(late, 429, "too_many_failures")
    assert late.headers["Retry-After"] == late.headers["RateLimit-Reset"]
    assert late.headers["RateLimit-Limit"] == str(FAILURES)
    assert late.headers["RateLimit-Remaining"] == "0"
    refused(first, 401, "credentials_missing")
    assert first.headers["RateLimit-Remaining"] == str(FAILURES - 1)


def test_an_ipv6_64_counts_as_one_address(public: RunningGateway) -> None:
    found = []
    for host in range(FAILURES + 1):
        with at(public, f"2001:db8:1:2::{host:x}") as client:
            found.append(client.get("/api/limits").status_code)
    assert found == [401] * FAILURES + [429]
    with at(public, "2001:db8:1:3::1") as neighbour:
        assert neighbour.get("/api/limits").status_code == 401


def test_a_key_used_from_a_forbidden_network_counts_as_a_failure(public: RunningGateway) -> None:
    key = public.key(allowed_networks=["198.51.100.0/24"])
    with at(public, "192.0.2.30", key) as outside:
        found = statuses(outside, "/api/limits", FAILURES + 1)
    assert found == [403] * FAILURES + [429]
    with at(public, "198.51.100.7", key) as inside:
        good(inside.get("/api/limits"))


def test_anonymous_requests_are_limited_by_address(public: RunningGateway) -> None:
    key = public.key()
    with at(public, "192.0.2.40") as flood, at(public, "192.0.2.41") as other:
        found = statuses(flood, "/openapi.json", 5 * ANONYMOUS)
        refused(flood.get("/docs"), 429, "rate_limited")
        assert other.get("/openapi.json").status_code == 200
    assert found == [200] * ANONYMOUS + [429] * 4 * ANONYMOUS
    with at(public, "192.0.2.40", key) as owner:
        assert statuses(owner, "/api/auth/whoami", 2 * ANONYMOUS) == [200] * 2 * ANONYMOUS


def test_invalid_signatures_for_a_token_are_limited_by_address(public: RunningGateway) -> None:
    headers = {"X-ETH-Address": "0x0", "X-ETH-Message": "?", "X-ETH-Signature": "00"}
    with at(public, "192.0.2.50") as client:
        found = [
            client.post("/api/auth/token", headers=headers).status_code
            for _ in range(ANONYMOUS + 1)
        ]
    assert found == [401] * ANONYMOUS + [429]


@pytest.mark.parametrize("path", PROBES)
def test_health_checks_are_never_limited(public: RunningGateway, path: str) -> None:
    with at(public, "192.0.2.60") as client:
        statuses(client, "/openapi.json", ANONYMOUS + 1)
        answers = [client.get(path) for _ in range(3 * ANONYMOUS)]
    assert {answer.status_code for answer in answers} == {200}
    assert not [name for answer in answers for name in answer.headers if "ratelimit" in name]
