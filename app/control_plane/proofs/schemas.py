"""Schemas of proofs, in requests and in attestations, and of circuits."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.core.text_pattern import TextPattern
from app.rest.fields import HexDigest
from app.rest.request_model import RequestModel

StatementName = Literal["cells", "agreement"]
# As many digits as the modulus has.
Decimal = Annotated[
    str,
    TextPattern(r"^(?:0|[1-9][0-9]{0,76})$", "must be a decimal number, as a text"),
    Field(json_schema_extra={"maxLength": 77}, examples=["812"]),
]
CircuitId = HexDigest
# Whether there are as many numbers as a point has is a part of the check of the proof.
Pair = Annotated[list[Decimal], Field(max_length=2)]
Point = Annotated[list[Decimal], Field(max_length=3)]


class PointsRequest(RequestModel):
    """The points of a Groth16 proof, as snarkjs writes them."""

    pi_a: Point
    pi_b: Annotated[list[Pair], Field(max_length=3)]
    pi_c: Point
    protocol: Literal["groth16"]
    curve: Literal["bn128"]


class ProofRequest(RequestModel):
    """A proof of the counts of both models."""

    system: Literal["groth16-bn254"]
    circuit: CircuitId
    statement: StatementName
    setup: Annotated[
        str,
        TextPattern(r"^(?:operator|ceremony:[0-9a-f]{64})$", "must be operator or ceremony:HASH"),
        Field(
            description="Who ran the setup of the circuit.",
            json_schema_extra={"maxLength": 73},
            examples=["operator"],
        ),
    ]
    public: Annotated[list[Decimal], Field(max_length=13)] = Field(
        description="The public inputs, in the order of the statement."
    )
    proof: PointsRequest


class CircuitView(BaseModel):
    """A circuit whose proofs are accepted."""

    circuit: str = Field(description="Its identifier: a SHA-256 over all of the following.")
    statement: StatementName
    capacity: int = Field(description="The most rows that it takes.")
    setup: str
    verifying_key: dict[str, Any] = Field(description="As snarkjs writes it.")
    proving_key: str | None = Field(
        description="Where its proving key (a .zkey file) is; null where this gateway has none."
    )


class CircuitsView(BaseModel):
    """The circuits of this gateway."""

    items: list[CircuitView]


class BindingView(BaseModel):
    """What a proof has to be bound to."""

    binding: str = Field(description="The public input `binding`, a decimal number.")
    parts: dict[str, Any] = Field(description="What it is the hash of.")
