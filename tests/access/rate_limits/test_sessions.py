"""Browser sessions have a limit of their own."""

from collections.abc import Callable, Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.access.rate_limits.counter import MemoryCounter
from app.access.rate_limits.limiter import Limiter
from app.access.rate_limits.middleware import RateLimit
from app.access.rate_limits.policy import Policy
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead
from app.core.settings import Settings
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.tab import SIGN_IN, Tab
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
LIMITS = "/api/limits"
SESSION_LIMIT = 6


@pytest.fixture(scope="module")
def limited(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[RunningGateway]:
    """A gateway with small limits, in windows that do not end."""
    with RunningGateway(
        new_database(),
        mlflow_server.url,
        rate_limit=3,
        session_rate_limit=SESSION_LIMIT,
        wallet_address_limit=10,
        failure_limit=5,
        rate_window=3600,
    ) as running:
        yield running


def test_browsing_takes_nothing_from_the_programs_of_the_same_key(
    limited: RunningGateway,
) -> None:
    key = limited.key()
    with Tab(limited) as one, Tab(limited) as two, limited.client(key) as program:
        one.sign_in(key)
        two.sign_in(key)
        shown = good(one.get(LIMITS))
        assert (shown["limit"], shown["session_limit"]) == (SESSION_LIMIT, SESSION_LIMIT)
        assert good(one.get(WHOAMI))["rate_limit"] == SESSION_LIMIT
        for _ in range(SESSION_LIMIT - 2):
            good(two.get(WHOAMI))  # all sessions of the principal count together
        problem = refused(one.get(WHOAMI), 429, "rate_limited")
        assert "browser sessions" in problem["message"]
        for _ in range(3):
            shown = good(program.get(LIMITS))
            assert (shown["limit"], shown["session_limit"]) == (3, SESSION_LIMIT)
        refused(program.get(WHOAMI), 429, "rate_limited")


def test_the_sessions_of_wallets_count_on_their_address_too(limited: RunningGateway) -> None:
    """Wallets cost nothing, so that a limit for each of them alone would limit nobody."""
    sent = 0
    for _ in range(3):
        wallet = Wallet()
        with Tab(limited) as tab:
            text = good(tab.post("/api/auth/message", json={"address": wallet.address}))["message"]
            signed = {"message": text, "signature": wallet.sign(text)}
            good(tab.post(SIGN_IN, json=signed), 201)
            for _ in range(5):
                response = tab.get(WHOAMI)
                if response.status_code == 429:
                    assert "wallets from this address" in response.json()["message"]
                    assert sent == 10
                    return
                sent += 1
    raise AssertionError("no limit was met")


def test_failed_sign_ins_are_limited_by_address(limited: RunningGateway) -> None:
    with Tab(limited) as tab:
        for _ in range(5):
            refused(tab.post(SIGN_IN, json={"key": "hk_live_x"}), 401, "key_invalid")
        refused(tab.post(SIGN_IN, json={"key": "hk_live_x"}), 429, "too_many_failures")
        # A valid key is not refused because of them.
        good(tab.post(SIGN_IN, json={"key": limited.key()}), 201)


async def test_public_files_count_on_no_limit() -> None:
    served = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal served
        served += 1

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    limiter = Limiter(Policy.from_settings(Settings(anonymous_limit=1)), MemoryCounter())
    limit = RateLimit(app, limiter, frozenset(), ("/static/",))
    for _ in range(3):
        context = RequestContext("id-1", RequestHead([], {}, "192.0.2.1"))
        scope = {"method": "GET", "path": "/static/style.css", "context": context}
        await limit(scope, receive, send)
        assert context.limit_state is None
    assert served == 3
