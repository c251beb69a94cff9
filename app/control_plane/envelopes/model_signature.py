"""What the signature of a model says: its files, as OpenSSF Model Signing v1.0 lists them.

`model_signing verify key` compares a downloaded model with it, with nothing of ours but the key.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.envelope_key import EnvelopeKey
from app.control_plane.envelopes.sigstore_bundle import (
    Subject,
    model_name,
    signed_bundle,
    statement,
)
from app.control_plane.model_files.hashing import OMS_IGNORED, oms_files
from app.control_plane.model_files.service import ModelFiles, find_files, require_same_files
from app.control_plane.registry.models import Model
from app.control_plane.registry.service import require_model
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.core.errors import FilesNotWitnessedError, FilesPendingError
from app.core.request.principal import Principal

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# What MLflow's client adds to the directory when it downloads a registered model.
ADDED_BY_MLFLOW = "registered_model_meta"
# After how many seconds to ask again for files that are still to be read.
RETRY_SECONDS = 2


async def find_witnessed(
    session: AsyncSession, model_id: str, principal: Principal
) -> tuple[Model, ModelFiles]:
    """A model, and its files as the gateway has read them.

    Raises NotFoundError for a model that the principal may not see, or that is none;
    ModelWithdrawnError; FilesDifferError; FilesPendingError, and FilesNotWitnessedError where they
    never will be.
    """
    model = await require_model(session, model_id, principal)
    require_not_withdrawn(model, "be signed")
    files = await find_files(session, model_id)
    require_same_files(model_id, files)
    assert files is not None
    if files.state != "witnessed":
        if files.reason is None:
            raise FilesPendingError(
                f"The gateway is still to read the files of {model_id} in MLflow, and signs only "
                "files that it has read. Try again in some seconds.",
                retry_after=RETRY_SECONDS,
            )
        raise FilesNotWitnessedError(
            f"The gateway has not read the files of {model_id} in MLflow: {files.reason} It signs "
            "only files that it has read."
        )
    return model, files


def signed_model(model: Model, files: ModelFiles, key: EnvelopeKey) -> str:
    """The bundle of `model_statement`. It takes longer for a model of many files."""
    return signed_bundle(model_statement(model, files), key, is_long=True)


def model_statement(model: Model, files: ModelFiles) -> dict[str, Any]:
    """The statement about a model's files. They must have been read."""
    signed = oms_files(files.files)
    ignored = sorted(OMS_IGNORED)
    if all(file.path.split("/", 1)[0] != ADDED_BY_MLFLOW for file in signed):
        ignored.append(ADDED_BY_MLFLOW)
    assert files.oms_root is not None
    return statement(
        [
            Subject(
                model_name(model.tenant, model.mlflow_name, model.mlflow_version), files.oms_root
            )
        ],
        PREDICATE_TYPE,
        {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": ignored,
            },
            "resources": [
                {"name": file.path, "algorithm": "sha256", "digest": file.sha256} for file in signed
            ],
            "model_id": model.model_id,
        },
    )
