"""Which headers cross the gateway, in each direction (RFC 9110, section 7.6.1)."""

from collections.abc import Mapping, Sequence

RawHeaders = list[tuple[bytes, bytes]]

# The headers of a request that are forwarded: those that MLflow and its clients need. All others
# are dropped, among them the client's credentials, cookies, Origin, Expect, forwarding headers (the
# gateway writes its own), and the headers that MLflow trusts: X-MLFLOW-WORKSPACE (the tenant),
# X-MLflow-Authorization (its own login), X-MLflow-Guardrail-Bypass and X-MLflow-Gateway-Caller
# (which mark MLflow's internal calls).
REQUEST_HEADERS = frozenset(
    {
        # Content negotiation. Nothing is decompressed here, so the client decides on the encoding.
        b"accept",
        b"accept-encoding",
        b"accept-language",
        # The type of the body. MLflow reads Content-Encoding on OTLP traces.
        b"content-type",
        b"content-encoding",
        # Checksums that a client sends with an artifact.
        b"content-md5",
        b"content-digest",
        b"digest",
        # Conditional and partial downloads: artifacts have ETag, Last-Modified and ranges.
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        # By these two MLflow recognises its own Python client.
        b"user-agent",
        b"x-mlflow-client-version",
        # Experiment and run of OTLP traces. MLflow looks both up in the caller's workspace only.
        b"x-mlflow-experiment-id",
        b"x-mlflow-run-id",
        # W3C Trace Context joins the client's trace to the server's. W3C Baggage is dropped: it is
        # free text for the client's own services, and nothing in MLflow reads it.
        b"traceparent",
        b"tracestate",
    }
)

# Headers that concern one connection and not the message, whether or not Connection names them.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_DROPPED_FROM_RESPONSES = HOP_BY_HOP | {
    # The gateway is the server that the client sees; MLflow's version is not disclosed.
    b"server",
    # All callers share one host name: a cookie that MLflow sets would be a session on the gateway's
    # own origin.
    b"set-cookie",
    b"set-cookie2",
    # It names an address of the upstream, which clients must not use.
    b"alt-svc",
    # The gateway sets it on every response.
    b"x-content-type-options",
}


def nominated(connection: bytes) -> frozenset[bytes]:
    """The headers that the value of a Connection header makes hop-by-hop, in lower case."""
    return frozenset(token.strip(b" \t").lower() for token in connection.split(b","))


def header_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers, encoded without the empty line. Names and values must have been checked before."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def request_headers(headers: Mapping[bytes, bytes]) -> RawHeaders:
    """The headers of a request that are forwarded to the upstream.

    headers: by lower-case name, repeats joined with a comma. Framing, Host, and the gateway's own
    headers (workspace, request id, forwarding) are added by the caller.
    """
    connection = headers.get(b"connection")
    if connection is None or connection == b"keep-alive":
        return [item for item in headers.items() if item[0] in REQUEST_HEADERS]
    allowed = REQUEST_HEADERS - nominated(connection)
    return [item for item in headers.items() if item[0] in allowed]


def response_headers(raw: Sequence[tuple[bytes, bytes]]) -> RawHeaders:
    """The headers of an upstream's response that are forwarded, repeats kept, in their order.

    raw: with lower-case names. Content-Length is forwarded; without one, the server frames the body
    itself.
    """
    dropped: frozenset[bytes] | set[bytes] = _DROPPED_FROM_RESPONSES
    for name, value in raw:
        if name == b"connection":
            dropped = dropped | nominated(value)
    return [item for item in raw if item[0] not in dropped]


def without_caching(headers: RawHeaders) -> RawHeaders:
    """The headers of a response that no cache may store (RFC 9111, section 5.2.2.5).

    Every forwarded response is one to a credential. A Cache-Control that allows more is replaced.
    """
    if any(b"no-store" in value for name, value in headers if name == b"cache-control"):
        return headers
    kept = [item for item in headers if item[0] != b"cache-control"]
    kept.append((b"cache-control", b"no-store"))
    return kept


# What a browser does with a response that it opens as a page: nothing in it runs, and the page has
# no origin that it shares with the gateway's.
_AS_DATA = (b"content-security-policy", b"default-src 'none'; sandbox")
_DOWNLOAD = (b"content-disposition", b"attachment")


def as_data(headers: RawHeaders) -> RawHeaders:
    """The headers of a response that may be a file of a tenant: never a page or a script.

    All tenants share the gateway's origin, on which browsers have sessions, and MLflow serves what
    they upload under the media type of its name. JSON is not changed: no browser runs it.
    """
    media_type = next((value for name, value in headers if name == b"content-type"), b"").lower()
    # Exactly: a browser parses `application/json+xml` as XML.
    if media_type.partition(b";")[0].rstrip() == b"application/json":
        return headers
    kept = [item for item in headers if item[0] != b"content-security-policy"]
    if b"script" in media_type:
        # With `nosniff`, a page can load it as a script only under a media type of scripts.
        kept = [item for item in kept if item[0] != b"content-type"]
        kept.append((b"content-type", b"text/plain"))
    if not any(
        name == b"content-disposition" and value.lower().startswith(b"attachment")
        for name, value in headers
    ):
        kept = [item for item in kept if item[0] != b"content-disposition"]
        kept.append(_DOWNLOAD)
    kept.append(_AS_DATA)
    return kept
