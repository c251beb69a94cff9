"""The cookie of a session.

Over HTTPS it has the prefix `__Host-` (RFC 6265bis, section 4.1.3.2): the browser takes it only
from this host, for all of its paths, and over HTTPS. Browsers do not allow that prefix over plain
HTTP, so that on loopback it has another name. That one ends with the port: cookies know no ports,
and two gateways on one machine would replace each other's.
"""

from collections.abc import Mapping
from typing import Final

from app.access.identity.sessions.site import Site

SECURE_NAME: Final = "__Host-hokusai"
PLAIN_NAME: Final = "hokusai_session"

Header = tuple[bytes, bytes]


def secret_in(headers: Mapping[bytes, bytes], site: Site) -> str | None:
    """The secret in the request's cookie; None without one, or where no session may count.

    Two cookies with different secrets are none: a neighbour on loopback can set a second one.
    """
    value = headers.get(b"cookie")
    if value is None or not site.allows_sessions:
        return None
    name = _name(site)
    # The edge joins repeated headers with a comma, which no value of ours contains.
    pairs = (
        pair.strip().partition("=") for pair in value.decode("latin-1").replace(",", ";").split(";")
    )
    found = {secret for own, _, secret in pairs if own == name}
    return found.pop() if len(found) == 1 else None


def set_cookie(secret: str, seconds: int, site: Site) -> Header:
    """The header that makes the browser keep a session. seconds: until it ends at the latest."""
    return _header(f"{_name(site)}={secret}; Max-Age={seconds}", site)


def remove_cookie(site: Site) -> Header:
    """The header that makes the browser forget its session."""
    return _header(f"{_name(site)}=; Max-Age=0", site)


def _name(site: Site) -> str:
    if site.is_secure:
        return SECURE_NAME
    port = site.host.rpartition(":")[2]
    return f"{PLAIN_NAME}_{port}" if port.isdecimal() else PLAIN_NAME


def _header(value: str, site: Site) -> Header:
    secure = "; Secure" if site.is_secure else ""
    return b"set-cookie", f"{value}; Path=/; HttpOnly; SameSite=Lax{secure}".encode()
