"""Response schemas of the transparency log."""

from typing import Literal

from pydantic import BaseModel, Field


class LogView(BaseModel):
    """The present state of the log."""

    origin: str = Field(description="The log's name.")
    tree_size: int = Field(description="How many entries the log has.")
    root_hash: str = Field(description="The Merkle tree hash of RFC 6962, 64 hexadecimal digits.")
    checkpoint: str = Field(description="The signed note that is served as text/plain.")
    key: str = Field(description="The key that signs it, as a signed-note verifier key (C2SP).")
    cosigned: str | None = Field(
        description="The newest checkpoint that witnesses have cosigned; null without one."
    )
    witnesses: list[str] = Field(
        description="The keys of the witnesses that are sent each checkpoint (C2SP)."
    )


class LogProofView(BaseModel):
    """A proof about the log: of inclusion (with `index`) or of consistency (with `first`)."""

    kind: Literal["inclusion", "consistency"]
    index: int | None = None
    first: int | None = Field(default=None, description="The size of the first tree.")
    tree_size: int = Field(description="The size of the tree, or of the second tree.")
    leaf_hash: str | None = None
    first_root_hash: str | None = None
    root_hash: str
    proof: list[str] = Field(description="The hashes of RFC 6962, in hexadecimal.")


class LogEntryView(BaseModel):
    """One entry of the log."""

    index: int = Field(description="The place of the entry in the log, from 0.")
    kind: str = Field(description="`attested`, `revoked`, or another kind.")
    attestation: str | None = Field(
        description="The hash of the attestation that it is about; null for other kinds."
    )
    entry: str = Field(description="The text of the entry.")
    leaf_hash: str


class LogEntriesView(BaseModel):
    """Consecutive entries of the log."""

    entries: list[LogEntryView]
    tree_size: int = Field(description="How many entries the log has.")
    next: int | None = Field(description="The index to continue from; null at the end of the log.")
