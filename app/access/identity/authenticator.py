"""Authenticates a credential: finds the principal that it belongs to."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network

from sqlalchemy import select

from app.access.identity import wallet
from app.access.identity.contract_wallets import ContractWallets, NotByKeyError
from app.access.identity.credential_cache import CachedCredential, CredentialCache
from app.access.identity.credentials import KeyCredential, WalletCredential
from app.access.identity.key_format import is_token, is_well_formed
from app.access.identity.lookups import Lookups
from app.access.identity.models import AccessToken, APIKey
from app.access.identity.peppers import Peppers
from app.access.tenants.disabled import check_stored
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
from app.core.request.wallet_proof import WalletProof
from app.core.settings import Settings
from app.database.engine import Database, now

# How long before its end a key is announced to end, in the header X-Hokusai-Key-Expires.
EXPIRY_NOTICE = timedelta(days=14)


class Authenticator:
    """Authenticates API keys and tokens by the database and its cache, wallets by signature."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        peppers: Peppers,
        cache: CredentialCache,
        contract_wallets: ContractWallets,
    ) -> None:
        self._database = database
        self._peppers = peppers
        self._cache = cache
        self._contract_wallets = contract_wallets
        self._max_age = settings.signature_max_age
        self._clock_skew = settings.signature_clock_skew
        self._lookups = Lookups[CachedCredential](cache)

    async def authenticate_key(self, credential: KeyCredential, client: str) -> Principal:
        """The principal of an API key or a token. client: the client address of the request.

        Raises InvalidKeyError, RevokedKeyError, RotatedKeyError, ExpiredKeyError, for a token
        InvalidTokenError and ExpiredTokenError; AddressNotAllowedError; DatabaseUnavailableError.
        """
        digest = self.digest(credential)
        found = self._cache.get(digest)
        if found is None:
            found = await self._look_up(credential.secret, digest)
        return self._admit(found, client)

    def digest(self, credential: KeyCredential) -> bytes:
        """The digest by which the database and the cache identify a key or token."""
        return self._peppers.digest(credential.secret)

    def authenticate_cached_key(self, digest: bytes, client: str) -> Principal | None:
        """The principal of a key or token, if it is in the cache; else None.

        Raises as `authenticate_key` does.
        """
        found = self._cache.get(digest)
        return None if found is None else self._admit(found, client)

    def admits(self, principal: Principal) -> bool:
        """Whether a principal's tenant is in use; False where only `admit` can tell.

        Raises TenantDisabledError.
        """
        disabled = self._cache.disabled_tenants
        if disabled.is_current:
            disabled.check(principal.tenant)
        return disabled.is_current

    async def admit(self, principal: Principal) -> None:
        """Raise TenantDisabledError if an admin has disabled a principal's tenant.

        Raises DatabaseUnavailableError.
        """
        if not self.admits(principal):
            async with self._database.transaction() as session:
                await check_stored(session, principal.tenant)

    def _admit(self, found: CachedCredential, client: str) -> Principal:
        at = time.time()
        if found.expires_at is not None and found.expires_at <= at:
            raise found.expiry_error()
        if found.networks and not in_networks(client, found.networks):
            raise AddressNotAllowedError(
                f"This key does not work from {client}. Ask its issuer to add the address to the "
                "key's allowed networks."
            )
        found.used_at = at
        return found.principal

    def authenticate_wallet(self, credential: WalletCredential) -> tuple[Principal, WalletProof]:
        """The principal of a wallet's signature, and the proof to consume before a change.

        Raises InvalidSignatureError and StaleSignatureError; NotByKeyError where only the wallet's
        contract can tell whether it accepts the signature: see `authenticate_any_wallet`.
        """
        try:
            proof = wallet.verify(
                credential,
                now(),
                self._max_age,
                self._clock_skew,
                self._contract_wallets.accepts,
            )
        except NotByKeyError as error:
            if self._contract_wallets.can_ask:
                raise
            raise self._contract_wallets.refusal(error) from None
        return wallet_principal(proof.address), proof

    async def authenticate_any_wallet(
        self, credential: WalletCredential
    ) -> tuple[Principal, WalletProof]:
        """As `authenticate_wallet`, and asks the contract of a wallet that is one.

        Raises ChainUnavailableError where the chain cannot be asked.
        """
        try:
            return self.authenticate_wallet(credential)
        except NotByKeyError as error:
            await self._contract_wallets.confirm(error)
        return self.authenticate_wallet(credential)

    async def _look_up(self, secret: str, digest: bytes) -> CachedCredential:
        if not is_well_formed(secret):
            if is_token(secret):
                raise InvalidTokenError(
                    "This is not a valid token: its form or its checksum is wrong. Copy all of "
                    "it, or sign in again at POST /api/auth/token."
                )
            raise InvalidKeyError(
                "This is not a valid API key: its form or its checksum is wrong. Copy all of it: "
                "a key has the form hk_live_… and is 58 characters long."
            )
        return await self._lookups.run(digest, partial(self._find, secret, digest))

    async def _find(self, secret: str, digest: bytes) -> CachedCredential:
        digests = [digest, *self._peppers.earlier_digests(secret)]
        find = self._find_token if is_token(secret) else self._find_key
        return await find(digests)

    async def _find_key(self, digests: list[bytes]) -> CachedCredential:
        async with self._database.transaction() as session:
            key = await session.scalar(select(APIKey).where(APIKey.digest.in_(digests)))
        if key is None:
            raise InvalidKeyError("This API key does not exist. Ask an admin for one.")
        if key.revoked_at is not None:
            raise RevokedKeyError("This API key was revoked. Ask an admin for a new one.")
        return CachedCredential(
            id=key.id,
            principal=principal_of(key, key.rate_limit, expiry_notice(key.expires_at, now())),
            expires_at=key.expires_at.timestamp() if key.expires_at else None,
            expiry_error=_rotated_key if key.successor else _expired_key,
            networks=tuple(map(ip_network, key.allowed_networks)),
        )

    async def _find_token(self, digests: list[bytes]) -> CachedCredential:
        async with self._database.transaction() as session:
            token = await session.scalar(select(AccessToken).where(AccessToken.digest.in_(digests)))
        if token is None:
            # The cleanup removes expired tokens.
            raise InvalidTokenError(
                "This token does not exist, was revoked, or expired some time ago. Sign in again "
                "at POST /api/auth/token."
            )
        return CachedCredential(
            id=token.id,
            principal=principal_of(token),
            expires_at=token.expires_at.timestamp(),
            expiry_error=_expired_token,
        )


def expiry_notice(expires_at: datetime | None, at: datetime) -> bytes | None:
    """The value of X-Hokusai-Key-Expires at a time, in ISO 8601; None for a key with a later end.

    It is made when a key is looked up, which the cache does again after seconds, so that a request
    costs no comparison of times.
    """
    if expires_at is None or expires_at - at > EXPIRY_NOTICE:
        return None
    return expires_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z").encode()


def wallet_principal(address: str) -> Principal:
    """The principal of a wallet that has signed. address: with the checksum of EIP-55."""
    return Principal(
        id=f"wallet:{address}",
        credential="signature",
        tenant=address.lower(),
        scopes=WALLET_SCOPES,
        address=address,
    )


def principal_of(
    credential: APIKey | AccessToken,
    rate_limit: int | None = None,
    expiry_notice: bytes | None = None,
) -> Principal:
    """The principal of a key or token that is valid. rate_limit, expiry_notice: of a key."""
    kind, _, name = credential.principal.partition(":")
    return Principal(
        id=credential.principal,
        credential=credential.id,
        tenant=credential.tenant,
        scopes=frozenset(map(Scope, credential.scopes)),
        rate_limit=rate_limit,
        address=name if kind == "wallet" else None,
        expires_at=credential.expires_at,
        expiry_notice=expiry_notice,
    )


def _expired_key() -> UnauthenticatedError:
    return ExpiredKeyError(
        "This API key has expired. Ask an admin for a new one, or create one with your wallet."
    )


def _rotated_key() -> UnauthenticatedError:
    return RotatedKeyError("This API key was rotated and its overlap is over. Use its successor.")


def _expired_token() -> UnauthenticatedError:
    return ExpiredTokenError("This token has expired. Sign in again at POST /api/auth/token.")
