"""What the contributor endpoints give."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.control_plane.contributors.models import Contribution

_ADDRESS = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


class ContributorView(BaseModel):
    """A contributor and what its data did."""

    address: str = Field(description="In EIP-55 form.", examples=[_ADDRESS])
    contributions: int
    models: int = Field(description="Improved models that it contributed to.")
    data_size: int = Field(description="Samples, where contributions say how many they are.")
    deltas: dict[str, float] = Field(
        description="The sum of the models' improvements, by metric; above zero is better, "
        "whichever way the metric goes.",
        examples=[{"accuracy": 0.03, "log_loss": 0.12}],
    )
    attestations: list[str] = Field(description="Hashes, oldest first.")
    first_at: datetime
    last_at: datetime


class ContributionView(BaseModel):
    """One contribution."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str = Field(description="The improved model.")
    baseline_model_id: str
    tenant: str
    address: str
    weight_bps: int = Field(description="Of the improvement, in basis points.")
    data_size: int | None = Field(description="In samples.")
    data_hash: str | None
    details: dict[str, Any]
    improvements: dict[str, float] = Field(description="Of the whole model, by metric.")
    created_at: datetime

    @classmethod
    def of(cls, row: Contribution) -> "ContributionView":
        """A contribution as it is listed."""
        columns = {name: getattr(row, name) for name in cls.model_fields}
        return cls.model_validate(columns | {"data_hash": row.data_hash or None})
