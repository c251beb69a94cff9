"""The request and response bodies about limits and quotas."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.access.quotas.models import QuotaKind
from app.rest.fields import WholeNumber
from app.rest.request_model import RequestModel

Amount = Annotated[int, Field(ge=0, le=2**53), WholeNumber]


class QuotaView(BaseModel):
    """How much of one kind a tenant has and may have."""

    kind: QuotaKind = Field(examples=["models"])
    used: int = Field(description="How many the tenant has.", examples=[12])
    quota: int = Field(description="How many it may have.", examples=[10_000])
    is_default: bool = Field(description="Whether no admin has changed the quota.")


class LimitsView(BaseModel):
    """The caller's limits and how much of them is left. This request is counted too."""

    limit: int = Field(description="Requests allowed per window.", examples=[100])
    remaining: int = Field(description="Requests left in this window.", examples=[97])
    reset: int = Field(description="Seconds until the window ends.", examples=[42])
    window: int = Field(description="Length of the window in seconds.", examples=[60])
    session_limit: int = Field(
        description="Requests that all browser sessions of the caller may send per window "
        "together; `limit` where this request is one of them.",
        examples=[600],
    )
    address_limit: int | None = Field(
        description="Requests that all wallets at the caller's address may send per window "
        "together; null for a key that the operator has issued.",
        examples=[1000],
    )
    creation_limit: int | None = Field(
        description="How many of each kind all wallets at the caller's address may create per "
        "hour together; null for a key that the operator has issued.",
        examples=[300],
    )
    quotas: list[QuotaView] = Field(description="What the caller's tenant has and may have.")


class QuotasRequest(RequestModel):
    """New quotas of a tenant. null sets the default; a member that is left out changes nothing."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    keys: Amount | None = None
    tokens: Amount | None = None
    models: Amount | None = Field(default=None, examples=[50_000])
    contributions: Amount | None = None
    attestations: Amount | None = None
    approvals: Amount | None = None
    benchmarks: Amount | None = None
    predictions: Amount | None = None


class QuotasView(BaseModel):
    """The quotas of a tenant."""

    tenant: str = Field(examples=["acme"])
    quotas: list[QuotaView]
