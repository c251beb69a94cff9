"""The limits follow from the settings, and count by principal or client address."""

import pytest

from app.access.rate_limits.policy import WALLET_SECONDS, Policy
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead
from app.core.request.principal import Principal
from app.core.settings import Settings

SETTINGS = Settings(
    rate_limit=1,
    wallet_address_limit=5,
    anonymous_limit=2,
    failure_limit=3,
    new_wallet_limit=4,
    creation_limit=6,
    rate_window=7,
)
CONTEXT = RequestContext(
    "id-1",
    RequestHead([], {}, "2001:db8:1:2:3::4"),
    principal=Principal("key:a", "a", "t", frozenset()),
)


@pytest.mark.parametrize(
    ("field", "name", "amount", "window", "key"),
    [
        ("principal", "principal", 1, 7, "key:a"),
        ("wallets", "wallet_addresses", 5, 7, "2001:db8:1:2::/64"),
        ("anonymous", "anonymous", 2, 7, "2001:db8:1:2::/64"),
        ("failures", "failures", 3, 7, "2001:db8:1:2::/64"),
        ("new_wallet_limit", "wallets", 4, WALLET_SECONDS, "2001:db8:1:2::/64"),
        ("creations", "creations", 6, WALLET_SECONDS, "2001:db8:1:2::/64"),
    ],
)
def test_each_limit_has_its_amount_window_and_key(
    field: str, name: str, amount: int, window: int, key: str
) -> None:
    limit = getattr(Policy.from_settings(SETTINGS), field)
    assert limit.scope == name
    assert (limit.limit.amount, limit.limit.get_expiry()) == (amount, window)
    assert limit.key_func(CONTEXT) == key
