"""Response schemas of the endpoints of models' files."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.control_plane.registry.schemas import FilesState
from app.rest.pagination import Page


class FileView(BaseModel):
    """One file of a model."""

    path: str = Field(description="Within the model's directory.", examples=["MLmodel"])
    size: int = Field(description="In bytes.")
    sha256: str = Field(examples=["9f" * 32])


class FilesStateView(BaseModel):
    """Whether the files of a model are known."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str
    state: FilesState = Field(description="As `files` of the model.")


class FilesPage(Page[FileView]):
    """What is known of a model's files, and a page of their list, sorted by path."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str
    state: FilesState = Field(description="As `files` of the model.")
    reason: str | None = Field(
        description="How they differ from those that the registration lists, or why they could "
        "not be read."
    )
    sha256: str | None = Field(
        description="The digest of all files: the root of OpenSSF Model Signing v1.0."
    )
    sha256_merkle_v1: str | None = Field(
        description="The digest with which the platform's contracts compare models."
    )
    list_sha256: str | None = Field(
        description="SHA-256 of the list of all files, with their paths, in canonical form."
    )
    count: int = Field(description="How many files there are.")
    bytes: int = Field(description="The size of all files together.")
    witnessed_at: datetime | None = Field(description="When the gateway had read all of them.")
    share_files: bool = Field(
        description="Whether every tenant that may read the model may download its files."
    )
