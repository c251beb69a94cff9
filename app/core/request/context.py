"""What the layers of the gateway learn about one request; kept in `scope["context"]`.

A layer stores here what the outermost layer needs for the response's headers, the metrics and the
log. It need not wrap `send` for that, which would cost more than the layer itself.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.core.request.head import EMPTY_HEAD, RequestHead

if TYPE_CHECKING:
    from app.core.request.limit_state import LimitState
    from app.core.request.principal import Principal
    from app.core.request.wallet_proof import WalletProof


@dataclass(slots=True)
class RequestContext:
    """The state of one request.

    principal: the authenticated caller; None until it is known, and for an anonymous request.
    wallet_proof: the message that the wallet signed, to be consumed before a change.
    limit_state: that of the rate limit that the request was counted on.
    route: the route's pattern, as a label of metrics and log lines; never the path itself, of
        which there are any number.
    reason: the `reason` of the error that the response is, if it is one.
    began: when the request arrived, in seconds of `time.perf_counter`.
    """

    request_id: str
    head: RequestHead = EMPTY_HEAD
    principal: "Principal | None" = None
    wallet_proof: "WalletProof | None" = None
    limit_state: "LimitState | None" = None
    route: str = "unmatched"
    reason: str | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """The request's headers by lower-case name."""
        return self.head.headers

    @property
    def client(self) -> str:
        """The client address: see `app.core.client_address`."""
        return self.head.client


def context_of(scope: Any) -> RequestContext:
    """The context of a request, from its ASGI scope; set by the edge."""
    context: RequestContext = scope["context"]
    return context
