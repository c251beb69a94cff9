"""Whether files of a model in MLflow were replaced by others of the same size, by their ETags.

MLflow has the same ETag each time for files in a directory: it is made of the path, the size and
the time of the last change. Of files in an object store MLflow makes a copy, and an ETag, for each
request, so that for them none is kept, and nothing is noticed here.
"""

import asyncio
from collections.abc import Mapping
from hashlib import sha256

from app.control_plane.model_files.hashing import ModelFile
from app.core.errors import NotFoundError
from app.mlflow.artifacts import Artifacts, Place

# Requests to MLflow at a time.
AT_ONCE = 4
# Bytes of all files with another ETag that are read again while the caller waits. A store that was
# restored or moved has other ETags of the same files.
MAX_AGAIN = 64 * 1024 * 1024


async def compare_versions(
    artifacts: Artifacts,
    place: Place,
    files: Mapping[str, ModelFile],
    versions: Mapping[str, str],
) -> tuple[list[str], Mapping[str, str] | None]:
    """The paths of files that have another content now, and the ETags to keep from now on.

    Of files with another ETag the content is read again, the smallest first, up to `MAX_AGAIN`
    bytes in all. Further ones are not compared, and keep the old ETag.

    files: as they were read, by path; all of them are there, with the same sizes. versions: their
    ETags then. Returns None for the ETags where MLflow's do not last any more. Raises
    UpstreamError.
    """
    turn = asyncio.Semaphore(AT_ONCE)

    async def version(path: str) -> str | None:
        async with turn:
            return await artifacts.version(place, path)

    paths = sorted(versions, key=lambda path: files[path].size)
    try:
        found = dict(zip(paths, await asyncio.gather(*map(version, paths)), strict=True))
    except NotFoundError:
        # Deleted since it was listed: what is listed then is compared by the next request.
        return [], versions
    kept, changed, left = dict(versions), [], MAX_AGAIN
    for path in paths:
        now = found[path]
        left -= files[path].size if now != versions[path] else 0
        if now == versions[path] or left < 0:
            continue
        digest, again = await _read(artifacts, place, files[path])
        if digest != files[path].sha256:
            changed.append(path)
        elif now is None or again != now:
            return changed, None
        else:
            kept[path] = now
    return changed, kept


async def _read(artifacts: Artifacts, place: Place, file: ModelFile) -> tuple[str, str | None]:
    """The SHA-256 of a file, of which no more is read than it had, and its ETag."""
    digest, received = sha256(), 0
    async with artifacts.open(place, file.path) as response:
        async for chunk in response.chunks:
            received += len(chunk)
            await asyncio.to_thread(digest.update, chunk)
            if received > file.size:
                break
        return digest.hexdigest(), response.version
