"""Which limits there are, declared in slowapi's terms.

slowapi declares them and `limits` gives them their units; they are enforced by our middleware,
because slowapi's own does not see a mounted app and blocks the event loop on Redis
(docs/decisions/0003-limits.md).
"""

from collections.abc import Callable
from dataclasses import dataclass

from slowapi.wrappers import Limit, LimitGroup

from app.core.client_address import failure_address
from app.core.request.context import RequestContext
from app.core.settings import Settings

# The window of new wallets, in seconds.
WALLET_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits in force. Each counts on `scope` and what its `key_func` says of an exchange."""

    principal: Limit
    anonymous: Limit
    failures: Limit
    new_wallet_limit: Limit

    @classmethod
    def from_settings(cls, settings: Settings) -> "Policy":
        window = settings.rate_window
        return cls(
            principal=_limit("principal", settings.rate_limit, window, _principal),
            anonymous=_limit("anonymous", settings.anonymous_limit, window, _address),
            failures=_limit("failures", settings.failure_limit, window, _address),
            new_wallet_limit=_limit("wallets", settings.new_wallet_limit, WALLET_SECONDS, _address),
        )


def _limit(scope: str, amount: int, window: int, key: Callable[[RequestContext], str]) -> Limit:
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
    return failure_address(context.client)
