"""Database tables: the entries of the log, and the hashes of its Merkle tree.

Triggers in the database refuse every UPDATE, DELETE and TRUNCATE on them.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class LogEntry(Base):
    """An entry of the log.

    text: the bytes of the leaf in the Merkle tree, as UTF-8. attestation: the hash of the
    attestation that it is about; None for an entry of another kind.
    """

    __tablename__ = "attestation_log"
    __table_args__ = (Index("attestation_log_by_attestation", "attestation"),)

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str]
    attestation: Mapped[str | None] = mapped_column(ForeignKey("attestations.hash"))
    text: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now)


class LogNode(Base):
    """The hash of a complete subtree of the log; the leaves are level 0. See `merkle`."""

    __tablename__ = "attestation_log_nodes"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes]
