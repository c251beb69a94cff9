"""The request and response bodies of the endpoints for API keys, tokens and nonces."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.access.identity.contract_wallets import MAX_SIGNATURE
from app.access.tenants.schemas import TenantName
from app.core.networks import parse_network
from app.core.request.principal import Scope
from app.rest.fields import Label, WholeNumber
from app.rest.request_model import RequestModel

Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]


RateLimit = Annotated[int, Field(ge=1, le=1_000_000, description="Requests a minute."), WholeNumber]


def _network(text: str) -> str:
    try:
        return str(parse_network(text, strict=False))
    except ValueError:
        raise ValueError(
            "must be a network such as 203.0.113.0/24 or 2001:db8::/32, or a single address"
        ) from None


_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_GROUP = "[0-9a-fA-F]{1,4}"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}(/(3[0-2]|[12]?[0-9]))?"
# RFC 4291, section 2.2: eight groups, or fewer with `::` in the place of the rest.
_IPV6 = "({})(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?".format(
    "|".join(
        [
            f"({_GROUP}:){{7}}{_GROUP}",
            f"({_GROUP}:){{1,7}}:",
            *(f"({_GROUP}:){{1,{7 - after}}}(:{_GROUP}){{1,{after}}}" for after in range(1, 7)),
            f":((:{_GROUP}){{1,7}}|:)",
        ]
    )
)
NetworkText = Annotated[
    str,
    Field(max_length=43),  # the longest IPv6 network
    AfterValidator(_network),
    Field(
        examples=["203.0.113.0/24"],
        # For readers of the OpenAPI document; the validator above decides.
        json_schema_extra={"anyOf": [{"pattern": f"^{_IPV4}$"}, {"pattern": f"^{_IPV6}$"}]},
    ),
]


SIWEText = Annotated[str, Field(max_length=4096, json_schema_extra={"pattern": r"^[^\x00]*$"})]
SIWESignature = Annotated[
    str,
    Field(
        max_length=2 + 2 * MAX_SIGNATURE,
        json_schema_extra={"pattern": "^(0x)?([0-9A-Fa-f]{2})+$"},
    ),
]
_MESSAGE = "A SIWE message (EIP-4361) with a nonce of GET /api/auth/nonce."
_SIGNATURE = (
    "The wallet's signature of the message in hexadecimal: r, s and v in 65 bytes, or 64 bytes as "
    "in EIP-2098; of a contract wallet, what its contract accepts (EIP-1271, ERC-6492)."
)
_MESSAGES = ["registry.example wants you to sign in with your Ethereum account:\n0x…"]
_SIGNATURES = ["0x" + "1b" * 65]


class SIWEProof(RequestModel):
    """A SIWE message (EIP-4361) of the caller's wallet, with a nonce of GET /api/auth/nonce."""

    message: SIWEText = Field(description=_MESSAGE, examples=_MESSAGES)
    signature: SIWESignature = Field(description=_SIGNATURE, examples=_SIGNATURES)


Lifetime = Annotated[int, Field(ge=1, le=3650), WholeNumber]


class NewKey(RequestModel):
    """What every new key has."""

    name: Label = Field(examples=["training cluster"])
    allowed_networks: Annotated[list[NetworkText], Field(max_length=100)] = Field(
        default=[], description="The networks that the key works from (CIDR); empty for anywhere."
    )


class KeyRequest(NewKey):
    """The key that a caller creates for itself, with no more rights than the caller's own."""

    scopes: Scopes | None = Field(
        default=None, description="By default, those of the caller's credential."
    )
    rate_limit: RateLimit | None = Field(
        default=None, description="By default, and at most, the caller's own."
    )
    expires_in_days: Lifetime | None = Field(
        default=None,
        description="null for a key that does not expire. Left out: 90, or less where the caller's "
        "credential allows less. More than it allows is refused.",
        examples=[30],
    )
    siwe: SIWEProof | None = Field(
        default=None,
        description="For wallets: allows a key of up to 90 days, which can create keys itself. A "
        "key that the message of X-ETH-* headers alone creates lives a day at most.",
    )


class AdminKeyRequest(NewKey):
    """The key that an admin creates for a tenant."""

    tenant: TenantName = Field(description="Created if it does not exist.", examples=["acme"])
    rate_limit: RateLimit | None = Field(default=None, description="null for the default.")
    expires_in_days: Lifetime | None = Field(
        default=90, description="null for a key that does not expire."
    )
    scopes: Scopes = Field(default=[Scope.READ, Scope.WRITE, Scope.REGISTER, Scope.ATTEST])


class RotateRequest(RequestModel):
    """How a key is replaced. Its successor ends when the key would have ended."""

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 86400), WholeNumber] = Field(
        default=86400, description="How long the old key keeps working, in seconds."
    )


class OwnRotateRequest(RotateRequest):
    """How a caller replaces a key of its own."""

    siwe: SIWEProof | None = Field(
        default=None,
        description="For wallets: allows the request of a wallet's X-ETH-* headers to rotate a key "
        "that may live longer than a day.",
    )


class KeyChange(RequestModel):
    """What an admin changes of a key."""

    rate_limit: RateLimit | None = Field(
        description="Requests a minute; null for the default. Keys that were created with this one "
        "get it too, if theirs is higher."
    )


class EndedCredentials(BaseModel):
    """How many keys, tokens and sessions of a wallet have been ended."""

    keys: int = Field(examples=[2])
    tokens: int = Field(examples=[1])
    sessions: int = Field(examples=[1])


class EndedTokens(BaseModel):
    """How many tokens of a wallet have been revoked."""

    tokens: int = Field(examples=[1])


class KeyView(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["9f2c51d0a7b3e846"])
    principal: str = Field(
        description="The principal that the key authenticates; rate limits count by it.",
        examples=["key:9f2c51d0a7b3e846"],
    )
    tenant: str = Field(examples=["acme"])
    name: str = Field(examples=["training cluster"])
    scopes: list[Scope] = Field(examples=[["read", "write"]])
    hint: str = Field(
        description="The prefix and four characters of the key.", examples=["hk_live_...wxyz"]
    )
    rate_limit: int | None = Field(
        description="Requests a minute; null for the default.", examples=[None]
    )
    allowed_networks: list[str] = Field(examples=[["203.0.113.0/24"]])
    state: str = Field(
        description="`active`, `expired`, `revoked` or `rotated`.", examples=["active"]
    )
    parent: str | None = Field(description="The key that it was created with.", examples=[None])
    successor: str | None = Field(description="The key that replaced it.", examples=[None])
    created_at: datetime
    created_by: str = Field(examples=["key:0b7d42c9e1f0a358"])
    may_issue: bool = Field(description="Whether it creates and rotates keys.", examples=[True])
    expires_at: datetime | None = Field(examples=["2026-05-01T23:59:59Z"])
    revoked_at: datetime | None = Field(examples=[None])
    last_used_at: datetime | None = Field(description="Accurate to a minute.", examples=[None])


class IssuedKey(KeyView):
    """A new key with its secret, which only this response shows."""

    key: str = Field(examples=["hk_live_…"])


class TokenRequest(RequestModel):
    """The proof to exchange for a token. Without `message`, the three X-ETH-* headers are it."""

    message: SIWEText | None = Field(default=None, description=_MESSAGE, examples=_MESSAGES)
    signature: SIWESignature | None = Field(
        default=None, description=_SIGNATURE, examples=_SIGNATURES
    )
    scopes: Scopes | None = Field(default=None, description="By default, all scopes of a wallet.")
    expires_in: Annotated[int, Field(ge=900, le=3600), WholeNumber] | None = Field(
        default=None, description="The lifetime in seconds, 900 to 3600."
    )


class IssuedToken(BaseModel):
    """A new token, for MLFLOW_TRACKING_TOKEN; only this response shows it (RFC 6749, 5.1)."""

    access_token: str = Field(examples=["hk_token_…"])
    token_type: str = "Bearer"  # noqa: S105  # the name of a scheme
    expires_in: int = Field(description="The lifetime in seconds.", examples=[3600])
    scopes: list[Scope] = Field(examples=[["read", "write", "register", "attest"]])
    address: str = Field(examples=["0x742d35Cc6634C0532925a3b844Bc454e4438f44e"])


class NonceView(BaseModel):
    """A nonce for one SIWE message."""

    nonce: str = Field(examples=["5f1e0c9ab27d43886a01e2cf"])
    expires_at: datetime


class WhoAmI(BaseModel):
    """The authenticated caller."""

    principal: str = Field(examples=["key:9f2c51d0a7b3e846"])
    tenant: str = Field(examples=["acme"])
    scopes: list[Scope] = Field(examples=[["read", "write"]])
    credential: str = Field(
        description="The id of the key or token, or `signature`; of a browser session, the id of "
        "the key that it began with, or `session` if a wallet signed.",
        examples=["9f2c51d0a7b3e846"],
    )
    session: str | None = Field(
        description="The id of the browser session that the request belongs to.", examples=[None]
    )
    address: str | None = Field(description="The address, if it is a wallet.", examples=[None])
    rate_limit: int = Field(description="Requests allowed per window.", examples=[100])
    expires_at: datetime | None = Field(
        description="When the key or token ends; null for never, and for a signature.",
        examples=["2026-05-01T23:59:59Z"],
    )
