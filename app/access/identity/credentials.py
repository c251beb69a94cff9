"""What a request offers as proof of who sends it, read from its headers and not yet believed."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.core.errors import AmbiguousCredentialsError, InvalidKeyError, InvalidSignatureError

ADDRESS_HEADER: Final = b"x-eth-address"
MESSAGE_HEADER: Final = b"x-eth-message"
SIGNATURE_HEADER: Final = b"x-eth-signature"

_WALLET_HEADERS = {
    ADDRESS_HEADER: "X-ETH-Address",
    MESSAGE_HEADER: "X-ETH-Message",
    SIGNATURE_HEADER: "X-ETH-Signature",
}


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """An API key or a wallet's token: ASCII, not empty, its form not yet checked."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WalletCredential:
    """The three X-ETH-* headers as they came: ASCII, not empty, their form not yet checked."""

    address: str
    # Both together are a credential for as long as the message is fresh.
    message: str = field(repr=False)
    signature: str = field(repr=False)


def parse(headers: Mapping[bytes, bytes]) -> KeyCredential | WalletCredential | None:
    """The one credential among the headers, which are given by lower-case name; None without any.

    A key comes as `Authorization: Bearer <key>`, `Authorization: ApiKey <key>`, Basic with the key
    as the password (RFC 7617), or `X-API-Key: <key>`; a wallet as X-ETH-Address, -Message and
    -Signature. Raises AmbiguousCredentialsError for more than one of these, InvalidKeyError or
    InvalidSignatureError for one that cannot be read. No error repeats any part of a header: a
    key put in the wrong place must not turn up in an answer or a log.
    """
    authorization = headers.get(b"authorization")
    api_key = headers.get(b"x-api-key")
    if ADDRESS_HEADER in headers or MESSAGE_HEADER in headers or SIGNATURE_HEADER in headers:
        if authorization is not None or api_key is not None:
            raise AmbiguousCredentialsError(
                "The request has both an API key and X-ETH-* headers. Send one of the two; an "
                "Authorization header may come from MLFLOW_TRACKING_TOKEN or a .netrc file."
            )
        return _wallet(headers)
    if authorization is not None:
        if api_key is not None:
            raise AmbiguousCredentialsError(
                "The request has both Authorization and X-API-Key. Send one of the two."
            )
        return _authorization(authorization)
    if api_key is not None:
        return _key(api_key, "X-API-Key")
    return None


def _authorization(value: bytes) -> KeyCredential:
    scheme, space, rest = value.partition(b" ")
    match scheme.lower():
        case b"bearer" | b"apikey":
            return _key(rest, "Authorization")
        case b"basic":
            return _key(_password(rest), "The password in Authorization: Basic")
    if not space:
        raise InvalidKeyError(
            "Authorization has no scheme. Send `Authorization: Bearer <key>`, or the key alone in "
            "X-API-Key."
        )
    raise InvalidKeyError("Authorization has an unknown scheme. Use Bearer, ApiKey or Basic.")


def _key(value: bytes, where: str) -> KeyCredential:
    try:
        secret = value.strip().decode("ascii")
    except UnicodeDecodeError:
        # `from None`, here and below: the cause would carry the secret into a traceback.
        raise InvalidKeyError(f"{where} holds characters outside ASCII; no key has any.") from None
    if not secret:
        raise InvalidKeyError(f"{where} holds no key.")
    return KeyCredential(secret)


def _password(value: bytes) -> bytes:
    try:
        pair = base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        raise InvalidKeyError(
            "Authorization: Basic is not valid base64. It takes `<any name>:<key>` in base64."
        ) from None
    _, colon, password = pair.partition(b":")
    if not colon:
        raise InvalidKeyError(
            "Authorization: Basic has no colon. It takes `<any name>:<key>` in base64."
        )
    return password


def _wallet(headers: Mapping[bytes, bytes]) -> WalletCredential:
    values = []
    for header, name in _WALLET_HEADERS.items():
        value = headers.get(header)
        if not value:
            raise InvalidSignatureError(
                f"{name} is missing or empty. A wallet signs with X-ETH-Address, X-ETH-Message "
                "and X-ETH-Signature, all three."
            )
        try:
            values.append(value.decode("ascii"))
        except UnicodeDecodeError:
            raise InvalidSignatureError(f"{name} holds characters outside ASCII.") from None
    return WalletCredential(*values)
