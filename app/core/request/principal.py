"""Who calls: the only part of identity that the edge, the limits and the proxy know."""

from dataclasses import dataclass
from enum import StrEnum

from app.core.errors import MissingScopeError


class Scope(StrEnum):
    """What a credential may do, least first."""

    READ = "read"
    WRITE = "write"
    REGISTER = "register"
    ATTEST = "attest"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
# What a wallet may do by itself: everything but administer.
WALLET_SCOPES = ALL_SCOPES - {Scope.ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller, however it proved who it is.

    id: what limits and audit rows are counted on, `key:<id>` or `wallet:<0x address>`. A rotated
        key, a key made by its holder for itself and a wallet's token all keep the id.
    credential: what proved it this time: the id of a key or token, or `signature`.
    """

    id: str
    credential: str
    tenant: str
    scopes: frozenset[Scope]
    rate_limit: int | None = None
    address: str | None = None

    def require(self, scope: Scope) -> None:
        """Raises MissingScopeError where the scope is lacking."""
        if scope not in self.scopes:
            own = ", ".join(own for own in Scope if own in self.scopes)
            raise MissingScopeError(
                f"This needs the scope {scope}; your credential has {own}. Ask an admin for a key "
                f"with {scope}."
            )
