"""Reading the files of one model in MLflow: each is received as a stream and hashed, one by one."""

import asyncio
import time
from collections.abc import Callable, Mapping
from hashlib import sha256

from app.control_plane.model_files.hashing import ModelFile
from app.control_plane.model_files.limits import ReadingLimits
from app.control_plane.registry.file_list import path_problem
from app.core.errors import NotFoundError
from app.mlflow.artifacts import Artifacts, ListingTooLongError, Place

# Directories of one model that are listed, also where most of them are empty.
MAX_DIRECTORIES = 10_000
# Bytes of all paths of a model, which bound the list that is kept and shown.
MAX_PATHS = 1024 * 1024
# Bytes that are collected before a thread hashes them; fewer are hashed at once.
IN_THREAD = 512 * 1024


class UnreadableError(Exception):
    """The files of a model cannot be read, however often it is tried. The message says why."""


class ChangingError(Exception):
    """The files of a model changed while they were read. The message says which."""


class Pace:
    """Keeps all readers of a process together below a number of bytes per second."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        # When all that has been received could have been received at this rate.
        self._due = 0.0

    async def received(self, size: int) -> None:
        """Wait as long as the bytes that were received are ahead of the rate."""
        now = time.monotonic()
        self._due = max(self._due, now) + size / self._rate
        # A sleep takes a millisecond at least, and requests are served in between anyway.
        if self._due - now > 0.01:
            await asyncio.sleep(self._due - now)


class _Digest:
    """SHA-256 of what is received, computed in a thread, so that requests do not wait for it."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._pieces: list[bytes] = []
        self._size = 0

    async def update(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= IN_THREAD:
            await asyncio.to_thread(self._add)

    def hexdigest(self) -> str:
        self._add()
        return self._digest.hexdigest()

    def _add(self) -> None:
        # One by one: hashlib lets other threads run during each.
        for piece in self._pieces:
            self._digest.update(piece)
        self._pieces.clear()
        self._size = 0


class FileReading:
    """Reads the files in one place of MLflow.

    known: files that have been read already, by path. One is read again where its size differs.
    on_file: called after each further file.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        place: Place,
        limits: ReadingLimits,
        pace: Pace,
        known: Mapping[str, ModelFile],
        on_file: Callable[[ModelFile], None],
    ) -> None:
        self._artifacts = artifacts
        self._place = place
        self._limits = limits
        self._pace = pace
        self._known = known
        self._on_file = on_file

    async def run(self) -> list[ModelFile]:
        """All files, sorted by path.

        Raises UnreadableError, ChangingError, NotFoundError where MLflow has no such run or logged
        model any more, UpstreamError and its kinds.
        """
        sizes = await self._list()
        files = []
        for path, size in sorted(sizes.items()):
            file = self._known.get(path)
            if file is None or file.size != (size or 0):
                file = await self._hash(path, size)
                self._on_file(file)
            files.append(file)
        if sum(file.size for file in files) > self._limits.total_bytes:
            raise self._too_large()
        if await self._list() != sizes:
            raise ChangingError("Its files in MLflow changed while they were read.")
        return files

    async def _list(self) -> dict[str, int | None]:
        """The size of each file by its path, None where MLflow does not say it.

        Raises UnreadableError for more than the limits.
        """
        sizes: dict[str, int | None] = {}
        directories, seen = [""], 0
        while directories:
            seen += 1
            try:
                entries = await self._artifacts.list(self._place, directories.pop())
            except ListingTooLongError:
                raise self._too_many() from None
            for entry in entries:
                if entry.is_directory:
                    directories.append(entry.path)
                else:
                    sizes[entry.path] = entry.size
                problem = path_problem(entry.path)
                if problem is not None:
                    raise UnreadableError(
                        f"Its path {entry.path[:100]!r} is not one that the gateway lists: a path "
                        f"{problem}."
                    )
            if len(sizes) > self._limits.count or seen + len(directories) > MAX_DIRECTORIES:
                raise self._too_many()
        if not sizes:
            raise UnreadableError("MLflow has no files of this model.")
        if sum(size or 0 for size in sizes.values()) > self._limits.total_bytes:
            raise self._too_large()
        if sum(len(path.encode()) for path in sizes) > MAX_PATHS:
            raise UnreadableError(
                f"The paths of its files have more than {MAX_PATHS:,} bytes together."
            )
        return sizes

    async def _hash(self, path: str, size: int | None) -> ModelFile:
        digest, received = _Digest(), 0
        most = self._limits.total_bytes if size is None else size
        try:
            async with self._artifacts.open(self._place, path) as file:
                async for chunk in file.chunks:
                    received += len(chunk)
                    if received > most:
                        break
                    await digest.update(chunk)
                    await self._pace.received(len(chunk))
        except NotFoundError:
            received = -1
        if size is None and received > most:
            raise self._too_large()
        if received < 0 or (size is not None and received != size):
            raise ChangingError(f"Its file {path!r} changed while it was read.")
        return ModelFile(path, received, digest.hexdigest())

    def _too_large(self) -> UnreadableError:
        return UnreadableError(
            f"Its files have more than {self._limits.total_bytes:,} bytes together, the most that "
            "the gateway reads of one model."
        )

    def _too_many(self) -> UnreadableError:
        return UnreadableError(
            f"It has more than {self._limits.count:,} files, or more than {MAX_DIRECTORIES:,} "
            "directories, the most that the gateway reads of one model."
        )
