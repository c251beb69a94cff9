"""The table of tenants."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class Tenant(Base):
    """The owner of data in MLflow: an organisation that an admin has created, or a wallet.

    default_experiment: the id of the experiment `Default` in the tenant's MLflow workspace; None
        until the workspace has been created.
    disabled_at: since when an admin refuses its credentials; None for a tenant in use.
    """

    __tablename__ = "tenants"
    __table_args__ = (
        Index("tenants_disabled", "name", postgresql_where=text("disabled_at IS NOT NULL")),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(unique=True)
    default_experiment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    disabled_at: Mapped[datetime | None]
