"""What one caller has: the default, a limit of its own, and who shares it with whom."""

from collections.abc import Iterator

import httpx
import pytest

from app.core.request.principal import Scope
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.redis import free_port
from tests.support.responses import good, refused
from tests.support.wallet import Wallet

LIMIT = 10


@pytest.fixture(scope="module")
def strict(database: str) -> Iterator[RunningGateway]:
    """A gateway with a low limit and a window that no test sees the end of; no MLflow behind it."""
    mlflow = f"http://127.0.0.1:{free_port()}"
    with RunningGateway(database, mlflow, rate_limit=LIMIT, rate_window=3600) as running:
        yield running


def remaining(answer: httpx.Response) -> int:
    return int(answer.headers["RateLimit-Remaining"])


def spend(client: httpx.Client, path: str = "/api/auth/whoami") -> int:
    """Call until the limit refuses: how many requests were let through before."""
    for passed in range(10 * LIMIT):
        if client.get(path).status_code == 429:
            return passed
    raise AssertionError("no request was refused")


def test_a_principal_has_the_default_limit(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as client:
        left = [remaining(client.get("/api/auth/whoami")) for _ in range(LIMIT)]
        problem = client.get("/api/auth/whoami")
    assert left == list(reversed(range(LIMIT)))
    detail = refused(problem, 429, "rate_limited")
    assert detail["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert detail["message"].startswith(f"More than {LIMIT} requests in 3600 seconds.")


def test_a_refusal_says_when_to_come_back(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as client:
        spend(client)
        answer = client.get("/api/auth/whoami")
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["RateLimit-Limit"] == str(LIMIT)
    assert answer.headers["RateLimit-Remaining"] == "0"


def test_every_path_counts_on_the_same_limit(strict: RunningGateway) -> None:
    paths = ["/api/auth/whoami", "/api/keys", "/api/nowhere", "/api/mlflow/api/2.0/mlflow/none"]
    with strict.client(strict.key()) as client:
        left = [remaining(client.get(path)) for path in (*paths, *paths)]
    assert left == list(range(LIMIT - 1, LIMIT - 1 - 2 * len(paths), -1))


def test_principals_do_not_mind_each_other(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as one, strict.client(strict.key()) as other:
        assert spend(one) == LIMIT
        assert spend(other) == LIMIT


def test_what_is_left_can_be_asked(strict: RunningGateway) -> None:
    with strict.client(strict.key(rate_limit=7)) as client:
        answer = client.get("/api/limits")
    told = good(answer)
    assert told == {"limit": 7, "remaining": 6, "reset": told["reset"], "window": 3600}
    assert {name: answer.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining")} == {
        "Limit": "7",
        "Remaining": "6",
    }
    assert str(told["reset"]) == answer.headers["RateLimit-Reset"]


@pytest.mark.parametrize("own", [1, LIMIT - 1, LIMIT + 5])
def test_a_key_may_have_a_limit_of_its_own(strict: RunningGateway, own: int) -> None:
    with strict.client(strict.key(rate_limit=own)) as client:
        assert spend(client) == own


def test_a_key_that_its_holder_makes_shares_the_limit(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as holder:
        made = good(holder.post("/api/keys", json={"name": "second"}), 201)
        with strict.client(made["key"]) as second:
            assert remaining(second.get("/api/auth/whoami")) == LIMIT - 2
        assert remaining(holder.get("/api/auth/whoami")) == LIMIT - 3


def test_a_lower_limit_of_a_shared_count_does_not_lower_the_other(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as holder:
        body = {"name": "careful", "rate_limit": 3}
        made = good(holder.post("/api/keys", json=body), 201)
        with strict.client(made["key"]) as careful:
            assert spend(careful) == 2
        assert spend(holder) == LIMIT - 3


def test_a_rotated_key_goes_on_where_the_old_one_was(strict: RunningGateway) -> None:
    with strict.client(strict.key(rate_limit=8)) as client:
        key_id = good(client.get("/api/auth/whoami"))["credential"]
        rotated = good(client.post(f"/api/keys/{key_id}/rotate"), 201)
        with strict.client(rotated["key"]) as successor:
            answer = successor.get("/api/auth/whoami")
            assert answer.headers["RateLimit-Limit"] == "8"
            assert remaining(answer) == 5
        assert spend(client) == 5


def test_a_wallet_and_its_token_share_the_limit(strict: RunningGateway) -> None:
    wallet = Wallet()
    with strict.client(**wallet.headers()) as client:
        token = good(client.post("/api/auth/token"), 201)["access_token"]
        assert remaining(client.get("/api/auth/whoami")) == LIMIT - 1
    with strict.client(token) as client:
        assert remaining(client.get("/api/auth/whoami")) == LIMIT - 2
    assert len({Wallet().principal, wallet.principal}) == 2


def test_an_admin_gives_a_limit_over_http(strict: RunningGateway) -> None:
    admin = strict.key(scopes=ALL_SCOPES, rate_limit=1000)
    body = {"tenant": "limited", "name": "slow", "scopes": [Scope.READ], "rate_limit": 2}
    with strict.client(admin) as client:
        made = good(client.post("/api/admin/keys", json=body), 201)
    assert made["rate_limit"] == 2
    with strict.client(made["key"]) as client:
        assert spend(client) == 2
