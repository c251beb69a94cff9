"""The directory of a download that is not complete, with a record of the files that it may have."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Sequence

from hokusai.errors import DocumentError, DownloadError
from hokusai.verify.model_files import ModelFile
from hokusai.verify.strict_json import parse
from hokusai.whole_files import replacing

# After the name of the directory that is downloaded.
_PART = ".part"
# Bytes of a record that is read; those of a list with the longest paths are shorter.
_MAX_RECORD = 64 * 1024 * 1024
# Files that an error names.
_MAX_NAMED = 5


class PartDirectory:
    """`NAME.part`: the files that were received, and the record of those that may be there.

    The record is written before the first file, so that whatever it does not name was made by
    something else, and is left alone.

    Attributes:
        files: Where the files are received, a directory in it.
    """

    def __init__(self, target: Path) -> None:
        """Args: target: The directory that is downloaded."""
        self._place = target.with_name(target.name + _PART)
        self.files = self._place / "files"
        self._record = self._place / "download.json"

    def begin(self, files: Sequence[ModelFile]) -> None:
        """Make the directory, or go on with that of an earlier download.

        What an earlier one has received, and the list does not have, is removed.

        Args:
            files: Those that are going to be received.

        Raises:
            DownloadError: Something is in the way, which no download has made. Nothing is changed.
            OSError: The directory cannot be read or written.
        """
        make_directory(self._place)
        earlier = self._read_record()
        self._require_own(earlier)
        paths = {file.path for file in files}
        for path in sorted(earlier - paths):
            place = self.files / path
            if place.exists():
                place.unlink()
        for path in sorted(_above(earlier) - _above(paths), reverse=True):
            place = self.files / path
            if place.is_dir():
                place.rmdir()
        if earlier != paths or not self._record.exists():
            with replacing(self._record) as file:
                file.write(json.dumps({"paths": sorted(paths)}).encode())
        make_directory(self.files)

    def ignores_case(self) -> bool:
        """Whether the file system takes `A` and `a` for the same name."""
        name = self._place.name[: -len(_PART)] + _PART.upper()
        other = self._place.with_name(name)
        return other.exists() and other.samefile(self._place)

    def remove_finished(self) -> None:
        """Remove the directory of a download whose files have got their name."""
        if not os.path.lexists(self.files) and self._record.is_file():
            self._record.unlink()
            # Something else may have put a file there.
            if not any(self._place.iterdir()):
                self._place.rmdir()

    def _read_record(self) -> set[str]:
        """The paths that an earlier download has, or may have, received."""
        if not os.path.lexists(self._record):
            return set()
        try:
            document = parse(self._record.read_bytes(), _MAX_RECORD)
            paths = document["paths"]
            if not self._record.is_symlink() and all(isinstance(path, str) for path in paths):
                return set(paths)
        except (OSError, DocumentError, KeyError, TypeError):
            pass
        raise self._in_the_way([self._record.name])

    def _require_own(self, earlier: set[str]) -> None:
        """Raise DownloadError where something is there that no download has made."""
        own = {self._record, self.files} if self._record.exists() else set()
        strange = [one.name for one in self._place.iterdir() if one not in own]
        directories = _above(earlier)
        for parent, names, others in os.walk(self.files if self.files in own else ""):
            for name in [*names, *others]:
                place = Path(parent, name)
                if place.is_symlink():
                    raise DownloadError(f"{place} is a symbolic link. Remove it.")
                path = place.relative_to(self.files).as_posix()
                if path not in (directories if place.is_dir() else earlier):
                    strange.append(str(place.relative_to(self._place)))
        # What `replacing` leaves where the process was killed.
        strange = [name for name in strange if not name.startswith(f".{self._record.name}.")]
        if strange:
            raise self._in_the_way(sorted(strange))

    def _in_the_way(self, names: Sequence[str]) -> DownloadError:
        more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
        return DownloadError(
            f"{self._place} is where the download is received, and has what no download has made: "
            f"{', '.join(names[:_MAX_NAMED])}{more}. Move that elsewhere, or name another "
            "directory. Nothing was changed."
        )


def make_directory(place: Path) -> None:
    """Make a directory, unless it is there.

    Raises:
        DownloadError: It is a link, or something else.
    """
    try:
        place.mkdir(parents=False)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise DownloadError(f"{place} is not a directory. Remove it.") from None


def _above(paths: set[str]) -> set[str]:
    """The directories above some paths."""
    return {path[:i] for path in paths for i, sign in enumerate(path) if sign == "/"}
