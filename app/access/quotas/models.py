"""The table of what each tenant keeps, and of the quotas that an admin has changed."""

from enum import StrEnum

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.database.engine import Base


class QuotaKind(StrEnum):
    """What a tenant has a quota for. Each is a row in the database that is kept for a long time.

    KEYS and TOKENS count until they are removed, a while after their end. The others are permanent.
    """

    KEYS = "keys"
    TOKENS = "tokens"
    MODELS = "models"
    CONTRIBUTIONS = "contributions"
    ATTESTATIONS = "attestations"
    APPROVALS = "approvals"
    BENCHMARKS = "benchmarks"
    PREDICTIONS = "predictions"


class TenantQuota(Base):
    """One kind of one tenant.

    tenant: not a foreign key, since a tenant that shares MLflow with all others has no row.
    used: how many the tenant has. quota: how many it may have; None for the default.
    """

    __tablename__ = "tenant_quotas"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    quota: Mapped[int | None] = mapped_column(BigInteger)
