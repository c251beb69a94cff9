"""Response schemas of the contributor endpoints."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_ADDRESS = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


class ContributorView(BaseModel):
    """A contributor, and what its data achieved."""

    address: str = Field(description="In EIP-55 form.", examples=[_ADDRESS])
    contributions: int = Field(description="How many contributions it made.")
    models: int = Field(description="How many improved models it contributed to.")
    data_size: int = Field(
        description="The number of samples, of the contributions that state one."
    )
    deltas: dict[str, float] = Field(
        description="The sum of the models' improvements, by metric; positive is better, "
        "whichever way the metric improves. Of the 100 metrics that the most models have.",
        examples=[{"accuracy": 0.03, "log_loss": 0.12}],
    )
    attestations: int = Field(
        description="How many attestations name it; /attestations below this path lists them."
    )
    first_at: datetime = Field(description="The time of the first contribution.")
    last_at: datetime = Field(description="The time of the last contribution.")


class ContributorSummary(BaseModel):
    """A contributor as lists show it, by what everybody may see."""

    model_config = ConfigDict(from_attributes=True)

    address: str = Field(description="In EIP-55 form.", examples=[_ADDRESS])
    contributions: int = Field(description="How many contributions it made.")
    models: int = Field(description="How many improved models it contributed to.")
    data_size: int = Field(
        description="The number of samples, of the contributions that state one."
    )
    attestations: int = Field(description="How many attestations name it.")
    first_at: datetime = Field(description="The time of the first contribution.")
    last_at: datetime = Field(description="The time of the last contribution.")


class ContributionView(BaseModel):
    """One contribution to an improved model. The model's own record has its further members."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str = Field(description="The improved model.")
    baseline_model_id: str = Field(description="The model that it improves on.")
    tenant: str = Field(description="The owner of the improved model.")
    address: str = Field(description="The contributor's address, in EIP-55 form.")
    weight_bps: int = Field(description="The share in the improvement, in basis points.")
    data_size: int | None = Field(description="The number of samples, if it was given.")
    data_hash: str | None
    improvements: dict[str, float] = Field(
        description="The improvement of the whole model, by metric."
    )
    created_at: datetime
    withdrawn_at: datetime | None = Field(
        description="When the registration of the model was withdrawn: it no longer counts."
    )

    @classmethod
    def of(cls, row: Any) -> "ContributionView":
        """The view of a row."""
        columns = {name: getattr(row, name) for name in cls.model_fields}
        return cls.model_validate(columns | {"data_hash": row.data_hash or None})
