"""The request and response bodies of the endpoints for tenants."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.access.tenants.names import PATTERN
from app.rest.fields import Label
from app.rest.request_model import RequestModel

# The pattern is for the OpenAPI document; `tenant_name` checks it, with a message for people.
TenantName = Annotated[Label, Field(json_schema_extra={"pattern": PATTERN})]


class TenantRequest(RequestModel):
    """The tenant to create."""

    name: TenantName = Field(examples=["acme"])


class TenantView(BaseModel):
    """A tenant and its MLflow workspace."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["acme"])
    workspace: str = Field(
        description="The MLflow workspace that contains the tenant's data.", examples=["acme"]
    )
    ready: bool = Field(description="Whether the workspace has been created.")
    created_at: datetime
    disabled_at: datetime | None = Field(
        description="Since when its credentials are refused; null for a tenant in use."
    )


class TenantChange(RequestModel):
    """What to change of a tenant."""

    disabled: StrictBool = Field(
        description="`true`: every key, token, wallet and session of the tenant is refused, within "
        "a second, and its sessions end; its data is kept. `false`: they are accepted again."
    )
