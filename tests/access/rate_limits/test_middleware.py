"""The limit of each principal: the default or its own, shared by all its credentials."""

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as ASGIScope

from app.access.rate_limits.counter import MemoryCounter, resolve
from app.access.rate_limits.limiter import Limiter
from app.access.rate_limits.middleware import FailureLimit, RateLimit
from app.access.rate_limits.policy import Policy
from app.core.errors import (
    DatabaseUnavailableError,
    GatewayError,
    InvalidKeyError,
    NotFoundError,
    RateLimitedError,
    TooManyFailuresError,
)
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead
from app.core.request.limit_state import LimitState
from app.core.request.principal import Principal, Scope
from app.core.settings import Settings
from tests.access.rate_limits.conftest import LIMIT
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.wallet import Wallet


def remaining(answer: httpx.Response) -> int:
    return int(answer.headers["RateLimit-Remaining"])


def spend(client: httpx.Client, path: str = "/api/auth/whoami") -> int:
    """Send requests until one is refused; the number of those before it."""
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


def test_a_refusal_says_when_to_retry(strict: RunningGateway) -> None:
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


def test_principals_have_separate_counts(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as one, strict.client(strict.key()) as other:
        assert spend(one) == LIMIT
        assert spend(other) == LIMIT


@pytest.mark.parametrize("own", [1, LIMIT - 1, LIMIT + 5])
def test_a_key_may_have_its_own_limit(strict: RunningGateway, own: int) -> None:
    with strict.client(strict.key(rate_limit=own)) as client:
        assert spend(client) == own


def test_an_own_key_shares_the_limit(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as owner:
        made = good(owner.post("/api/keys", json={"name": "second"}), 201)
        with strict.client(made["key"]) as second:
            assert remaining(second.get("/api/auth/whoami")) == LIMIT - 2
        assert remaining(owner.get("/api/auth/whoami")) == LIMIT - 3


def test_the_lower_limit_of_an_own_key_does_not_lower_the_owners(strict: RunningGateway) -> None:
    with strict.client(strict.key()) as owner:
        body = {"name": "careful", "rate_limit": 3}
        made = good(owner.post("/api/keys", json=body), 201)
        with strict.client(made["key"]) as careful:
            assert spend(careful) == 2
        assert spend(owner) == LIMIT - 3


def test_the_successor_of_a_rotated_key_shares_its_count(strict: RunningGateway) -> None:
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


def test_an_admin_sets_the_limit_of_a_key(strict: RunningGateway) -> None:
    admin = strict.key(scopes=ALL_SCOPES, rate_limit=1000)
    body = {"tenant": "limited", "name": "slow", "scopes": [Scope.READ], "rate_limit": 2}
    with strict.client(admin) as client:
        made = good(client.post("/api/admin/keys", json=body), 201)
    assert made["rate_limit"] == 2
    with strict.client(made["key"]) as client:
        assert spend(client) == 2


# --- the middleware alone ---


def limiter(**settings: int) -> Limiter:
    return Limiter(Policy.from_settings(Settings(**settings)), MemoryCounter())  # type: ignore[arg-type]


def scope_of(path: str = "/", principal: Principal | None = None) -> ASGIScope:
    context = RequestContext("id-1", RequestHead([], {}, "192.0.2.1"), principal=principal)
    return {"type": "http", "method": "GET", "path": path, "context": context}


async def receive() -> Message:
    raise AssertionError("the body is not read")


async def send(message: Message) -> None:
    raise AssertionError("no response is sent")


async def accept(scope: ASGIScope, receive: Receive, send: Send) -> None:
    pass


PRINCIPAL = Principal("key:a", "a", "t", frozenset(), rate_limit=1)


async def test_a_request_above_the_limit_is_refused() -> None:
    limits = limiter(rate_limit=100)
    middleware = RateLimit(accept, limits, frozenset())
    await middleware(scope_of(principal=PRINCIPAL), receive, send)
    scope = scope_of(principal=PRINCIPAL)
    with pytest.raises(RateLimitedError, match="More than 1 requests in 60 seconds"):
        await middleware(scope, receive, send)
    assert scope["context"].limit_state.remaining == 0
    assert limits.principal.refused == 1


async def test_counting_and_admitting_are_separate_steps() -> None:
    middleware = RateLimit(accept, limiter(), frozenset())
    context = scope_of(principal=PRINCIPAL)["context"]
    middleware.admit(context, await resolve(middleware.hit(context)))
    assert context.limit_state.remaining == 0
    with pytest.raises(RateLimitedError):
        middleware.admit(context, await resolve(middleware.hit(context)))


async def test_an_unlimited_path_is_not_counted() -> None:
    middleware = RateLimit(accept, limiter(anonymous_limit=1), frozenset({("GET", "/livez")}))
    for _ in range(3):
        scope = scope_of("/livez")
        await middleware(scope, receive, send)
        assert scope["context"].limit_state is None
    await middleware(scope_of("/docs"), receive, send)
    with pytest.raises(RateLimitedError):
        await middleware(scope_of("/docs"), receive, send)


def failing(error: GatewayError) -> ASGIApp:
    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        raise error

    return app


async def test_failures_above_the_limit_are_replaced_by_429() -> None:
    limits = limiter(failure_limit=1)
    reasons: list[str] = []
    middleware = FailureLimit(failing(InvalidKeyError("no")), limits, reasons.append)
    with pytest.raises(InvalidKeyError):
        await middleware(scope_of(), receive, send)
    with pytest.raises(TooManyFailuresError, match="More than 1 failed authentications"):
        await middleware(scope_of(), receive, send)
    assert reasons == ["key_invalid", "key_invalid"]
    assert limits.failures.refused == 1


async def test_an_internal_error_is_never_replaced() -> None:
    middleware = FailureLimit(failing(DatabaseUnavailableError("no")), limiter(failure_limit=1))
    for _ in range(3):
        with pytest.raises(DatabaseUnavailableError):
            await middleware(scope_of(), receive, send)


async def test_a_failure_after_the_rate_limit_is_not_counted_again() -> None:
    limits = limiter(failure_limit=1)
    middleware = FailureLimit(failing(NotFoundError("no")), limits)
    for _ in range(3):
        scope = scope_of(principal=PRINCIPAL)
        scope["context"].limit_state = LimitState(10, 9, 1.0, allowed=True)
        with pytest.raises(NotFoundError):
            await middleware(scope, receive, send)


async def test_another_application_can_be_run_under_the_limit() -> None:
    middleware = FailureLimit(accept, limiter(failure_limit=1))
    with pytest.raises(InvalidKeyError):
        await middleware.run(failing(InvalidKeyError("no")), scope_of(), receive, send)
