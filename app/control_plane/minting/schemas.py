"""Request and response schemas of the minting endpoints."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.access.tenants.schemas import TenantName
from app.control_plane.attestations import eas
from app.control_plane.contributors.shares import Address
from app.control_plane.minting.model_number import ModelNumber
from app.control_plane.minting.models import TokenBinding
from app.control_plane.minting.signer_set import SignerSet
from app.control_plane.registry.fields import TokenId
from app.control_plane.registry.models import Token
from app.core.text_pattern import TextPattern
from app.rest.fields import Label, WholeNumber
from app.rest.pagination import PageRequest
from app.rest.request_model import RequestModel


class ReservationRequest(RequestModel):
    """For whom a token id is reserved."""

    tenant: TenantName | None = Field(
        description="The tenant, which is created if it does not exist; null: for nobody, so that "
        "no tenant can register it.",
        examples=["acme"],
    )
    reassign: bool = Field(
        default=False, description="Whether to take it from another tenant that holds it."
    )


class BindingRequest(RequestModel):
    """The model number to bind to a token id."""

    chain_model_id: ModelNumber


class TokenView(BaseModel):
    """A token id: who holds it, and which model number on the chain is bound to it."""

    token_id: str = Field(description="In upper case.", examples=["HROUT"])
    tenant: str | None = Field(description="The holder; null for one reserved for nobody.")
    reserved: bool = Field(description="Whether the operator has reserved it.")
    chain_model_id: str | None = Field(
        description="The model number on the chain; null: none is bound, so nothing is signed.",
        examples=["27"],
    )
    chain_token: str | None = Field(
        description="The token's address, as the chain's registry names it; null where nobody "
        "checked."
    )
    checked_at: datetime | None = Field(
        description="When the chain's registry was asked; null: the binding was not checked, since "
        "no HOKUSAI_RPC_URL was set."
    )
    bound_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, token: Token, binding: TokenBinding | None) -> Self:
        """The view of a token id and its binding, if it has one."""
        return cls(
            token_id=token.symbol,
            tenant=token.tenant,
            reserved=token.reserved,
            chain_model_id=binding.chain_model_id if binding else None,
            chain_token=binding.chain_token if binding else None,
            checked_at=binding.checked_at if binding else None,
            bound_at=binding.bound_at if binding else None,
            created_at=token.created_at,
        )


class ApprovalRequest(RequestModel):
    """What the holder of a token approves: one improvement, or one contributor."""

    model_config = ConfigDict(protected_namespaces=())

    token_id: TokenId
    model_id: Label | None = Field(
        default=None, description="An improvement on a model of the token, by its model id."
    )
    contributor: Address | None = Field(
        default=None,
        description="The address of a contributor: every improvement whose contributors are all "
        "approved can be minted.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.model_id is None) == (self.contributor is None):
            raise ValueError("give either model_id or contributor")
        return self


class ApprovalView(BaseModel):
    """An approval by the holder of a token. A withdrawn one stays as a record."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    id: int
    token_id: str = Field(validation_alias="symbol", description="In upper case.")
    tenant: str = Field(description="The holder that approved.")
    model_id: str | None
    contributor: str | None = Field(description="In EIP-55 form.")
    created_by: str = Field(examples=["key:9f2c"])
    created_at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None


class ApprovalFilter(PageRequest):
    """Which of the caller's approvals to list."""

    token: Label | None = Field(default=None, description="A token id, in any casing.")
    withdrawn: bool | None = Field(
        default=None, description="true: only withdrawn ones; false: only those in force."
    )


class MintRequestBody(RequestModel):
    """What the caller expects of the mint request, and says besides."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"chain_model_id": "27"}]}
    )

    chain_model_id: ModelNumber | None = Field(
        default=None,
        description="The model number that the caller expects to be bound to the token; any other "
        "is refused.",
    )
    actual_cost_usd_micro: Annotated[int, Field(ge=0, le=10**15), WholeNumber] | None = Field(
        default=None,
        description="What the evaluation cost, in millionths of a US dollar, as you state it: at "
        "most what the operator allows. Default: what was stated for the improvement before, else "
        "0, which means that it is not known.",
        examples=[2_340_000],
    )


class SignatureRequest(RequestModel):
    """The signature of a further attestor on a mint request."""

    signature: Annotated[
        str,
        TextPattern(
            r"^(0x)?[0-9A-Fa-f]{130}$", "must be 65 bytes in hexadecimal: 0x and 130 digits"
        ),
    ] = Field(
        max_length=132,
        description="Of the EIP-712 message in `typed_data`: r, s and v, with a low s (EIP-2).",
        examples=["0x" + "1f" * 64 + "1b"],
    )


class MintRequestSummary(BaseModel):
    """A mint request as lists show it: the one that was signed last for an improvement."""

    model_config = ConfigDict(protected_namespaces=())

    id: int
    token_id: str = Field(description="The token, in upper case.")
    chain_model_id: str = Field(description="The model number that the message is for.")
    model_id: str = Field(description="The improved model.")
    tenant: str = Field(description="The owner of that model, who requested it.")
    attestation: str = Field(description="The hash of the attestation that the message names.")
    metric: str
    digest: str = Field(description="What was signed: 0x and 64 hexadecimal digits.")
    signers: list[str] = Field(
        description="The addresses of the attestors whose signatures count, ascending."
    )
    required: int | None = Field(
        description="How many signatures it needs: with HOKUSAI_RPC_URL, the contract's threshold; "
        "null while the node does not respond."
    )
    missing: int | None = Field(description="How many more it needs.")
    complete: bool = Field(
        description="Whether it has enough; false while the node does not respond."
    )
    signed_at: datetime
    deadline: datetime = Field(description="Until when a contract accepts the signatures.")

    @classmethod
    def of(cls, row: Any, signers: SignerSet) -> Self:
        """The view of a row."""
        return cls.model_validate(_members(row, signers))


class MintRequestFilter(PageRequest):
    """Which mint requests to list."""

    token: Label | None = Field(
        default=None,
        description="A token id, in any casing. Its holder sees those of all tenants, as the "
        "further attestors and admins do; without it, the list has those of the caller's own "
        "improvements.",
    )


class AttestorView(BaseModel):
    """An attestor who has signed a mint request, or may."""

    address: str = Field(description="In EIP-55 form.")
    signed: bool
    counts: bool | None = Field(
        description="Whether its signature counts: it is the gateway's own address or one in "
        "HOKUSAI_MINT_SIGNERS, and, with HOKUSAI_RPC_URL, an attestor of the contract; null while "
        "the node does not respond."
    )


class MintRequestView(MintRequestSummary):
    """A MintRequest for the Hokusai contracts, unsigned (`typed_data`) and signed."""

    delta_one: float = Field(
        description="The improvement on the primary metric in percentage points."
    )
    typed_data: dict[str, Any] = Field(description="The request as EIP-712 typed data.")
    signatures: list[str] = Field(description="One for each of `signers`, in the same order.")
    attestors: list[AttestorView] = Field(
        description="All who have signed, or whose signature would be accepted, ascending."
    )
    warnings: list[dict[str, str]]

    @classmethod
    def of(cls, row: Any, signers: SignerSet, *, is_of_contract: bool = True) -> Self:
        """The view of a row. is_of_contract: whether it is for the contract of the settings."""
        payload = row.typed_data["message"]["payload"]
        points = payload["candidateScoreBps"] - payload["baselineScoreBps"]
        signed = {one["signer"] for one in row.signatures}
        return cls.model_validate(
            _members(row, signers)
            | {
                "delta_one": points / 100,
                "typed_data": row.typed_data,
                "signatures": [one["signature"] for one in signers.counted(row.signatures)],
                "attestors": [
                    {"address": one, "signed": one in signed, "counts": signers.counts(one)}
                    for one in sorted(signed | signers.signers.addresses, key=str.lower)
                ],
                "warnings": _warnings(row, signers, is_of_contract),
            }
        )


def _members(row: Any, signers: SignerSet) -> dict[str, Any]:
    """The members of both views of a mint request."""
    same = ("chain_model_id", "model_id", "tenant", "attestation", "metric", "digest")
    counted, required = signers.counted(row.signatures), signers.required
    return {
        "id": row.number,
        "token_id": row.symbol,
        **{name: getattr(row, name) for name in (*same, "signed_at", "deadline")},
        "signers": [one["signer"] for one in counted],
        "required": required,
        "missing": None if required is None else max(required - len(counted), 0),
        "complete": signers.is_complete(counted),
    }


def _warnings(row: Any, signers: SignerSet, is_of_contract: bool) -> list[dict[str, str]]:
    found = {}
    if row.typed_data["domain"]["verifyingContract"] == eas.ZERO_ADDRESS:
        found["no_verifying_contract"] = (
            "HOKUSAI_VERIFYING_CONTRACT is not set: no contract accepts this."
        )
    if not is_of_contract:
        found["other_contract"] = (
            "It is for another contract than the one of the settings. Request it anew."
        )
    if not signers.is_known:
        found["chain_unavailable"] = (
            "The Ethereum node of HOKUSAI_RPC_URL does not respond, so it is not known which "
            "signatures count, and how many are needed."
        )
    if signers.disagreement is not None:
        found["attestors_disagree"] = signers.disagreement
    return [{"code": code, "message": message} for code, message in found.items()]


class PlatformMessage(BaseModel):
    """A mint request as the message that the Hokusai platform's minting service takes.

    Scores and bounds are in basis points, costs in millionths of a US dollar.
    """

    model_config = ConfigDict(protected_namespaces=())

    message_type: Literal["mint_request"]
    schema_version: Literal["1.0"]
    message_id: str = Field(description="A UUID; the same for the same mint request.")
    timestamp: str
    model_id: str = Field(description="The improved model.")
    model_id_uint: str = Field(description="The model number on the chain, in decimal.")
    eval_id: str = Field(description="The run of the improved model: `pipelineRunId`.")
    benchmark_spec_id: str
    dataset_hash: str
    attestation_hash: str
    idempotency_key: str
    baseline_commitment: str
    candidate_commitment: str
    attester_signatures: list[str] = Field(description="By ascending address of the signer.")
    total_samples: int = Field(alias="totalSamples")
    deadline: int = Field(description="Seconds since 1970-01-01 UTC.")
    evaluation: dict[str, Any]
    contributors: list[dict[str, Any]]
