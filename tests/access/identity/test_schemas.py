"""The request bodies of the identity endpoints: defaults, bounds and normalised networks."""

from ipaddress import IPv6Network, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.access.identity.schemas import (
    AdminKeyRequest,
    KeyRequest,
    NetworkText,
    RotateRequest,
    TokenRequest,
)
from app.core.request.principal import Scope

network: TypeAdapter[str] = TypeAdapter(NetworkText)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:DB8::1/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ],
)
def test_a_network_is_stored_in_one_form(text: str, stored: str) -> None:
    assert network.validate_python(text) == stored


@given(
    st.ip_addresses().flatmap(
        lambda address: st.integers(0, address.max_prefixlen).map(
            lambda length: f"{address}/{length}"
        )
    )
)
@example("::ffff:10.1.2.3/104")
@example("::ffff:0:0/96")
@example("::ffff:0:0/95")
def test_every_network_is_accepted(text: str) -> None:
    """One of IPv4-mapped addresses as IPv4."""
    given = ip_network(text, strict=False)
    expected = str(given)
    if isinstance(given, IPv6Network) and given.subnet_of(IPv6Network("::ffff:0:0/96")):
        expected = f"{given.network_address.ipv4_mapped}/{given.prefixlen - 96}"
    assert network.validate_python(text) == expected


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "10.0.0", "example.org", "::/129"])
def test_another_text_is_not_a_network(text: str) -> None:
    with pytest.raises(ValidationError):
        network.validate_python(text)


def test_an_own_key_has_the_callers_rights_by_default() -> None:
    request = KeyRequest(name="n")
    assert (request.scopes, request.rate_limit, request.allowed_networks) == (None, None, [])
    assert (request.expires_in_days, request.siwe) == (None, None)
    # A lifetime that is left out differs from null, which asks for a key without end.
    assert "expires_in_days" not in request.model_fields_set


def test_an_admins_key_has_every_scope_but_admin_by_default() -> None:
    request = AdminKeyRequest(name="n", tenant="acme")
    assert set(request.scopes) == set(Scope) - {Scope.ADMIN}


def test_a_rotated_key_works_for_a_day_by_default() -> None:
    assert RotateRequest().overlap_seconds == 86_400


@pytest.mark.parametrize("schema", [KeyRequest, AdminKeyRequest, RotateRequest, TokenRequest])
def test_unknown_members_are_refused(schema: type[KeyRequest]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        schema.model_validate({"name": "n", "tenant": "acme", "unknown": 1})
