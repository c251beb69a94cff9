"""The authenticated caller of a request, and the scopes of its credential."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.core.errors import MissingScopeError


class Scope(StrEnum):
    """What a credential permits, from the least to the most powerful."""

    READ = "read"
    WRITE = "write"
    REGISTER = "register"
    ATTEST = "attest"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
# The scopes of a wallet's signature.
WALLET_SCOPES = ALL_SCOPES - {Scope.ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller, by whichever credential it authenticated.

    id: `key:<id of the first key>` or `wallet:<0x address>`; rate limits and the audit log use it.
        The successor of a rotated key, a key that the owner of a key created for itself, and the
        token of a wallet all have the same principal id.
    credential: the credential of this request: the id of a key or token, or `signature`; of a
        session, the id of the key that it began with, or `session` if that was a wallet's message.
    session: the id of the browser session that the request belongs to; None for a request with a
        credential of its own.
    tenant: the name of the tenant whose data the caller works on.
    rate_limit: requests per window; None for the default.
    address: the wallet's address (EIP-55), if the principal is a wallet.
    expires_at: when the key or token ends; None for never, and for a signature.
    expiry_notice: the value of the header X-Hokusai-Key-Expires, for a key that ends soon.
    """

    id: str
    credential: str
    tenant: str
    scopes: frozenset[Scope]
    rate_limit: int | None = None
    address: str | None = None
    expires_at: datetime | None = None
    expiry_notice: bytes | None = None
    session: str | None = None

    @property
    def is_wallet(self) -> bool:
        """Whether the wallet itself has signed for this request, or for its session."""
        return self.credential in ("signature", "session")

    def require(self, scope: Scope) -> None:
        """Check that the credential has a scope. Raises MissingScopeError if it does not."""
        if scope not in self.scopes:
            if scope is Scope.ADMIN and self.session is not None:
                raise MissingScopeError(
                    "This needs the scope admin. A session has it for 30 minutes after its key, "
                    "which needs that scope, was sent again: on the page /account, or to POST "
                    "/api/auth/sessions/current/admin."
                )
            own = ", ".join(own for own in Scope if own in self.scopes)
            raise MissingScopeError(
                f"This needs the scope {scope}; your credential has {own}. Ask an admin for a key "
                f"with {scope}."
            )
