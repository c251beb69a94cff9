"""The tables of credentials. None of them holds a secret: keys and tokens are kept as HMACs."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class APIKey(Base):
    """One API key.

    principal: who the key speaks for; a key that its holder made for itself, and the successor of
        a rotated key, keep it.
    digest: HMAC-SHA256 of the key with the pepper of `pepper_version`.
    parent: the key whose holder made this one; it is revoked along with its parent.
    successor: the key that replaced this one; it goes on working until `expires_at`.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("api_keys_by_principal", "principal"),
        Index("api_keys_by_tenant", "tenant"),
        Index("api_keys_by_parent", "parent"),
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
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AccessToken(Base):
    """A short-lived token that a wallet was given for its signature."""

    __tablename__ = "access_tokens"
    __table_args__ = (Index("access_tokens_by_expiry", "expires_at"),)

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
    """A wallet's message that has already authorised one change.

    Keyed on the message, never on the signature's bytes: those have a twin that verifies too.
    """

    __tablename__ = "spent_signatures"
    __table_args__ = (Index("spent_signatures_by_expiry", "expires_at"),)

    address: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime]


class Nonce(Base):
    """A nonce that was handed out for a SIWE message and not used yet."""

    __tablename__ = "nonces"
    __table_args__ = (Index("nonces_by_expiry", "expires_at"),)

    value: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class Fingerprint(Base):
    """Which pepper this database's keys were hashed with, so that a wrong one is noticed."""

    __tablename__ = "pepper_fingerprints"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
