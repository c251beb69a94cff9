"""The table of tenants."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base, now


class Tenant(Base):
    """Whose data: an organisation that an admin named, or a wallet.

    default_experiment is the id of the experiment `Default` in the tenant's MLflow workspace; None
    until the workspace has been made.
    """

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(primary_key=True)
    workspace: Mapped[str] = mapped_column(unique=True)
    default_experiment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
