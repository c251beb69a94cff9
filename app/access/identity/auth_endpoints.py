"""Signing in with a wallet, and asking who one is."""

from datetime import datetime

from fastapi import APIRouter, Request, status
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity import credentials, siwe, tokens
from app.access.identity.authenticator import Authenticator
from app.access.identity.credentials import WalletCredential
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.replay_guard import consume
from app.access.identity.schemas import IssuedToken, NonceView, TokenRequest, WhoAmI
from app.core.app_state import state_of
from app.core.errors import InvalidSignatureError, SignInOffError, UnauthenticatedError
from app.core.request.actor import Actor
from app.core.request.context import context_of
from app.core.request.principal import Scope
from app.core.settings import Settings
from app.database.engine import now
from app.rest.dependencies import Caller, Session

router = APIRouter(prefix="/api", tags=["auth"])
# Paths that a caller without a credential may use; they prove who they are by what they send.
PUBLIC = frozenset({("GET", "/api/auth/nonce"), ("POST", "/api/auth/token")})


@router.get("/auth/nonce")
async def nonce(request: Request, session: Session) -> NonceView:
    """A nonce for one SIWE message, good for ten minutes."""
    _hosts(state_of(request)[Settings])
    made = await tokens.new_nonce(session)
    return NonceView(nonce=made.value, expires_at=made.expires_at)


@router.post("/auth/token", status_code=status.HTTP_201_CREATED)
async def token(
    request: Request, session: Session, peppers: CurrentPeppers, body: TokenRequest | None = None
) -> IssuedToken:
    """Exchange a wallet's signature for a token that serves as MLFLOW_TRACKING_TOKEN.

    The proof is either the three X-ETH-* headers, or a SIWE message with its signature in the body.
    """
    asked = body or TokenRequest()
    settings = state_of(request)[Settings]
    if asked.message is not None and asked.signature is not None:
        address, until = await _sign_in(session, asked.message, asked.signature, settings)
    else:
        address, until = await _prove(session, request), None
    context = context_of(request.scope)
    actor = Actor(f"wallet:{address}", context.request_id, context.client)
    seconds = asked.expires_in or settings.token_seconds
    made, secret = await tokens.issue(
        session, peppers, address, asked.scopes, seconds, actor, signed_until=until
    )
    return IssuedToken(
        access_token=secret,
        expires_in=round((made.expires_at - made.created_at).total_seconds()),
        scopes=[Scope(scope) for scope in made.scopes],
        address=address,
    )


@router.get("/auth/whoami")
async def whoami(request: Request, caller: Caller) -> WhoAmI:
    """Who the gateway takes the caller for."""
    return WhoAmI(
        principal=caller.id,
        tenant=caller.tenant,
        scopes=[scope for scope in Scope if scope in caller.scopes],
        credential=caller.credential,
        address=caller.address,
        rate_limit=caller.rate_limit or state_of(request)[Settings].rate_limit,
    )


def _hosts(settings: Settings) -> frozenset[str]:
    """The names that a SIWE message may be addressed to. Raises SignInOffError if there is none."""
    if not settings.public_hosts:
        raise SignInOffError(
            "Sign-In with Ethereum is off here: the operator has to set HOKUSAI_PUBLIC_URL to the "
            "address that users see. The headers X-ETH-Address, X-ETH-Message and X-ETH-Signature "
            "work without it, for a token too."
        )
    return settings.public_hosts


async def _sign_in(
    session: AsyncSession, message: str, signature: str, settings: Settings
) -> tuple[str, datetime | None]:
    """The address that a SIWE message proves and the end it sets itself, with its nonce spent."""
    parsed = siwe.verify(
        message,
        signature,
        hosts=_hosts(settings),
        now=now(),
        past=settings.signature_max_age,
        ahead=settings.signature_clock_skew,
    )
    await tokens.spend_nonce(session, parsed.nonce)
    return parsed.address, parsed.expiration_time


async def _prove(session: AsyncSession, request: Request) -> str:
    """The address that the X-ETH-* headers prove, with their message spent."""
    credential = credentials.parse(context_of(request.scope).headers)
    if credential is None:
        raise UnauthenticatedError(
            "Send the headers X-ETH-Address, X-ETH-Message and X-ETH-Signature, or `message` and "
            "`signature` of a SIWE message in the body."
        )
    if not isinstance(credential, WalletCredential):
        raise InvalidSignatureError(
            "A token is given for a wallet's signature. An API key needs none: it serves as "
            "MLFLOW_TRACKING_TOKEN as it is."
        )
    authenticator = state_of(request)[Authenticator]
    _, proof = authenticator.wallet(credential)
    await consume(session, proof)
    return proof.address
