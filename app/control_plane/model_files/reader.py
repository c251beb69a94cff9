"""Reads the files of registered models in the background."""

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from app.control_plane.model_files.file_digest import FileDigest, ReadFile
from app.control_plane.model_files.limits import LimitName, ReadingLimits
from app.control_plane.model_files.places import Places
from app.control_plane.model_files.queue import LeaseLostError, Reading, ReadingQueue
from app.control_plane.model_files.reading import (
    ChangingError,
    FileReading,
    Pace,
    UnreadableError,
)
from app.control_plane.model_files.turns import Turn, Turns
from app.core.errors import (
    GatewayError,
    NotFoundError,
    UnavailableError,
    UpstreamUnreachableError,
)
from app.database.engine import now

log = structlog.get_logger()

# Seconds between two searches for models whose files are to be read.
INTERVAL = 15.0
# Seconds until a reading that failed is tried again: after the first failure, and at most.
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 3600.0
# After as many failures in a row a reading ends, unless MLflow or PostgreSQL is away. They take
# some hours.
MAX_FAILURES = 12
# Bytes of a file after which a reading that fails has made progress nevertheless.
PROGRESS = 16 * 1024**2
# Seconds between two times at which what has been read is saved.
SAVE_SECONDS = 10.0
# Files that are continued, if MLflow allows it, once a reading that failed is tried again.
MAX_BEGUN = 64


class FileReader:
    """Reads files; one for the process. Any number of gateways may run one.

    readers: how many models are read at the same time; 0 for none. A process reads one model of
    each tenant, and those that take long take turns with others that wait.
    """

    def __init__(
        self, queue: ReadingQueue, places: Places, limits: ReadingLimits, readers: int
    ) -> None:
        self._queue = queue
        self._places = places
        self._limits = limits
        self._readers = readers
        self._turns = Turns(readers)
        self._pace = Pace(limits.rate)
        self._work = asyncio.Event()
        # The tasks that read, and whose models.
        self._reading: dict[asyncio.Task[None], str] = {}
        # The tenant whose turn it was last.
        self._last = ""
        # By model, the file that was being read when a reading failed.
        self._begun: dict[str, FileDigest] = {}

    def wake(self) -> None:
        """Search at once: a model was registered."""
        self._work.set()

    async def run(self) -> None:
        """Read files until cancelled."""
        if self._readers == 0:
            return
        try:
            await self._search(add_missing=True)
            while True:
                try:
                    async with asyncio.timeout(INTERVAL):
                        await self._work.wait()
                except TimeoutError:
                    pass
                await self._search()
        finally:
            for task in self._reading:
                task.cancel()

    async def _search(self, *, add_missing: bool = False) -> None:
        """Take as many models as are read now."""
        self._work.clear()
        try:
            if add_missing:
                await self._queue.add_missing()
                await self._queue.add_limited(self._limits)
            while self._turns.may_begin:
                reading = await self._queue.take(
                    self._limits, set(self._reading.values()), self._last
                )
                if reading is None:
                    return
                self._last = reading.model.tenant
                turn = self._turns.add(reading.seconds)
                task = asyncio.create_task(self._read(reading, turn))
                self._reading[task] = reading.model.tenant
                task.add_done_callback(partial(self._ended, turn))
        except GatewayError as error:
            log.warning("model_files.postponed", reason=error.reason)
        except Exception:
            log.exception("model_files.failed")

    def _ended(self, turn: Turn, task: asyncio.Task[None]) -> None:
        turn.leave()
        del self._reading[task]
        self._work.set()

    async def _read(self, reading: Reading, turn: Turn) -> None:
        """Read the files of one model, and record the outcome."""
        progress = _Progress(reading, turn)
        model_id = reading.model.model_id
        try:
            files = await self._with_lease(progress)
            difference = await self._queue.finish(reading, files)
            log.info("model_files.read", model_id=model_id, count=len(files), differs=difference)
        except LeaseLostError:
            log.info("model_files.lease_lost", model_id=model_id)
        except UnreadableError as error:
            await self._end(reading, str(error), error.limit)
        except NotFoundError:
            await self._end(reading, "Its run or logged model was deleted in MLflow.")
        except Exception as error:
            await self._postpone(progress, error)

    async def _with_lease(self, progress: "_Progress") -> list[ReadFile]:
        """Read all files, and meanwhile keep the lease and what has been read.

        Raises as `FileReading.run` and `Places.find`, LeaseLostError, and UnreadableError for a
        reading that takes too long.
        """
        work = asyncio.create_task(self._files(progress))
        pause = min(SAVE_SECONDS, self._queue.lease / 4)
        try:
            while True:
                await asyncio.wait([work], timeout=pause)
                if work.done():
                    return work.result()
                if progress.seconds > self._limits.seconds:
                    raise UnreadableError(
                        f"Reading its files took more than {self._limits.seconds:g} seconds, the "
                        "most for one model.",
                        "seconds",
                    )
                await self._queue.save(progress.reading, progress.unsaved(), progress.seconds)
        finally:
            work.cancel()

    async def _files(self, progress: "_Progress") -> list[ReadFile]:
        model = progress.reading.model
        async with progress.turn as turn:
            artifacts, place = await self._places.find(model, model.tenant)
            known, begun = dict(progress.files), self._begun.pop(model.model_id, None)
            reading = FileReading(
                artifacts, place, self._limits, self._pace, turn, known, begun, progress.add
            )
            try:
                return await reading.run()
            except GatewayError:
                # In an object store the next attempt begins the file again.
                progress.has_new |= reading.versions_last and reading.received >= PROGRESS
                if reading.begun is not None:
                    self._keep(model.model_id, reading.begun)
                raise

    def _keep(self, model_id: str, begun: FileDigest) -> None:
        """Keep what has been read of a file for the next time, in the place of the oldest one."""
        while len(self._begun) >= MAX_BEGUN:
            del self._begun[next(iter(self._begun))]
        self._begun[model_id] = begun

    async def _end(self, reading: Reading, reason: str, limit: LimitName | None = None) -> None:
        log.warning("model_files.given_up", model_id=reading.model.model_id, reason=reason)
        try:
            limit_was = None if limit is None else float(getattr(self._limits, limit))
            await self._queue.end(reading, reason, limit, limit_was)
        except (LeaseLostError, GatewayError) as error:
            # The lease expires, and the next gateway finds the same.
            log.warning("model_files.postponed", reason=type(error).__name__)

    async def _postpone(self, progress: "_Progress", error: Exception) -> None:
        """Have a reading that failed tried again later; after many failures, end it."""
        reading = progress.reading
        failures = 1 if progress.has_new else reading.failures + 1
        is_away = isinstance(error, UnavailableError | UpstreamUnreachableError)
        if failures >= MAX_FAILURES and not is_away:
            await self._end(reading, f"Reading them failed {failures} times: {_described(error)}")
            return
        if isinstance(error, GatewayError | ChangingError):
            reason = getattr(error, "reason", "files_changing")
            log.warning("model_files.postponed", model_id=reading.model.model_id, reason=reason)
        else:
            log.exception("model_files.failed", model_id=reading.model.model_id)
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)
        files = list(progress.files.values())
        # A file that changed may have the size that it had before.
        kept = [] if isinstance(error, ChangingError) else files
        try:
            until = now() + timedelta(seconds=pause)
            await self._queue.postpone(reading, kept, progress.seconds, until, failures)
        except (LeaseLostError, GatewayError) as lost:
            log.warning("model_files.postponed", reason=type(lost).__name__)


class _Progress:
    """What has been read of one model, and for how long."""

    def __init__(self, reading: Reading, turn: Turn) -> None:
        self.reading = reading
        self.turn = turn
        self.files = {found.file.path: found for found in reading.read}
        self.has_new = False
        self._is_saved = True

    @property
    def seconds(self) -> float:
        """For how long the model has been read, before and now."""
        return self.turn.seconds

    def add(self, found: ReadFile) -> None:
        self.files[found.file.path] = found
        self.has_new, self._is_saved = True, False

    def unsaved(self) -> list[ReadFile] | None:
        """All files, unless there are no more than last time."""
        if self._is_saved:
            return None
        self._is_saved = True
        return list(self.files.values())


def _described(error: Exception) -> str:
    if isinstance(error, GatewayError):
        return error.message
    if isinstance(error, ChangingError):
        return str(error)
    return f"an internal error of the gateway ({type(error).__name__})."
