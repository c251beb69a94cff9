"""Database table: the files of each registered model, and the work of reading them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base

# Files of a model whose ETags are kept: each takes a request when the model is attested.
MAX_VERSIONS = 64


class ModelFilesRecord(Base):
    """The files of a model. Whether they are known is `Model.files`.

    tenant: the owner of the model.
    listed: as its registration lists them, each with `path`, `size` and `sha256`, sorted by path.
    read: as the gateway read them in MLflow, likewise; while it reads, those that it has read, each
        with its ETag as `version`.
    oms_root, weights, list_sha256, count, total_bytes: of the files that were read, or else of
        those listed.
    versions: the ETag of each file when it was read, by its path; None where MLflow has other ones
        for each request, or there are more than `MAX_VERSIONS` files.
    witnessed_at: when all of them had been read.
    reason: why they differ, or could not be read.
    limited_by, limit_was: the limit of `ReadingLimits` that ended the reading, and its value then.
    due_at: when a gateway takes up the reading; the end of the lease of the one that reads; None
        where nothing is left to do. holder: the gateway that reads.
    failures: how often reading has failed in a row; seconds: for how long it has gone on.
    """

    __tablename__ = "model_files"
    __table_args__ = (
        Index("model_files_due", "tenant", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "model_files_by_weights", "weights", postgresql_where=text("witnessed_at IS NOT NULL")
        ),
    )

    model_id: Mapped[str] = mapped_column(ForeignKey("models.model_id"), primary_key=True)
    tenant: Mapped[str]
    listed: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    read: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    oms_root: Mapped[str | None]
    weights: Mapped[str | None]
    list_sha256: Mapped[str | None]
    versions: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    count: Mapped[int | None]
    total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    witnessed_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    limited_by: Mapped[str | None]
    limit_was: Mapped[float | None]
    due_at: Mapped[datetime | None]
    holder: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
