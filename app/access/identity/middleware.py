"""Who calls, on the way of every request."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.identity import credentials
from app.access.identity.authenticator import Authenticator
from app.access.identity.credentials import KeyCredential
from app.core.errors import MethodNotAllowedError, UnauthenticatedError
from app.core.request.context import RequestContext, context_of


class Identity:
    """Sets `exchange.principal`, or refuses; the paths in `public` are open to anybody.

    public: methods and paths. A path in it takes no other method from anybody, and says so.

    It stands before the first byte of the body is read, so that a stranger's `Expect: 100-continue`
    is never answered with `100`.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, public: frozenset[tuple[str, str]]
    ) -> None:
        self.app = app
        self.authenticator = authenticator
        self.public = public
        self._allowed = {
            path: ", ".join(sorted(method for method, one in public if one == path))
            for _, path in public
        }

    def known(self, context: RequestContext) -> bool:
        """Set `exchange.principal` if it can be told at once, without asking the database.

        Raises what is wrong with the credential, as far as that shows at once too.
        """
        head = context.head
        if head.digest is None:
            credential = credentials.parse(head.headers)
            if isinstance(credential, KeyCredential):
                head.digest = self.authenticator.digest(credential)
            elif credential is not None:
                context.principal, context.wallet_proof = self.authenticator.wallet(credential)
        if head.digest is not None:
            context.principal = self.authenticator.known_key(head.digest, head.client)
        return context.principal is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (scope["method"], scope["path"]) not in self.public:
            allowed = self._allowed.get(scope["path"])
            if allowed is not None:
                # To ask for a credential would be to promise that one helps.
                raise MethodNotAllowedError(
                    f"{scope['method']} is not possible here; it takes {allowed}.",
                    headers=[(b"allow", allowed.encode())],
                )
            context = context_of(scope)
            if not self.known(context):
                # A key of which only the database can tell, or nothing at all.
                credential = credentials.parse(context.headers)
                if not isinstance(credential, KeyCredential):
                    raise UnauthenticatedError(
                        "This needs an API key (Authorization: Bearer <key>, or "
                        "MLFLOW_TRACKING_TOKEN) or a wallet's signature (X-ETH-Address, "
                        "X-ETH-Message, X-ETH-Signature)."
                    )
                context.principal = await self.authenticator.key(credential, context.client)
        await self.app(scope, receive, send)
