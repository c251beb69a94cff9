"""ASGI middleware that authenticates every request."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.identity import credentials
from app.access.identity.authenticator import Authenticator
from app.access.identity.contract_wallets import NotByKeyError
from app.access.identity.credentials import KeyCredential, WalletCredential
from app.core.errors import MethodNotAllowedError, UnauthenticatedError
from app.core.request.context import RequestContext, context_of


class Identity:
    """Sets the principal of the request's context, or refuses the request.

    public: pairs of method and path that need no credential. Other methods of these paths are
        refused with 405.

    It runs before the body is read. So an unauthenticated client that sends `Expect: 100-continue`
    gets the error, and not `100 Continue`.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, public: frozenset[tuple[str, str]]
    ) -> None:
        self.app = app
        self.authenticator = authenticator
        self.public = public
        self._allowed = {
            path: ", ".join(sorted(method for method, other in public if other == path))
            for _, path in public
        }

    def authenticate_from_cache(self, context: RequestContext) -> bool:
        """Set the principal if that needs no query of the database; return whether it is set.

        That is so for the signature of a wallet's key, and for a key or token in the cache. Raises
        the errors of an invalid credential, as far as they need no query either.
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
        return context.principal is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope["method"], scope["path"]) not in self.public:
            allowed = self._allowed.get(scope["path"])
            if allowed is not None:
                # Not a 401: no credential would help.
                raise MethodNotAllowedError(
                    f"{scope['method']} is not allowed here; use {allowed}.",
                    headers=[(b"allow", allowed.encode())],
                )
            context = context_of(scope)
            if not self.authenticate_from_cache(context):
                # A key or token that is not in the cache, a contract's wallet, or no credential.
                credential = credentials.parse(context.headers)
                if isinstance(credential, WalletCredential):
                    proven = await self.authenticator.authenticate_any_wallet(credential)
                    context.principal, context.wallet_proof = proven
                elif not isinstance(credential, KeyCredential):
                    raise UnauthenticatedError(
                        "This needs an API key (Authorization: Bearer <key>, or "
                        "MLFLOW_TRACKING_TOKEN) or a wallet's signature (X-ETH-Address, "
                        "X-ETH-Message, X-ETH-Signature)."
                    )
                else:
                    context.principal = await self.authenticator.authenticate_key(
                        credential, context.client
                    )
        await self.app(scope, receive, send)
