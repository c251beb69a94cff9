"""From a credential to the principal it proves."""

import asyncio
import time
from ipaddress import ip_network

from sqlalchemy import select

from app.access.identity import wallet
from app.access.identity.credential_cache import CredentialCache, KnownCredential
from app.access.identity.credentials import KeyCredential, WalletCredential
from app.access.identity.key_format import is_token, is_well_formed
from app.access.identity.models import AccessToken, APIKey
from app.access.identity.peppers import Peppers
from app.core.client_address import in_networks
from app.core.errors import (
    AddressNotAllowedError,
    ExpiredKeyError,
    ExpiredTokenError,
    InvalidKeyError,
    InvalidTokenError,
    RevokedKeyError,
    RotatedKeyError,
    UnauthenticatedError,
)
from app.core.request.principal import WALLET_SCOPES, Principal, Scope
from app.core.request.wallet_proof import VerifiedWallet
from app.core.settings import Settings
from app.database.engine import Database, now


class Authenticator:
    """Knows whether a credential is good, and whose it is."""

    def __init__(
        self, settings: Settings, database: Database, peppers: Peppers, known: CredentialCache
    ) -> None:
        self._database = database
        self._peppers = peppers
        self._known = known
        self._past = settings.signature_max_age
        self._ahead = settings.signature_clock_skew
        # Lookups that are under way, by digest and generation.
        self._asked: dict[tuple[bytes, int], asyncio.Task[KnownCredential]] = {}

    async def key(self, credential: KeyCredential, client: str) -> Principal:
        """The principal of an API key or a wallet's token.

        Raises InvalidKeyError, RevokedKeyError, RotatedKeyError, ExpiredKeyError and their kin for
        tokens; AddressNotAllowedError; DatabaseUnavailableError, when it cannot be told.
        """
        digest = self.digest(credential)
        found = self._known.get(digest)
        if found is None:
            found = await self._look_up(credential.secret, digest)
        return self._admit(found, client)

    def digest(self, credential: KeyCredential) -> bytes:
        """What a key or token is known by."""
        return self._peppers.digest(credential.secret)

    def known_key(self, digest: bytes, client: str) -> Principal | None:
        """`key`, if it was looked up lately; None where the database has to be asked."""
        found = self._known.get(digest)
        return None if found is None else self._admit(found, client)

    def _admit(self, found: KnownCredential, client: str) -> Principal:
        at = time.time()
        if found.expires_at is not None and found.expires_at <= at:
            raise found.expired()
        if found.networks and not in_networks(client, found.networks):
            raise AddressNotAllowedError(
                f"This key does not work from {client}. Ask its issuer to add the address to the "
                "key's allowed networks."
            )
        found.used_at = at
        return found.principal

    def wallet(self, credential: WalletCredential) -> tuple[Principal, VerifiedWallet]:
        """The principal of a signed message, and what has to be spent before it changes anything.

        Raises InvalidSignatureError and StaleSignatureError.
        """
        proof = wallet.verify(credential, now(), self._past, self._ahead)
        tenant = proof.address.lower()
        principal = Principal(
            id=f"wallet:{proof.address}",
            credential="signature",
            tenant=tenant,
            scopes=WALLET_SCOPES,
            address=proof.address,
        )
        return principal, proof

    async def _look_up(self, secret: str, digest: bytes) -> KnownCredential:
        if not is_well_formed(secret):
            if is_token(secret):
                raise InvalidTokenError(
                    "This is not a token: its form or its checksum is wrong. Copy it whole, or "
                    "sign in again at POST /api/auth/token."
                )
            raise InvalidKeyError(
                "This is not an API key: its form or its checksum is wrong. Copy it whole; it "
                "reads hk_live_… and is 58 characters long."
            )
        # A burst of requests with one key is one question: each with its own would use up the
        # connections to the database. A question from before a notification is not shared.
        asked = (digest, self._known.generation)
        answer = self._asked.get(asked)
        if answer is None:
            answer = self._asked[asked] = asyncio.create_task(self._find(secret, *asked))
            answer.add_done_callback(lambda _: self._asked.pop(asked))
        # Whoever asked first may leave before the answer comes.
        return await asyncio.shield(answer)

    async def _find(self, secret: str, digest: bytes, generation: int) -> KnownCredential:
        digests = [digest, *self._peppers.earlier_digests(secret)]
        find = self._find_token if is_token(secret) else self._find_key
        found = await find(digests)
        self._known.put(digest, found, generation)
        return found

    async def _find_key(self, digests: list[bytes]) -> KnownCredential:
        async with self._database.transaction() as session:
            key = await session.scalar(select(APIKey).where(APIKey.digest.in_(digests)))
        if key is None:
            raise InvalidKeyError("There is no such API key. Ask an admin for one.")
        if key.revoked_at is not None:
            raise RevokedKeyError("This API key was revoked. Ask an admin for a new one.")
        return KnownCredential(
            id=key.id,
            principal=Principal(
                id=key.principal,
                credential=key.id,
                tenant=key.tenant,
                scopes=frozenset(map(Scope, key.scopes)),
                rate_limit=key.rate_limit,
                address=_address(key.principal),
            ),
            expires_at=key.expires_at.timestamp() if key.expires_at else None,
            expired=_rotated if key.successor else _expired,
            networks=tuple(map(ip_network, key.allowed_networks)),
        )

    async def _find_token(self, digests: list[bytes]) -> KnownCredential:
        async with self._database.transaction() as session:
            token = await session.scalar(select(AccessToken).where(AccessToken.digest.in_(digests)))
        if token is None:
            raise InvalidTokenError(
                "There is no such token, or it ended long ago. Sign in again at "
                "POST /api/auth/token."
            )
        return KnownCredential(
            id=token.id,
            principal=Principal(
                id=token.principal,
                credential=token.id,
                tenant=token.tenant,
                scopes=frozenset(map(Scope, token.scopes)),
                address=token.address,
            ),
            expires_at=token.expires_at.timestamp(),
            expired=_ended,
        )


def _address(principal: str) -> str | None:
    """The wallet that a principal is, if it is one."""
    kind, _, name = principal.partition(":")
    return name if kind == "wallet" else None


def _expired() -> UnauthenticatedError:
    return ExpiredKeyError("This API key has expired. Rotate it, or ask an admin for a new one.")


def _rotated() -> UnauthenticatedError:
    return RotatedKeyError("This API key was rotated and its overlap is over. Use its successor.")


def _ended() -> UnauthenticatedError:
    return ExpiredTokenError("This token has expired. Sign in again at POST /api/auth/token.")
