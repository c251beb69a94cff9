"""Which headers cross the gateway, in each direction (RFC 9110, section 7.6.1)."""

from collections.abc import Mapping, Sequence

RawHeaders = list[tuple[bytes, bytes]]

# What MLflow and its clients need from each other. Whatever is not here stays behind: the client's
# credentials, cookies, Origin, Expect, forwarding headers (the gateway writes its own), and the
# headers that MLflow believes: X-MLFLOW-WORKSPACE (the tenant), X-MLflow-Authorization (its own
# login), X-MLflow-Guardrail-Bypass and X-MLflow-Gateway-Caller (marks of MLflow's internal calls).
REQUEST_HEADERS = frozenset(
    {
        # Content negotiation. Nothing is decompressed here, so the client's own wish is passed on.
        b"accept",
        b"accept-encoding",
        b"accept-language",
        # What the body is. MLflow reads Content-Encoding on OTLP traces.
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
        # MLflow tells its own Python client from others by these two.
        b"user-agent",
        b"x-mlflow-client-version",
        # Where OTLP traces belong. MLflow looks both up inside the caller's workspace only.
        b"x-mlflow-experiment-id",
        b"x-mlflow-run-id",
        # W3C Trace Context joins the client's trace to the server's. W3C Baggage is left out: it is
        # free text for the client's own services, and nothing in MLflow reads it.
        b"traceparent",
        b"tracestate",
    }
)

# Headers of one connection, not of the message, whether or not Connection nominates them.
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

_DROPPED_FROM_ANSWERS = HOP_BY_HOP | {
    # The gateway is the server that the client sees; MLflow's version is nobody's business.
    b"server",
    # All callers share the upstream connections, and one host name: a cookie that MLflow sets for
    # one would be a session in the browser of another, on the gateway's own origin.
    b"set-cookie",
    b"set-cookie2",
    # It names an address of the upstream's, past the gateway.
    b"alt-svc",
    # The gateway sets it on every answer.
    b"x-content-type-options",
}


def nominated(connection: bytes) -> frozenset[bytes]:
    """The names that the value of a Connection header takes out of a message, in lower case."""
    return frozenset(token.strip(b" \t").lower() for token in connection.split(b","))


def header_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers on the wire, without the empty line. What is in them was checked before."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def request_headers(headers: Mapping[bytes, bytes]) -> RawHeaders:
    """The end-to-end headers of a request that go upstream.

    headers: by lower-case name, repeats joined with a comma. Framing, Host and what the gateway
    says in its own name (workspace, request id, forwarding) are added after this.
    """
    connection = headers.get(b"connection")
    if connection is None or connection == b"keep-alive":
        return [item for item in headers.items() if item[0] in REQUEST_HEADERS]
    allowed = REQUEST_HEADERS - nominated(connection)
    return [item for item in headers.items() if item[0] in allowed]


def response_headers(raw: Sequence[tuple[bytes, bytes]]) -> RawHeaders:
    """The headers of an upstream's answer that go to the client, repeats kept, in their order.

    raw: with lower-case names. Content-Length stays; without one the server frames the body itself.
    """
    dropped: frozenset[bytes] | set[bytes] = _DROPPED_FROM_ANSWERS
    for name, value in raw:
        if name == b"connection":
            dropped = dropped | nominated(value)
    return [item for item in raw if item[0] not in dropped]
