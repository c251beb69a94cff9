"""How a browser reaches the gateway: over HTTPS or not, by which name, and from which origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.core.client_address import in_networks
from app.core.errors import PlainHTTPError
from app.core.settings import Settings

# What proxies add. From a proxy that is not trusted, they say only that there is one.
_FORWARDING = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
)
_SAFE_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Site:
    """What one request says of the way from the browser to the gateway.

    origin: the gateway's own origin as this browser sees it (RFC 6454).
    origins: each origin that is the gateway's own.
    is_secure: whether the browser speaks HTTPS. is_loopback: whether the browser speaks plain HTTP
    to a name of its own machine, without a proxy that is not trusted.
    is_local: whether the connection comes from the gateway's own machine as well. A container's
    host reaches it by a loopback name, and from another address.
    allows_sessions: whether a session may begin and count.
    """

    origin: str
    origins: frozenset[str]
    is_secure: bool
    is_loopback: bool
    is_local: bool
    allows_sessions: bool

    @property
    def host(self) -> str:
        """`host[:port]` of the origin."""
        return self.origin.partition("://")[2]

    def require_sessions(self) -> None:
        """Raise PlainHTTPError where no session may begin."""
        if not self.allows_sessions:
            raise PlainHTTPError(
                f"Signing in at {self.origin} would send the credential and the session in the "
                "clear. Use https://, or http://localhost on the machine of the gateway. Where a "
                "proxy already speaks HTTPS, its operator has to set HOKUSAI_PUBLIC_URL; where the "
                "network is trusted, HOKUSAI_PLAIN_HTTP_SESSIONS=true allows it."
            )


class Sites:
    """Tells the site of a request, by the settings and the headers."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = settings.trusted_proxies
        self._plain_http = settings.plain_http_sessions
        public = urlsplit(settings.public_url) if settings.public_url else None
        self._is_https = public is not None and public.scheme == "https"
        self._public_origin = _origin(public.scheme, public.netloc) if public is not None else None

    def of(self, peer: str, headers: Mapping[bytes, bytes]) -> Site:
        """The site of a request. peer: the address of the connection's other end."""
        is_trusted = in_networks(peer, self._trusted)
        is_secure = self._is_https or (is_trusted and _forwarded_scheme(headers) == b"https")
        host = headers.get(b"host", b"").decode("latin-1")
        origin = _origin("https" if is_secure else "http", host)
        is_loopback = (
            not is_secure and _is_loopback(host) and (is_trusted or _FORWARDING.isdisjoint(headers))
        )
        own = {origin, self._public_origin} if self._public_origin else {origin}
        return Site(
            origin=origin,
            origins=frozenset(filter(None, own)),
            is_secure=is_secure,
            is_loopback=is_loopback,
            is_local=is_loopback and _is_loopback_address(peer),
            allows_sessions=is_secure or is_loopback or self._plain_http,
        )


def is_own_request(method: str, headers: Mapping[bytes, bytes], site: Site) -> bool:
    """Whether a browser sent a request because of the gateway's own pages, or of its user.

    Browsers say so in Sec-Fetch-Site, and old ones in Origin. Requests that change something need
    it. A link elsewhere may open a page, and neither a frame, an image nor a script may.
    """
    relation = headers.get(b"sec-fetch-site")
    if relation == b"same-origin":
        return True
    if relation is not None:
        return (
            method in _SAFE_METHODS
            and headers.get(b"sec-fetch-mode") == b"navigate"
            and headers.get(b"sec-fetch-dest") == b"document"
        )
    origin = headers.get(b"origin")
    if origin is not None:
        return origin.decode("latin-1").lower() in site.origins
    # Browsers without Sec-Fetch-Site, and all of them over plain HTTP to names that are not
    # loopback, send neither with a GET. SameSite=Lax keeps the cookie from pages of other sites.
    return method in _SAFE_METHODS


def opens_page(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser wants to show the response in a window of its own."""
    return (
        method in _SAFE_METHODS
        and b"text/html" in headers.get(b"accept", b"")
        and headers.get(b"sec-fetch-mode", b"navigate") == b"navigate"
        and headers.get(b"sec-fetch-dest", b"document") == b"document"
    )


def _origin(scheme: str, host: str) -> str:
    """An origin as browsers write it: in lower case, without the scheme's own port."""
    default = ":443" if scheme == "https" else ":80"
    return f"{scheme}://{host.lower().removesuffix(default)}"


def _forwarded_scheme(headers: Mapping[bytes, bytes]) -> bytes:
    """The scheme that the browser speaks, by the first of the proxies."""
    return headers.get(b"x-forwarded-proto", b"").partition(b",")[0].strip().lower()


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback_address(name)


def _is_loopback_address(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
