"""Database tables: the entries of the log, the hashes of its Merkle tree, and its witnesses.

Triggers in the database refuse every UPDATE, DELETE and TRUNCATE on entries and hashes.
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


class LogWitness(Base):
    """What a witness has cosigned last. It is replaced by what it cosigns next.

    witness: the witness's key. size, root: of the checkpoint; 0 and None before the first one.
    line: the cosignature. asked_until: until when one gateway alone sends checkpoints to it.
    """

    __tablename__ = "log_witnesses"

    witness: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    root: Mapped[bytes | None]
    line: Mapped[str | None]
    at: Mapped[datetime | None]
    asked_until: Mapped[datetime]
