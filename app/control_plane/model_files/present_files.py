"""Whether the files of a model in MLflow are still those that the gateway read, by their sizes."""

from collections.abc import Mapping

from sqlalchemy import bindparam, select

from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.model_files.places import Places
from app.control_plane.model_files.reading import UnreadableError
from app.control_plane.registry.models import Model
from app.core.errors import FilesChangedError, NotFoundError
from app.database.engine import Database
from app.database.reads import Statement
from app.mlflow.artifacts import ListingTooLongError
from app.mlflow.resources import ModelVersion

# Files and directories of a model that is compared. Each directory takes a request to MLflow, for
# which the caller waits.
MAX_FILES = 1000
MAX_DIRECTORIES = 20
# Files that a message names.
MAX_NAMED = 5

_READ = Statement(
    select(ModelFilesRecord.read.label("files")).where(
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

    async def require_unchanged(self, model: Model, version: ModelVersion) -> None:
        """Compare names and sizes with those that were read, unless there are too many.

        version: of the model, as MLflow has it now. Raises FilesChangedError, UpstreamError and
        DatabaseUnavailableError.
        """
        row = await self._database.reads.first(_READ, model_id=model.model_id)
        if row is None:
            return
        read = {file["path"]: file["size"] for file in row.files}
        try:
            present = await self._sizes(model, version)
        except (UnreadableError, NotFoundError):
            present = {}
        except (ListingTooLongError, _TooManyError):
            return
        changed = _changes(read, present)
        if changed:
            more = f"; and {len(changed) - MAX_NAMED:,} more" if len(changed) > MAX_NAMED else ""
            raise FilesChangedError(
                f"MLflow has other files of {model.model_id} now than the gateway read and would "
                f"attest: {'; '.join(changed[:MAX_NAMED])}{more}. Restore them there, or withdraw "
                "the registration and register the model anew."
            )

    async def _sizes(self, model: Model, version: ModelVersion) -> Mapping[str, int | None]:
        """The size of each file; None for all of them where the store does not know sizes.

        Raises _TooManyError where there are too many directories.
        """
        artifacts, place = await self._places.find(model, model.tenant, version)
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
