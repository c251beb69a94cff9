"""The request and response bodies of the endpoints for signing in and for sessions."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from app.access.identity.schemas import SIWESignature, SIWEText
from app.core.request.principal import Scope
from app.rest.fields import WholeNumber
from app.rest.request_model import RequestModel

# A key, or the secret of a link, with room for white space that was copied with it.
Secret = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra={"writeOnly": True})]


class SignInRequest(RequestModel):
    """What signs a browser in: an API key, a wallet's SIWE message, or the secret of a link."""

    key: Secret | None = Field(default=None, examples=["hk_live_…"])
    message: SIWEText | None = Field(
        default=None, description="A text of POST /api/auth/message, signed by the wallet."
    )
    signature: SIWESignature | None = Field(default=None, examples=["0x" + "1b" * 65])
    link: Secret | None = Field(
        default=None, description="The secret of a sign-in link that `serve` has printed."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.message is None) != (self.signature is None):
            raise ValueError("message and signature belong together")
        if sum(part is not None for part in (self.key, self.message, self.link)) != 1:
            raise ValueError("needs one of key, link, or message with signature")
        return self


class MessageRequest(RequestModel):
    """For which wallet a SIWE message is written."""

    address: Annotated[str, Field(max_length=42)] = Field(examples=["0x" + "5a" * 20])
    chain_id: Annotated[int, Field(ge=1, le=2**53), WholeNumber] = Field(
        default=1, description="The chain that the wallet is connected to."
    )


class MessageView(BaseModel):
    """A SIWE message (EIP-4361), to be signed by the wallet as it is."""

    message: str
    expires_at: datetime = Field(description="Until when it may be used, once.")


class AdminRequest(RequestModel):
    """The proof that the caller still has the key of its session."""

    key: Secret = Field(examples=["hk_live_…"])


class SessionView(BaseModel):
    """A session of a browser."""

    id: str = Field(examples=["9f2c51d0a7b3e846"])
    principal: str = Field(examples=["key:5e7a04d1b2c3f596"])
    tenant: str = Field(examples=["acme"])
    scopes: list[Scope] = Field(description="Without `admin`: see `admin_until`.")
    key: str | None = Field(
        description="The id of the API key that it began with, and ends with; null for a wallet."
    )
    client: str | None = Field(description="The client address that it began from.")
    user_agent: str | None = Field(description="The browser, as it names itself.")
    created_at: datetime
    last_used_at: datetime = Field(description="Exact to five minutes.")
    idle_until: datetime = Field(description="When it ends if it is not used before.")
    expires_at: datetime = Field(description="When it ends at the latest.")
    admin_until: datetime | None = Field(
        description="Until when it also has the scope `admin`; null if it has not."
    )
    is_current: bool = Field(description="Whether this request belongs to it.")


class SessionsView(BaseModel):
    """The sessions of the caller's principal, the newest first."""

    items: list[SessionView]


class EndedSessions(BaseModel):
    """How many sessions have been ended."""

    sessions: int = Field(examples=[2])
