"""Signs a browser in with a key, a wallet's message or a link."""

from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity import sign_in, tokens
from app.access.identity.authenticator import Authenticator, principal_of, wallet_principal
from app.access.identity.contract_wallets import ContractWallets
from app.access.identity.credentials import KeyCredential
from app.access.identity.key_format import is_token
from app.access.identity.peppers import Peppers
from app.access.identity.sessions import links, service
from app.access.identity.sessions.models import BrowserSession
from app.access.identity.sessions.schemas import SignInRequest
from app.access.identity.sessions.site import Site
from app.access.identity.siwe import SIWEMessage
from app.access.rate_limits.failures import counted_failures
from app.access.rate_limits.limiter import Limiter
from app.access.tenants.new_wallets import NewWallets
from app.core.errors import InvalidKeyError
from app.core.ethereum import checksum_address
from app.core.request.actor import Actor
from app.core.request.context import RequestContext
from app.core.request.principal import Principal
from app.core.settings import Settings
from app.database.engine import now
from app.rest.dependencies import ChangeTransaction

STATEMENT = "Sign in to the Hokusai registry."


class SignIns:
    """What the API and the page of the same purpose call."""

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator,
        contract_wallets: ContractWallets,
        peppers: Peppers,
        limiter: Limiter,
        new_wallets: NewWallets,
        transaction: ChangeTransaction,
    ) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._contract_wallets = contract_wallets
        self._peppers = peppers
        self._limiter = limiter
        self._new_wallets = new_wallets
        self._transaction = transaction

    async def begin(
        self, body: SignInRequest, site: Site, context: RequestContext
    ) -> tuple[BrowserSession, str]:
        """Begin a session; its row and its secret. The browser's session before it ends.

        Raises PlainHTTPError, TooManyFailuresError, and what the credential raises.
        """
        site.require_sessions()
        before = context.principal.session if context.principal else None
        user_agent = context.headers.get(b"user-agent", b"").decode("latin-1")
        async with counted_failures(self._limiter.failures, context):
            owner, until = None, None
            if body.key is not None:
                # Before the transaction: a look-up takes another connection to the database.
                owner = await self.owner_of_key(body.key, context.client)
            async with self._transaction(None) as transaction:
                if owner is None:
                    owner, until = await self._owner(transaction, body, site)
                actor = Actor(owner.id, context.request_id, context.client)
                return await service.start(
                    transaction,
                    self._peppers,
                    owner,
                    actor,
                    user_agent=user_agent,
                    new_wallets=self._new_wallets,
                    expires_by=until,
                    replaces=before,
                )

    async def owner_of_key(self, text: str, client: str) -> Principal:
        """The principal of an API key that was sent in a body. Raises as `authenticate_key`."""
        secret = text.strip()
        if not secret.isascii():
            raise InvalidKeyError("The key has characters outside ASCII, which no key contains.")
        if is_token(secret):
            raise InvalidKeyError(
                "An access token does not sign a browser in. Use an API key, or the wallet itself."
            )
        return await self._authenticator.authenticate_key(KeyCredential(secret), client)

    async def start_admin(
        self, text: str, owner: Principal, actor: Actor, context: RequestContext
    ) -> BrowserSession:
        """Let the caller's session act as an admin. text: the key that it began with.

        Raises as `service.start_admin`, and TooManyFailuresError.
        """
        async with counted_failures(self._limiter.failures, context):
            proof = await self.owner_of_key(text, context.client)
        async with self._transaction(None) as transaction:
            return await service.start_admin(transaction, owner, proof, actor)

    async def message(
        self, transaction: AsyncSession, address: str, chain_id: int, site: Site
    ) -> tuple[str, datetime]:
        """A SIWE message for a wallet to sign, with a new nonce, and when that ends.

        Raises UnprocessableError for what is not an address, and SignInDisabledError.
        """
        site.require_sessions()
        hosts = sign_in.hosts(self._settings)
        host = site.host if site.host in hosts else sorted(hosts)[0]
        checksummed = checksum_address(address)
        nonce = await tokens.new_nonce(transaction)
        scheme = urlsplit(site.origin).scheme
        message = SIWEMessage(
            domain=host,
            address=checksummed,
            uri=f"{scheme}://{host}/login",
            chain_id=chain_id,
            nonce=nonce.value,
            issued_at=now(),
            statement=STATEMENT,
        )
        return message.text(), nonce.expires_at

    async def _owner(
        self, transaction: AsyncSession, body: SignInRequest, site: Site
    ) -> tuple[Principal, datetime | None]:
        if body.link is not None:
            key = await links.use(
                transaction, self._peppers, body.link.strip(), is_local=site.is_local
            )
            return principal_of(key, key.rate_limit), None
        assert body.message is not None
        assert body.signature is not None
        signed = await sign_in.verify_siwe(
            body.message, body.signature, self._settings, self._contract_wallets
        )
        await tokens.consume_nonce(transaction, signed.nonce)
        return wallet_principal(signed.address), signed.expiration_time
