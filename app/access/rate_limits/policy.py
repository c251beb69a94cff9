"""The rate limits, declared in slowapi's terms.

slowapi declares a limit and `limits` parses its amount and window. They are enforced by our own
middleware, because slowapi's does not see a mounted application, and blocks the event loop while
it waits for Redis (docs/decisions/0003-limits.md).
"""

from collections.abc import Callable
from dataclasses import dataclass

from slowapi.wrappers import Limit, LimitGroup

from app.core.client_address import client_network
from app.core.request.context import RequestContext
from app.core.settings import Settings

# The window of the limits on new wallets and on what wallets create, in seconds.
WALLET_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Policy:
    """All limits. Each counts requests by the key that its `key_func` derives from the context.

    principal: requests per principal. sessions: requests of its browser sessions. wallets:
    requests of all wallets together per client address. anonymous: requests without a credential
    per client address. failures: failed authentications per client address. new_wallet_limit: new
    wallets per client address. creations: what wallets create, per client address and kind.
    """

    principal: Limit
    sessions: Limit
    wallets: Limit
    anonymous: Limit
    failures: Limit
    new_wallet_limit: Limit
    creations: Limit

    @classmethod
    def from_settings(cls, settings: Settings) -> "Policy":
        window = settings.rate_window
        return cls(
            principal=_limit("principal", settings.rate_limit, window, _principal),
            sessions=_limit("sessions", settings.session_rate_limit, window, _principal),
            wallets=_limit("wallet_addresses", settings.wallet_address_limit, window, _address),
            anonymous=_limit("anonymous", settings.anonymous_limit, window, _address),
            failures=_limit("failures", settings.failure_limit, window, _address),
            new_wallet_limit=_limit("wallets", settings.new_wallet_limit, WALLET_SECONDS, _address),
            creations=_limit("creations", settings.creation_limit, WALLET_SECONDS, _address),
        )


def _limit(scope: str, amount: int, window: int, key: Callable[[RequestContext], str]) -> Limit:
    """scope: the limit's name, in keys and metrics. amount: requests per window of `window` s."""
    (limit,) = LimitGroup(
        f"{amount} per {window} second",
        key,
        scope,
        per_method=False,
        methods=None,
        error_message=None,
        exempt_when=None,
        cost=1,
        override_defaults=False,
    )
    return limit


def _principal(context: RequestContext) -> str:
    assert context.principal is not None
    return context.principal.id


def _address(context: RequestContext) -> str:
    return client_network(context.client)
