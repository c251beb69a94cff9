"""What is wrong where there was no response: in words, and whether trying again can help."""

from __future__ import annotations

import socket

import requests
from urllib3.exceptions import NewConnectionError

from hokusai.tls import SERVER_CERTIFICATE


def describe(error: Exception) -> str:
    """Return why there was no response, as the end of a sentence.

    Args:
        error: An error of `requests`.
    """
    # requests' own texts contain the URL with its query, and addresses of Python objects.
    if isinstance(error, requests.exceptions.SSLError):
        return _describe_tls(str(error))
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "connecting took too long"
    if isinstance(error, requests.Timeout):
        return "the connection was silent for too long"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy failed"
    if _resolution_error(error) is not None:
        return "no such host is known; check the name in the URL"
    if isinstance(error, requests.ConnectionError):
        if _cause(error, ConnectionRefusedError) is not None:
            return "nothing listens at this address and port; check the URL"
        return "the connection failed"
    return type(error).__name__


def _describe_tls(text: str) -> str:
    """What is wrong with a TLS connection, from the text of OpenSSL's error."""
    text = text.lower()
    if "certificate_verify_failed" in text or "certificate verify failed" in text:
        if "expired" in text:
            return "its TLS certificate has expired"
        if "hostname mismatch" in text or "ip address mismatch" in text:
            return "its TLS certificate is for another host"
        return (
            "its TLS certificate is not trusted; if its authority is a private one, set "
            f"{SERVER_CERTIFICATE} to a file with the authority's certificate"
        )
    if any(sign in text for sign in ("wrong version number", "wrong_version", "record layer")):
        return "the server does not speak TLS at this port; the URL may have to begin with http://"
    if "eof occurred" in text or "unexpected_eof" in text:
        return "the server closed the TLS connection; the URL may have to begin with http://"
    return "the TLS connection failed"


def never_connected(error: Exception) -> bool:
    """Return whether no connection was made: nobody there, no way there, or no such host."""
    return (
        isinstance(error, requests.exceptions.ConnectTimeout)
        or _cause(error, NewConnectionError) is not None
    )


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The error of this kind among those that led to an error; None where there is none."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        one = pending.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        if isinstance(one, kind):
            return one
        seen.add(id(one))
        pending += [one.__cause__, one.__context__, getattr(one, "reason", None)]
        pending += one.args
    return None


def _resolution_error(error: Exception) -> int | None:
    """The code of `getaddrinfo` if the host's name could not be resolved."""
    cause = _cause(error, socket.gaierror)
    return cause.errno if isinstance(cause, socket.gaierror) else None


def is_unknown_host(error: Exception) -> bool:
    """Return whether the name service says that there is no such host."""
    return _resolution_error(error) == socket.EAI_NONAME
