"""Links that sign the owner of a key in once, for a person at the gateway's own machine."""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import record
from app.access.identity.key_format import is_link, new_link
from app.access.identity.models import APIKey
from app.access.identity.peppers import Peppers
from app.access.identity.sessions.models import SignInLink
from app.core.errors import InvalidLinkError, PermissionDeniedError
from app.core.request.actor import Actor
from app.database.engine import now

# How long a link may be used.
LIFETIME = timedelta(minutes=10)


async def create(session: AsyncSession, peppers: Peppers, key: APIKey, actor: Actor) -> str:
    """The secret of a new link for the owner of a key."""
    secret = new_link()
    session.add(
        SignInLink(digest=peppers.digest(secret), key_id=key.id, expires_at=now() + LIFETIME)
    )
    record(session, actor, "sign_in_link.created", key.id, key.tenant)
    return secret


async def use(session: AsyncSession, peppers: Peppers, secret: str, *, is_local: bool) -> APIKey:
    """The key of a link, which cannot be used again.

    Raises InvalidLinkError, also where its key has ended. Raises PermissionDeniedError for a
    browser that is not on the gateway's own machine, and leaves the link usable.
    """
    if not is_local:
        raise PermissionDeniedError(
            "A sign-in link works only in a browser on the machine of the gateway. Sign in with a "
            "key or a wallet instead."
        )
    at = now()
    key_id = None
    if is_link(secret):
        key_id = await session.scalar(
            delete(SignInLink)
            .where(SignInLink.digest == peppers.digest(secret), SignInLink.expires_at > at)
            .returning(SignInLink.key_id)
        )
    key = None
    if key_id is not None:
        key = await session.scalar(select(APIKey).where(APIKey.id == key_id))
    if key is None or key.revoked_at is not None or (key.expires_at and key.expires_at <= at):
        raise InvalidLinkError(
            "This sign-in link does not exist, was used, or is older than ten minutes. Make "
            "another with `hokusai-gateway sign-in-link`, or sign in with a key."
        )
    return key
