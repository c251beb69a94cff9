"""A limit counts on its own key, with its own amount or that of the caller."""

import pytest

from app.access.rate_limits.counter import MemoryCounter, resolve
from app.access.rate_limits.limiter import CountedLimit, Limiter
from app.access.rate_limits.policy import Policy
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead
from app.core.request.principal import Principal
from app.core.settings import Settings


def context(principal: str = "key:a", client: str = "192.0.2.1") -> RequestContext:
    return RequestContext(
        "id-1",
        RequestHead([], {}, client),
        principal=Principal(principal, "a", "t", frozenset()),
    )


@pytest.fixture
def limiter() -> Limiter:
    settings = Settings(rate_limit=2, anonymous_limit=1, new_wallet_limit=1)
    return Limiter(Policy.from_settings(settings), MemoryCounter())


async def test_a_limit_counts_each_principal_separately(limiter: Limiter) -> None:
    for principal in ("key:a", "key:b"):
        quotas = [await resolve(limiter.principal.hit(context(principal))) for _ in range(3)]
        assert [quota.allowed for quota in quotas] == [True, True, False]
        assert [quota.remaining for quota in quotas] == [1, 0, 0]
        assert quotas[0].limit == 2


async def test_the_callers_own_limit_replaces_the_amount(limiter: Limiter) -> None:
    quota = await resolve(limiter.principal.hit(context(), 5))
    assert (quota.limit, quota.remaining) == (5, 4)


async def test_limits_have_separate_counts(limiter: Limiter) -> None:
    assert (await resolve(limiter.anonymous.hit(context()))).allowed
    assert (await resolve(limiter.failures.hit(context()))).allowed
    assert not (await resolve(limiter.anonymous.hit(context()))).allowed


async def test_an_address_is_counted_without_a_request(limiter: Limiter) -> None:
    limit = limiter.new_wallet_limit
    assert (await resolve(limit.hit_address("2001:db8:1:2::1"))).allowed
    assert not (await resolve(limit.hit_address("2001:db8:1:2::2"))).allowed
    assert (await resolve(limit.hit_address("2001:db8:1:3::1"))).allowed


def test_every_limit_is_listed_by_its_name(limiter: Limiter) -> None:
    names = [limit.name for limit in limiter.limits]
    assert names == [
        "principal",
        "sessions",
        "wallet_addresses",
        "anonymous",
        "failures",
        "wallets",
        "creations",
    ]
    assert all(isinstance(limit, CountedLimit) for limit in limiter.limits)
    assert [limit.window for limit in limiter.limits] == [60, 60, 60, 60, 60, 3600, 3600]
    assert [limit.refused for limit in limiter.limits] == [0] * 7
