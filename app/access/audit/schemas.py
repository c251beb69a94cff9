"""The entries of the audit log, and the filter of its endpoint."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.rest.fields import Label, Moment
from app.rest.pagination import Cursor, PageSize


class AuditEventView(BaseModel):
    """An entry of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    actor: str = Field(
        description="The principal that made the change, or `cli`.", examples=["key:9f2c"]
    )
    action: str = Field(examples=["key.created"])
    subject: str = Field(description="The id of what was changed.", examples=["9f2c"])
    tenant: str | None = Field(examples=["acme"])
    request_id: str | None = Field(examples=["train-42"])
    client: str | None = Field(
        description="The client address of the request.", examples=["203.0.113.7"]
    )
    details: dict[str, Any] = Field(examples=[{"name": "training cluster", "scopes": ["read"]}])


class AuditConditions(BaseModel):
    """Selects entries of the audit log: an entry has to match all members that are set."""

    actor: Label | None = None
    action: Label | None = None
    subject: Label | None = None
    tenant: Label | None = None
    since: Moment | None = Field(default=None, description="At this time or later.")
    until: Moment | None = Field(default=None, description="Before this time.")


class AuditFilter(AuditConditions):
    """The same, a page at a time."""

    cursor: Cursor = None
    limit: PageSize = 100
