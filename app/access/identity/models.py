"""The tables of credentials. They contain no secrets: keys and tokens are stored as HMACs."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, text, true
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class APIKey(Base):
    """One API key.

    principal: the id of the principal that the key authenticates. A key that an owner created for
        itself, and the successor of a rotated key, have the same one.
    digest: HMAC-SHA256 of the key with the pepper of `pepper_version`.
    hint: the prefix and four characters of the key, for lists.
    rate_limit: requests per window; None for the default.
    allowed_networks: the networks that the key may be used from; empty for anywhere.
    parent: the key that this one was created with; revoking the parent revokes this one too.
    successor: the key that replaced this one, which keeps working until `expires_at`.
    may_issue: whether the key creates and rotates keys; not one that was created with nothing but
        the message of a wallet's X-ETH-* headers, which names no host.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("api_keys_by_principal", "principal", "id"),
        Index("api_keys_by_tenant", "tenant", "id"),
        Index("api_keys_by_parent", "parent"),
        Index("api_keys_by_successor", "successor"),
        # The end of a key, whichever it is; `least` ignores NULL.
        Index("api_keys_by_end", text("least(revoked_at, expires_at)")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    principal: Mapped[str]
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    pepper_version: Mapped[int]
    hint: Mapped[str]
    rate_limit: Mapped[int | None]
    allowed_networks: Mapped[list[str]] = mapped_column(ARRAY(TEXT), default=list)
    parent: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    successor: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str]
    may_issue: Mapped[bool] = mapped_column(default=True, server_default=true())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AccessToken(Base):
    """A short-lived token, issued to a wallet for its signature."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        Index("access_tokens_by_expiry", "expires_at"),
        Index("access_tokens_by_principal", "principal"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    principal: Mapped[str]
    address: Mapped[str]
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    pepper_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]


class SpentSignature(Base):
    """A wallet's message that has authorised a change, and must not authorise another.

    The key is the message's hash and not the signature: for each signature there is a second one
    that is valid too.
    """

    __tablename__ = "spent_signatures"
    __table_args__ = (Index("spent_signatures_by_expiry", "expires_at"),)

    address: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime]


class Nonce(Base):
    """A nonce that was issued for a SIWE message and has not been used yet."""

    __tablename__ = "nonces"
    __table_args__ = (Index("nonces_by_expiry", "expires_at"),)

    value: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class Fingerprint(Base):
    """A hash of each pepper that keys were made with, so that a wrong pepper is noticed."""

    __tablename__ = "pepper_fingerprints"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
