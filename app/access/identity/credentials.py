"""Parses the credential in a request's headers, without verifying it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.access.identity.key_format import KEY_PREFIX, TOKEN_PREFIX
from app.core.errors import AmbiguousCredentialsError, InvalidKeyError, InvalidSignatureError

ADDRESS_HEADER: Final = b"x-eth-address"
MESSAGE_HEADER: Final = b"x-eth-message"
SIGNATURE_HEADER: Final = b"x-eth-signature"

_WALLET_HEADERS = {
    ADDRESS_HEADER: "X-ETH-Address",
    MESSAGE_HEADER: "X-ETH-Message",
    SIGNATURE_HEADER: "X-ETH-Signature",
}
_KEY_PREFIXES = (KEY_PREFIX.encode(), TOKEN_PREFIX.encode())


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """An API key or a wallet's token. Its text is not empty and ASCII, and otherwise unchecked."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WalletCredential:
    """The values of the three X-ETH-* headers: not empty, ASCII, and otherwise unchecked."""

    address: str
    # Not in `repr`: until the message is stale, both together can be used by anybody who sees them.
    message: str = field(repr=False)
    signature: str = field(repr=False)


def parse(headers: Mapping[bytes, bytes]) -> KeyCredential | WalletCredential | None:
    """The credential of a request; None if it has none. headers: by lower-case name.

    A key or token is sent as `Authorization: Bearer <key>`, as `Authorization: ApiKey <key>`, as
    the password or the user name of `Authorization: Basic` (RFC 7617), or as `X-API-Key: <key>`; a
    wallet's signature as X-ETH-Address, X-ETH-Message and X-ETH-Signature. The same key in several
    of these places is one credential. Raises AmbiguousCredentialsError for different credentials,
    InvalidKeyError or InvalidSignatureError for a malformed one. No message repeats part of a
    header: a key in the wrong place must not appear in a response or log.
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
    keys = []
    if authorization is not None:
        keys.append(_authorization(authorization))
    if api_key is not None:
        keys.append(_key(api_key, "X-API-Key"))
    if len(keys) == 2 and keys[0] != keys[1]:
        raise AmbiguousCredentialsError(
            "Authorization and X-API-Key contain different keys. Send one of the two."
        )
    return keys[0] if keys else None


def _authorization(value: bytes) -> KeyCredential:
    scheme, space, rest = value.partition(b" ")
    match scheme.lower():
        case b"bearer" | b"apikey":
            return _key(rest, "Authorization")
        case b"basic":
            return _basic(rest)
    if not space:
        raise InvalidKeyError(
            "Authorization has no scheme. Send `Authorization: Bearer <key>`, or the key alone in "
            "X-API-Key."
        )
    raise InvalidKeyError("Authorization has an unknown scheme. Use Bearer, ApiKey or Basic.")


def _key(value: bytes, location: str) -> KeyCredential:
    """location: where the key was sent, for messages."""
    try:
        secret = value.strip().decode("ascii")
    except UnicodeDecodeError:
        # `from None`, here and below: the original exception has the secret in its message.
        raise InvalidKeyError(
            f"{location} has characters outside ASCII, which no key contains."
        ) from None
    if not secret:
        raise InvalidKeyError(f"{location} has no key.")
    return KeyCredential(secret)


def _basic(value: bytes) -> KeyCredential:
    """The key in `<user name>:<password>`: the password, or the user name if that is the key."""
    try:
        pair = base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        raise InvalidKeyError(
            "Authorization: Basic is not valid base64. Send `<any name>:<key>` in base64."
        ) from None
    user, colon, password = pair.partition(b":")
    if not colon:
        raise InvalidKeyError(
            "Authorization: Basic has no colon. Send `<any name>:<key>` in base64."
        )
    if not user.strip().startswith(_KEY_PREFIXES):
        return _key(password, "The password in Authorization: Basic")
    # The key as the user name: with no password, with a placeholder, or with the key again.
    if password.strip().startswith(_KEY_PREFIXES) and password.strip() != user.strip():
        raise AmbiguousCredentialsError(
            "The user name and the password in Authorization: Basic are different keys. Send one "
            "of the two."
        )
    return _key(user, "The user name in Authorization: Basic")


def _wallet(headers: Mapping[bytes, bytes]) -> WalletCredential:
    values = []
    for header, name in _WALLET_HEADERS.items():
        value = headers.get(header)
        if not value:
            raise InvalidSignatureError(
                f"{name} is missing or empty. A wallet's signature is sent in three headers: "
                "X-ETH-Address, X-ETH-Message and X-ETH-Signature."
            )
        try:
            values.append(value.decode("ascii"))
        except UnicodeDecodeError:
            raise InvalidSignatureError(f"{name} has characters outside ASCII.") from None
    return WalletCredential(*values)
