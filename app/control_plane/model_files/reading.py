"""Reading the files of one model in MLflow: each is received as a stream and hashed, one by one."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from app.control_plane.model_files.file_digest import FileDigest, ReadFile
from app.control_plane.model_files.limits import LimitName, ReadingLimits
from app.control_plane.model_files.turns import Turn
from app.control_plane.registry.file_list import path_problem
from app.core.errors import NotFoundError, UpstreamError
from app.mlflow.artifacts import (
    MAX_LISTING,
    Artifacts,
    ListingTooLongError,
    OtherPartError,
    Place,
)

# Directories of one model that are listed, also where most of them are empty.
MAX_DIRECTORIES = 10_000
# Bytes of all paths of a model, which bound the list that is kept and shown.
MAX_PATHS = 1024 * 1024
# Entries of a list that are looked at while nothing else runs.
IN_ONE_GO = 500
# Bytes of the largest file that is requested twice to see whether MLflow's ETags last.
MAX_PROBE = 1024 * 1024
# Bytes of a file for each of which MLflow may take a second to copy it out of an object store,
# before the first byte and besides HOKUSAI_UPSTREAM_READ_TIMEOUT.
COPY_RATE = 10 * 1024**2


class UnreadableError(Exception):
    """The files of a model cannot be read, however often it is tried. The message says why.

    limit: the one of `ReadingLimits` that is too low for them, if that is the reason.
    """

    def __init__(self, message: str, limit: LimitName | None = None) -> None:
        super().__init__(message)
        self.limit = limit


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


class FileReading:
    """Reads the files in one place of MLflow.

    known: files that have been read already, by path. One is read again where its size differs.
    begun: a file of which a part has been read before.
    turn: during which it reads. on_file: called after each further file.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        place: Place,
        limits: ReadingLimits,
        pace: Pace,
        turn: Turn,
        known: Mapping[str, ReadFile],
        begun: FileDigest | None,
        on_file: Callable[[ReadFile], None],
    ) -> None:
        self._artifacts = artifacts
        self._place = place
        self._limits = limits
        self._pace = pace
        self._turn = turn
        self._known = known
        self._on_file = on_file
        # The file that is being read.
        self.begun = begun
        # Bytes that have been received.
        self.received = 0
        # Whether a file has the same ETag each time, as it has in a directory.
        self.versions_last = False

    async def run(self) -> list[ReadFile]:
        """All files, sorted by path, with their ETags if these last.

        Raises UnreadableError, ChangingError, NotFoundError where MLflow has no such run or logged
        model any more, UpstreamError and its kinds.
        """
        sizes = await self._list()
        self.versions_last = await self._do_versions_last(sizes)
        files = []
        for path, size in sorted(sizes.items()):
            found = self._known.get(path)
            if found is None or found.file.size != (size or 0):
                if self._turn.is_over:
                    await self._turn.pass_on()
                found = await self._read(path, size)
                self._on_file(found)
            files.append(found)
        if sum(found.file.size for found in files) > self._limits.total_bytes:
            raise self._too_large()
        await self._require_unchanged(files)
        if await self._list() != sizes:
            raise ChangingError("Its files in MLflow changed while they were read.")
        return files if self.versions_last else [ReadFile(one.file, None) for one in files]

    async def _do_versions_last(self, sizes: Mapping[str, int | None]) -> bool:
        """Whether the smallest file has the same ETag twice, if it is small."""
        known = ((size, path) for path, size in sizes.items() if size is not None)
        size, path = min(known, default=(MAX_PROBE + 1, ""))
        if size > MAX_PROBE:
            return False
        try:
            version = await self._artifacts.version(self._place, path)
            again = await self._artifacts.version(self._place, path)
        except (NotFoundError, UpstreamError):
            # What is before MLflow may not know HEAD; a fault shows when the file is read.
            return False
        return version is not None and version == again

    async def _require_unchanged(self, files: Iterable[ReadFile]) -> None:
        """Raise ChangingError where a file has another ETag now, if that means anything."""
        for file, version in files if self.versions_last else ():
            if self._turn.is_over:
                await self._turn.pass_on()
            if version is not None and await self._version(file.path) != version:
                raise _changed(file.path)

    async def _version(self, path: str) -> str | None:
        try:
            return await self._artifacts.version(self._place, path)
        except NotFoundError:
            raise _changed(path) from None

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
                raise UnreadableError(
                    f"MLflow's list of one of its directories has more than {MAX_LISTING:,} bytes."
                ) from None
            if len(entries) > self._limits.count + MAX_DIRECTORIES:
                raise self._too_many()
            for number, entry in enumerate(entries):
                if number % IN_ONE_GO == 0:
                    await asyncio.sleep(0)
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
            if len(sizes) > self._limits.count:
                raise self._too_many()
            if seen + len(directories) > MAX_DIRECTORIES:
                raise UnreadableError(
                    f"It has more than {MAX_DIRECTORIES:,} directories, the most that the gateway "
                    "reads of one model."
                )
        if not sizes:
            raise UnreadableError("MLflow has no files of this model.")
        if sum(size or 0 for size in sizes.values()) > self._limits.total_bytes:
            raise self._too_large()
        if sum(len(path.encode()) for path in sizes) > MAX_PATHS:
            raise UnreadableError(
                f"The paths of its files have more than {MAX_PATHS:,} bytes together."
            )
        return sizes

    async def _read(self, path: str, size: int | None) -> ReadFile:
        """Read one file, from where it was left."""
        digest = self.begun
        if digest is None or (digest.path, digest.size) != (path, size):
            digest = FileDigest(path, size)
        self.begun = digest
        while not await self._receive(digest):
            await self._turn.pass_on()
        self.begun = None
        return digest.finish()

    async def _receive(self, digest: FileDigest) -> bool:
        """Receive a file to its end, or to the end of the turn; whether all of it is there."""
        # Where it has no ETag, nothing says that a second part would be of the same file.
        is_begun = digest.version is not None and digest.received != digest.size
        try:
            return await self._receive_from(digest, digest.received if is_begun else 0)
        except OtherPartError:
            return await self._receive_from(digest, 0)
        except NotFoundError:
            raise _changed(digest.path) from None

    async def _receive_from(self, digest: FileDigest, start: int) -> bool:
        path, size = digest.path, digest.size
        most = self._limits.total_bytes if size is None else size
        async with self._artifacts.open(
            self._place,
            path,
            start=start,
            version=digest.version if start > 0 else None,
            patience=(size or 0) / COPY_RATE,
        ) as file:
            if size is not None and file.size not in (None, size):
                raise _changed(path)
            if size is None and file.size is None:
                # Then a response that breaks off can look like a complete one.
                raise UpstreamError(f"MLflow does not say how large the file {path!r} is.")
            digest.begin(file.start, file.version)
            async for chunk in file.chunks:
                await digest.update(chunk)
                self.received += len(chunk)
                if digest.received > most:
                    raise self._too_large() if size is None else _changed(path)
                await self._pace.received(len(chunk))
                if self._may_leave(digest) and self._turn.is_over:
                    return False
        if size is not None and digest.received != size:
            raise _changed(path)
        return True

    def _may_leave(self, digest: FileDigest) -> bool:
        """Whether a file that is left now can be continued."""
        has_more = digest.size is not None and digest.received < digest.size
        return has_more and self.versions_last and digest.version is not None

    def _too_large(self) -> UnreadableError:
        return UnreadableError(
            f"Its files have more than {self._limits.total_bytes:,} bytes together, the most that "
            "the gateway reads of one model.",
            "total_bytes",
        )

    def _too_many(self) -> UnreadableError:
        return UnreadableError(
            f"It has more than {self._limits.count:,} files, the most that the gateway reads of "
            "one model.",
            "count",
        )


def _changed(path: str) -> ChangingError:
    return ChangingError(f"Its file {path!r} changed while it was read.")
