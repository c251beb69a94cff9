"""One request and what the layers on its way learn about it, kept in `scope["context"]`.

The layers pass this instead of wrapping `send` once each: a wrapper costs more than the layer.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.core.request.head import EMPTY_HEAD, RequestHead

if TYPE_CHECKING:
    from app.core.request.principal import Principal
    from app.core.request.quota import Quota
    from app.core.request.wallet_proof import VerifiedWallet


@dataclass(slots=True)
class RequestContext:
    """What is known so far of one request.

    wallet_proof: the signed message of a wallet, to be spent before it changes anything.
    route: a bounded label for metrics and logs, never the path itself.
    reason: that of the error it was answered with, if it was.
    began: seconds of the clock of `time.perf_counter`.
    """

    request_id: str
    head: RequestHead = EMPTY_HEAD
    principal: "Principal | None" = None
    wallet_proof: "VerifiedWallet | None" = None
    quota: "Quota | None" = None
    route: str = "unmatched"
    reason: str | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """The request's headers by lower-case name."""
        return self.head.headers

    @property
    def client(self) -> str:
        """The address the request came from, as far as trusted proxies tell."""
        return self.head.client


def context_of(scope: Any) -> RequestContext:
    """The exchange of an ASGI scope that has passed the edge."""
    context: RequestContext = scope["context"]
    return context
