"""Whether the files of a model in MLflow are still those that the gateway read.

By their names and sizes, and where MLflow says it, by when they were changed.
"""

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, select, update

from app.control_plane.model_files.file_versions import compare_versions
from app.control_plane.model_files.hashing import ModelFile
from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.model_files.places import Places
from app.control_plane.model_files.reading import UnreadableError
from app.control_plane.registry.models import Model
from app.core.errors import FilesChangedError, NotFoundError
from app.database.engine import Database
from app.database.reads import Statement
from app.mlflow.artifacts import Artifacts, ListingTooLongError, Place
from app.mlflow.resources import ModelVersion

# Files and directories of a model that is compared. Each directory takes a request to MLflow, for
# which the caller waits.
MAX_FILES = 1000
MAX_DIRECTORIES = 20
# Files that a message names.
MAX_NAMED = 5
# For how many seconds after a comparison of ETags the same model is not compared again, and how
# many models that is known of.
RECENT = 60.0
MAX_RECENT = 10_000

_READ = Statement(
    select(ModelFilesRecord.read.label("files"), ModelFilesRecord.versions).where(
        ModelFilesRecord.model_id == bindparam("model_id"),
        ModelFilesRecord.witnessed_at.is_not(None),
        ModelFilesRecord.count <= MAX_FILES,
    )
)


class PresentFiles:
    """Compares the files of models; one for the process."""

    def __init__(self, database: Database, places: Places) -> None:
        self._database = database
        self._places = places
        # When the ETags of models were compared, by model id, the oldest first.
        self._compared: dict[str, float] = {}

    async def require_unchanged(self, model: Model, version: ModelVersion) -> None:
        """Compare names and sizes with those that were read, unless there are too many.

        Where MLflow's ETags last, they are compared too, and files with another one are read again.

        version: of the model, as MLflow has it now. Raises FilesChangedError, UpstreamError and
        DatabaseUnavailableError.
        """
        row = await self._database.reads.first(_READ, model_id=model.model_id)
        if row is None:
            return
        read = {file["path"]: file["size"] for file in row.files}
        try:
            artifacts, place = await self._places.find(model, model.tenant, version)
            present = await self._sizes(artifacts, place)
            changed = _changes(read, present)
            if not changed and row.versions is not None:
                changed = await self._replaced(artifacts, place, model.model_id, row)
        except (UnreadableError, NotFoundError):
            changed = _changes(read, {})
        except (ListingTooLongError, _TooManyError):
            return
        if changed:
            more = f"; and {len(changed) - MAX_NAMED:,} more" if len(changed) > MAX_NAMED else ""
            raise FilesChangedError(
                f"MLflow has other files of {model.model_id} now than the gateway read and would "
                f"attest: {'; '.join(changed[:MAX_NAMED])}{more}. Restore them there, or withdraw "
                "the registration and register the model anew."
            )

    async def _replaced(
        self, artifacts: Artifacts, place: Place, model_id: str, row: Any
    ) -> list[str]:
        """The files that were replaced by others of the same size, in words."""
        if time.monotonic() - self._compared.get(model_id, -RECENT) < RECENT:
            return []
        files = {one["path"]: ModelFile(**one) for one in row.files}
        changed, versions = await compare_versions(artifacts, place, files, row.versions)
        if versions != row.versions:
            statement = update(ModelFilesRecord).where(ModelFilesRecord.model_id == model_id)
            async with self._database.transaction() as session:
                await session.execute(statement.values(versions=versions))
        if not changed:
            while len(self._compared) >= MAX_RECENT:
                del self._compared[next(iter(self._compared))]
            self._compared[model_id] = time.monotonic()
        return [f"{path!r} has another content" for path in changed]

    async def _sizes(self, artifacts: Artifacts, place: Place) -> Mapping[str, int | None]:
        """The size of each file; None for all of them where the store does not know sizes.

        Raises _TooManyError where there are too many directories.
        """
        sizes: dict[str, int | None] = {}
        directories, listed = [""], 0
        while directories:
            listed += 1
            if listed + len(directories) > MAX_DIRECTORIES + 1:
                raise _TooManyError
            for entry in await artifacts.list(place, directories.pop()):
                if entry.is_directory:
                    directories.append(entry.path)
                else:
                    sizes[entry.path] = entry.size
        # MLflow leaves out the size of an empty file too.
        is_known = any(size is not None for size in sizes.values())
        return {path: size or 0 for path, size in sizes.items()} if is_known else sizes


class _TooManyError(Exception):
    pass


def _changes(before: Mapping[str, int], after: Mapping[str, int | None]) -> list[str]:
    """How sizes of files have changed, in words."""
    return [
        *(f"{path!r} is gone" for path in sorted(before.keys() - after.keys())),
        *(f"{path!r} is new" for path in sorted(after.keys() - before.keys())),
        *(
            f"{path!r} has {after[path]:,} bytes, and had {before[path]:,}"
            for path in sorted(before.keys() & after.keys())
            if after[path] not in (None, before[path])
        ),
    ]
