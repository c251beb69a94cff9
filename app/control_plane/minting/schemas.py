"""Response schemas of the minting endpoints."""

from typing import Any

from pydantic import BaseModel, Field


class MintRequestView(BaseModel):
    """A MintRequest for the Hokusai contracts, unsigned (`typed_data`) and signed."""

    attestation: str = Field(description="The attestation's hash.")
    delta_one: float = Field(
        description="The improvement on the primary metric in percentage points."
    )
    typed_data: dict[str, Any] = Field(description="The request as EIP-712 typed data.")
    digest: str = Field(description="What is signed: 0x and 64 hexadecimal digits.")
    signatures: list[str] = Field(description="One for each of `signers`, in the same order.")
    signers: list[str] = Field(description="The addresses of the attestors that signed.")
    warnings: list[dict[str, str]]
