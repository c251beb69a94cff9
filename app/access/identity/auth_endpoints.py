"""The endpoints for signing in with a wallet, and for showing the caller."""

from fastapi import APIRouter, Depends, Request, Response, status
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity import credentials, revocation, sign_in, tokens
from app.access.identity.authenticator import Authenticator
from app.access.identity.contract_wallets import ContractWallets
from app.access.identity.credentials import WalletCredential
from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.replay_guard import consume
from app.access.identity.schemas import EndedTokens, IssuedToken, NonceView, TokenRequest, WhoAmI
from app.access.quotas.service import Quotas
from app.access.tenants.new_wallets import NewWallets
from app.core.app_state import state_of
from app.core.errors import InvalidSignatureError, UnauthenticatedError
from app.core.request.actor import Actor
from app.core.request.context import context_of
from app.core.request.principal import Scope
from app.core.settings import Settings
from app.rest.dependencies import Caller, ChangeSession, CurrentActor, Session

router = APIRouter(prefix="/api", tags=["auth"])
# Public: a wallet proves its address by what it sends to them.
PUBLIC = frozenset({("GET", "/api/auth/nonce"), ("POST", "/api/auth/token")})


def _not_stored(response: Response) -> None:
    """Keep a secret out of caches. For routes that need a credential the edge does it."""
    response.headers["cache-control"] = "no-store"


@router.get("/auth/nonce", dependencies=[Depends(_not_stored)])
async def nonce(request: Request, session: Session) -> NonceView:
    """Get a nonce for one SIWE message, valid for ten minutes."""
    sign_in.hosts(state_of(request)[Settings])
    created = await tokens.new_nonce(session)
    return NonceView(nonce=created.value, expires_at=created.expires_at)


@router.post(
    "/auth/token", status_code=status.HTTP_201_CREATED, dependencies=[Depends(_not_stored)]
)
async def token(
    request: Request, session: Session, peppers: CurrentPeppers, body: TokenRequest | None = None
) -> IssuedToken:
    """Exchange a wallet's signature for a token, to be used as MLFLOW_TRACKING_TOKEN.

    The signature is sent either in the three X-ETH-* headers, or in the body with a SIWE message.
    """
    payload = body or TokenRequest()
    settings = state_of(request)[Settings]
    if payload.message is not None and payload.signature is not None:
        signed = await sign_in.verify_siwe(
            payload.message, payload.signature, settings, state_of(request)[ContractWallets]
        )
        await tokens.consume_nonce(session, signed.nonce)
        address, until = signed.address, signed.expiration_time
    else:
        address, until = await _verify_headers(session, request), None
    context = context_of(request.scope)
    actor = Actor(f"wallet:{address}", context.request_id, context.client)
    seconds = payload.expires_in or settings.token_seconds
    issued, secret = await tokens.issue(
        session,
        peppers,
        address,
        payload.scopes,
        seconds,
        actor,
        new_wallets=state_of(request)[NewWallets],
        quotas=state_of(request)[Quotas],
        expires_by=until,
    )
    return IssuedToken(
        access_token=secret,
        expires_in=round((issued.expires_at - issued.created_at).total_seconds()),
        scopes=[Scope(scope) for scope in issued.scopes],
        address=address,
    )


@router.get("/auth/whoami")
async def whoami(request: Request, caller: Caller) -> WhoAmI:
    """Show the caller's principal, tenant, scopes, rate limit, and when its credential ends."""
    settings = state_of(request)[Settings]
    own_limit = settings.session_rate_limit if caller.session else caller.rate_limit
    return WhoAmI(
        principal=caller.id,
        tenant=caller.tenant,
        scopes=[scope for scope in Scope if scope in caller.scopes],
        credential=caller.credential,
        address=caller.address,
        session=caller.session,
        rate_limit=own_limit or settings.rate_limit,
        expires_at=caller.expires_at,
    )


@router.delete("/auth/tokens")
async def revoke_tokens(caller: Caller, session: ChangeSession, actor: CurrentActor) -> EndedTokens:
    """Revoke all access tokens of the caller's wallet."""
    return EndedTokens(tokens=await revocation.revoke_tokens(session, caller, actor))


async def _verify_headers(session: AsyncSession, request: Request) -> str:
    """Verify the X-ETH-* headers and consume their message: the wallet's address."""
    credential = credentials.parse(context_of(request.scope).headers)
    if credential is None:
        raise UnauthenticatedError(
            "Send the headers X-ETH-Address, X-ETH-Message and X-ETH-Signature, or `message` and "
            "`signature` of a SIWE message in the body."
        )
    if not isinstance(credential, WalletCredential):
        raise InvalidSignatureError(
            "A token is issued for a wallet's signature. An API key needs no token: use the key "
            "itself as MLFLOW_TRACKING_TOKEN."
        )
    authenticator = state_of(request)[Authenticator]
    _, proof = await authenticator.authenticate_any_wallet(credential)
    await consume(session, proof)
    return proof.address
