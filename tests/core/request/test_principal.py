"""What a credential permits."""

import pytest

from app.core.errors import MissingScopeError
from app.core.request.principal import ALL_SCOPES, WALLET_SCOPES, Principal, Scope


def test_a_scope_that_the_credential_has_is_accepted() -> None:
    Principal("key:a", "a", "t", frozenset({Scope.READ})).require(Scope.READ)


def test_a_missing_scope_is_named_with_those_that_the_credential_has() -> None:
    principal = Principal("key:a", "a", "t", frozenset({Scope.WRITE, Scope.READ}))
    with pytest.raises(MissingScopeError, match=r"needs the scope admin; .* has read, write"):
        principal.require(Scope.ADMIN)


def test_a_wallet_has_every_scope_but_admin() -> None:
    assert Scope.ADMIN not in WALLET_SCOPES
    assert len(WALLET_SCOPES) == len(ALL_SCOPES) - 1
