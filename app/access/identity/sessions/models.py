"""The tables of sessions and sign-in links. They contain no secrets, but HMACs of them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class BrowserSession(Base):
    """A person who is signed in with a browser.

    digest: HMAC-SHA256 of the cookie's secret with the pepper of `pepper_version`.
    scopes: those of the credential that it began with, without `admin`.
    address: the wallet's address (EIP-55), if the principal is a wallet.
    key_id: the API key that it began with, and ends with; None if it began with a wallet's message.
    client, user_agent: of the request that began it.
    last_used_at: exact to some minutes: see `authenticator.TOUCH`.
    expires_at: the latest end. admin_until: until when it also has the scope `admin`.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_by_principal", "principal", "created_at"),
        Index("sessions_by_key", "key_id"),
        Index("sessions_by_expiry", "expires_at"),
        Index("sessions_by_last_use", "last_used_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    pepper_version: Mapped[int]
    principal: Mapped[str]
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    address: Mapped[str | None]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    client: Mapped[str | None]
    user_agent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    admin_until: Mapped[datetime | None]


class SignInLink(Base):
    """A link that signs the owner of a key in once.

    digest: HMAC-SHA256 of its secret with the current pepper.
    """

    __tablename__ = "sign_in_links"
    __table_args__ = (
        Index("sign_in_links_by_key", "key_id"),
        Index("sign_in_links_by_expiry", "expires_at"),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
