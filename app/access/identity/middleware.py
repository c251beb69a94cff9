"""ASGI middleware that authenticates every request."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.identity import credentials
from app.access.identity.authenticator import Authenticator
from app.access.identity.contract_wallets import NotByKeyError
from app.access.identity.credentials import KeyCredential, WalletCredential
from app.access.identity.public_routes import PublicRoutes
from app.access.identity.sessions.authenticator import SessionAuthenticator
from app.access.identity.sessions.site import opens_page
from app.core.errors import GatewayError, MethodNotAllowedError, UnauthenticatedError
from app.core.request.context import RequestContext, context_of
from app.core.request.principal import Principal

# Headers that carry a credential of the request's own. A cookie beside one of them is ignored.
_CREDENTIALS = frozenset(
    {
        b"authorization",
        b"x-api-key",
        credentials.ADDRESS_HEADER,
        credentials.MESSAGE_HEADER,
        credentials.SIGNATURE_HEADER,
    }
)
SIGN_IN_PAGE = "/login"


class Identity:
    """Sets the principal of the request's context, or refuses the request.

    public: what needs no credential.

    It runs before the body is read. So an unauthenticated client that sends `Expect: 100-continue`
    gets the error, and not `100 Continue`.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        sessions: SessionAuthenticator,
        public: PublicRoutes,
    ) -> None:
        self.app = app
        self.authenticator = authenticator
        self.sessions = sessions
        self.public = public

    def authenticate_from_cache(self, context: RequestContext) -> bool:
        """Set the principal if that needs no query of the database; return whether that sufficed.

        That is so for the signature of a wallet's key, and for a key or token in the cache. Raises
        the errors of an invalid credential and of a disabled tenant, as far as they need no query
        either.
        """
        head = context.head
        if head.key_digest is None:
            credential = credentials.parse(head.headers)
            if isinstance(credential, KeyCredential):
                head.key_digest = self.authenticator.digest(credential)
            elif credential is not None:
                try:
                    proven = self.authenticator.authenticate_wallet(credential)
                except NotByKeyError:
                    return False  # its contract has to be asked
                context.principal, context.wallet_proof = proven
        if head.key_digest is not None:
            context.principal = self.authenticator.authenticate_cached_key(
                head.key_digest, head.client
            )
        return context.principal is not None and self.authenticator.admits(context.principal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        method, path = scope["method"], scope["path"]
        if self.public.has(method, path):
            if b"cookie" in context.headers:
                context.principal = await self._visitor(scope, context)
        elif not self.public.has_file(method, path):
            allowed = self.public.allowed(path)
            if allowed is not None:
                # Not a 401: no credential would help.
                raise MethodNotAllowedError(
                    f"{method} is not allowed here; use {allowed}.",
                    headers=[(b"allow", allowed.encode())],
                )
            await self._authenticate(scope, context)
        await self.app(scope, receive, send)

    async def _authenticate(self, scope: Scope, context: RequestContext) -> None:
        if self.authenticate_from_cache(context):
            return
        # A key or token that is not in the cache, a contract's wallet, a session, or nothing.
        credential = credentials.parse(context.headers)
        if isinstance(credential, WalletCredential):
            proven = await self.authenticator.authenticate_any_wallet(credential)
            context.principal, context.wallet_proof = proven
        elif isinstance(credential, KeyCredential):
            context.principal = await self.authenticator.authenticate_key(
                credential, context.client
            )
        else:
            try:
                context.principal = await self._by_session(scope, context)
            except UnauthenticatedError as error:
                if opens_page(scope["method"], context.headers):
                    # The browser shows a person where to sign in, and comes back from there. The
                    # fragment, which it does not send, it keeps.
                    error.status = 303
                    error.headers = ((b"location", _sign_in_location(scope)),)
                raise
        assert context.principal is not None
        await self.authenticator.admit(context.principal)

    async def _by_session(self, scope: Scope, context: RequestContext) -> Principal:
        """The principal of the session. Raises as `SessionAuthenticator.authenticate`, and
        UnauthenticatedError if there is none."""
        site = self.sessions.site(scope, context.headers)
        principal = await self.sessions.authenticate(
            scope["method"], context.headers, site, context.client
        )
        if principal is None:
            raise UnauthenticatedError(
                "This needs an API key (Authorization: Bearer <key>, or "
                "MLFLOW_TRACKING_TOKEN) or a wallet's signature (X-ETH-Address, "
                "X-ETH-Message, X-ETH-Signature)."
            )
        return principal

    async def _visitor(self, scope: Scope, context: RequestContext) -> Principal | None:
        """The principal of a session on a route that needs none; None for anybody else."""
        if not _CREDENTIALS.isdisjoint(context.headers):
            return None
        try:
            principal = await self._by_session(scope, context)
            await self.authenticator.admit(principal)
            return principal
        except GatewayError:
            return None


def _sign_in_location(scope: Mapping[str, bytes]) -> bytes:
    path, query = scope["raw_path"], scope["query_string"]
    target = path + b"?" + query if query else path
    return f"{SIGN_IN_PAGE}?next={quote(target, safe='/')}".encode()
