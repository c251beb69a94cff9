"""The request and response bodies of the endpoints for tenants."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.access.tenants.names import PATTERN
from app.rest.fields import Label
from app.rest.request_model import RequestModel


class TenantRequest(RequestModel):
    """The tenant to create."""

    name: Label = Field(examples=["acme"], json_schema_extra={"pattern": PATTERN})


class TenantView(BaseModel):
    """A tenant and its MLflow workspace."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["acme"])
    workspace: str = Field(
        description="The MLflow workspace that contains the tenant's data.", examples=["acme"]
    )
    ready: bool = Field(description="Whether the workspace has been created.")
    created_at: datetime
