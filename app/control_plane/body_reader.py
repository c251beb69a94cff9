"""Reads the body of a request to Hokusai's own endpoints, before FastAPI does."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import strict_json
from app.core.request.context import context_of
from app.edge.documents import Documents

# Bytes of the largest document: a registration or an attestation with all its contributions.
MAX_DOCUMENT = 2 * 1024 * 1024
LARGE = ("/api/models", "/api/attestations")
# Bytes of a document for any other endpoint.
MAX_SMALL_DOCUMENT = 16 * 1024

# The entry of the scope for the parsed document, of a request that has one.
DOCUMENT = "hokusai.document"


class BodyReader:
    """ASGI middleware that reads the body of a request, within bounds of size and time.

    It does so before FastAPI, which would turn the gateway's errors into errors of its own, and
    which accepts JSON in any encoding and with repeated keys. No connection to the database is in
    use meanwhile.
    """

    def __init__(self, app: ASGIApp, documents: Documents) -> None:
        self.app = app
        self.documents = documents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        limit = MAX_DOCUMENT if scope["path"].startswith(LARGE) else MAX_SMALL_DOCUMENT
        with self.documents.body_of(context) as held:
            body: bytes | None = await self.documents.receive(held, receive, limit=limit)
            if body:
                is_json = b"json" in context.headers.get(b"content-type", b"").lower()
                # The bounds are the same for each media type: an endpoint may read it as JSON.
                read = strict_json.parse if is_json else strict_json.check_shape
                document = await self.documents.work(
                    context, len(body), read, body, max_values=strict_json.MAX_OWN_VALUES
                )
                if is_json:
                    scope[DOCUMENT] = document

            async def replay() -> Message:
                nonlocal body
                if body is None:
                    return await receive()
                message = {"type": "http.request", "body": body, "more_body": False}
                body = None
                return message

            try:
                await self.app(scope, replay, send)
            finally:
                route = scope.get("route")
                if route is not None:
                    context.route = route.path
