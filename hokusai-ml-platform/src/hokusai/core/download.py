"""Downloading the files of a registered model, each compared with the gateway's list."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from hokusai.api import GatewayAPI
from hokusai.client import CHUNK_BYTES
from hokusai.core.download_part import PartDirectory, make_directory
from hokusai.core.windows_names import is_windows_name
from hokusai.errors import DocumentError, DownloadError, HokusaiError
from hokusai.results import ModelFiles
from hokusai.verify.model_files import (
    ModelFile,
    differences,
    hash_directory,
    list_digest,
    list_path,
    oms_root,
    parse_files,
)
from hokusai.verify.strict_json import parse
from hokusai.whole_files import replacing

# Bytes of a list that is looked at; the lists of gateways are far shorter.
_MAX_LIST = 64 * 1024 * 1024


def download_model(
    api: GatewayAPI,
    model_id: str,
    directory: str | os.PathLike[str],
    on_file: Callable[[ModelFile], None] = lambda _: None,
) -> ModelFiles:
    """Download the files of a model into a directory that does not exist yet or is empty.

    They are received into a directory with `.part` after its name, and get its name once all are
    there. What an interrupted download has received is kept there, for the next one. The list of
    the files is stored beside the directory: see `list_path` of `hokusai.verify.model_files`.
    Nothing is removed or replaced that no download has made.

    Args:
        api: The gateway.
        model_id: The model.
        directory: The directory. One that has exactly these files already is left as it is.
        on_file: Called before each file that is received.

    Returns:
        What the gateway knows of the files.

    Raises:
        DownloadError: The files are not known, a file is not the one of the list, something else
            is in the way, or the directory cannot be written.
        DocumentError: The list has a path that could lead out of the directory.
        GatewayError: The gateway refused or failed.
    """
    listing = api.model_files(model_id)
    files = _checked(listing)
    target = Path(os.path.abspath(directory))
    part = PartDirectory(target)
    try:
        if target.is_symlink() and not (target.is_dir() and any(target.iterdir())):
            raise DownloadError(f"{target} is a symbolic link. Name another directory.")
        _require_own_list(target)
        if target.exists() and any(target.iterdir()):
            part.remove_finished()
            different = differences(files, hash_directory(target))
            if different is not None:
                raise DownloadError(
                    f"{target} exists, and does not have the files of {model_id}: {different}. "
                    "Name another directory."
                )
        else:
            part.begin(files)
            if part.ignores_case():
                _require_other_names(files)
            _receive_all(api, model_id, files, part.files, on_file)
            if target.exists():
                target.rmdir()  # empty: Windows renames to no directory that exists
            part.files.rename(target)
            part.remove_finished()
        _store_list(target, listing)
    except HokusaiError:
        raise  # one of them is an OSError
    except OSError as error:
        raise DownloadError(f"{error.filename or target}: {error.strerror}.") from None
    return listing


def _checked(listing: ModelFiles) -> Sequence[ModelFile]:
    """Return the files, if the list is complete and safe."""
    if listing.state in ("pending", "failed"):
        why = f": {listing.reason}" if listing.reason else ", and has still to read them"
        raise DownloadError(f"The gateway does not know the files of {listing.model_id}{why}.")
    files = parse_files(listing)
    # None of lists that were made before gateways had such a digest.
    is_list = listing.get("list_sha256") in (None, list_digest(files))
    if len(files) != listing.count or oms_root(files) != listing.sha256 or not is_list:
        raise DownloadError(
            f"The list of the files of {listing.model_id} does not fit its own digest."
        )
    return files


def _receive_all(
    api: GatewayAPI,
    model_id: str,
    files: Sequence[ModelFile],
    part: Path,
    on_file: Callable[[ModelFile], None],
) -> None:
    receivers = [_Receiver(_place(part, file.path), file) for file in files]
    needed = sum(one.missing for one in receivers)
    free = shutil.disk_usage(part).free
    if needed > free:
        raise DownloadError(
            f"{part} needs {needed:,} more bytes, and the disk has {free:,}. Make room, and start "
            "the download again."
        )
    for receiver in receivers:
        if not receiver.begin():
            on_file(receiver.file)
            receiver.receive_from(api, model_id)
    different = {(part / file.path, file.size) for file in files} ^ _stored(part)
    if different:
        # Such as names that a file system writes in another way, or another download.
        names = sorted({str(place.relative_to(part)) for place, _ in different})
        raise DownloadError(
            f"{part} does not have the files under their names: {', '.join(names[:5])}. This file "
            "system may write them in another way, or another download may use the directory."
        )


def _stored(part: Path) -> set[tuple[Path, int]]:
    """The files of a directory, with their sizes."""
    places = (Path(parent, name) for parent, _, names in os.walk(part) for name in names)
    return {(place, place.lstat().st_size) for place in places}


class _Receiver:
    """Receives one file, and compares it. What an earlier download has received is kept."""

    def __init__(self, place: Path, file: ModelFile) -> None:
        self.file = file
        self._place = place
        self._digest, self._size = hashlib.sha256(), 0

    @property
    def missing(self) -> int:
        """How many bytes of the file are not there yet."""
        there = self._place.stat().st_size if self._place.exists() else 0
        return max(0, self.file.size - there)

    def begin(self) -> bool:
        """Hash what is there of the file, and return whether it is all of it."""
        if not self._place.exists():
            return False
        with open(self._place, "rb") as source:
            for piece in iter(lambda: source.read(CHUNK_BYTES), b""):
                self._digest.update(piece)
                self._size += len(piece)
        if self._is_complete():
            return True
        if self._size >= self.file.size or os.stat(self._place).st_nlink > 1:
            self._start_anew()
        return False

    def receive_from(self, api: GatewayAPI, model_id: str) -> None:
        """Receive the rest."""
        path = self.file.path
        is_resumed = self._size > 0
        self._request(api, model_id)
        if is_resumed and not self._is_complete():
            # What was there before may have been of another file.
            self._start_anew()
            self._request(api, model_id)
        if not self._is_complete():
            self._start_anew()
            raise DownloadError(
                f"The file {path} that the gateway sent is not the one of its list: it was changed "
                "in MLflow, or on the way."
            )

    def _request(self, api: GatewayAPI, model_id: str) -> None:
        api.download_file(
            model_id, self.file.path, self._receive, lambda: self._size, self._start_anew
        )

    def _receive(self, pieces: Iterator[bytes]) -> None:
        if self._size == 0:
            self._start_anew()
        with open(self._place, "r+b" if self._size else "xb") as target:
            target.seek(self._size)
            target.truncate()
            for received in pieces:
                # One byte too many is enough to refuse the file.
                piece = received[: self.file.size - self._size + 1]
                target.write(piece)
                self._digest.update(piece)
                self._size += len(piece)
                if self._size > self.file.size:
                    break

    def _start_anew(self) -> None:
        self._digest, self._size = hashlib.sha256(), 0
        # A new file, and not the old one, which could have another name elsewhere.
        if self._place.exists():
            self._place.unlink()

    def _is_complete(self) -> bool:
        found = ModelFile(self.file.path, self._size, self._digest.hexdigest())
        return found == self.file


def _place(part: Path, path: str) -> Path:
    """Return the place of a file, with the directories above it made, none of them a link."""
    *above, name = path.split("/")
    for step in (*above, name):
        if Path(step).name != step or (os.name == "nt" and not is_windows_name(step)):
            raise DownloadError(f"A file cannot have the name {step!r} on this system.")
    place = part
    for step in above:
        place = place / step
        make_directory(place)
    place = place / name
    if place.is_symlink() or (place.exists() and not place.is_file()):
        raise DownloadError(f"{place} is a symbolic link, or no file. Remove it.")
    return place


def _require_other_names(files: Sequence[ModelFile]) -> None:
    """Raise DownloadError where two paths differ only in the case of letters."""
    seen: dict[str, str] = {}
    for file in files:
        for end in [*(i for i, sign in enumerate(file.path) if sign == "/"), len(file.path)]:
            path = file.path[:end]
            other = seen.setdefault(path.casefold(), path)
            if other != path:
                raise DownloadError(
                    f"This file system takes {other!r} and {path!r} for the same name. Download "
                    "the model to another one."
                )


def _require_own_list(target: Path) -> None:
    """Raise DownloadError where the place of the list has a file that is no such list."""
    place = Path(list_path(target))
    if not os.path.lexists(place):
        return
    if place.is_symlink():
        raise DownloadError(f"{place} is a symbolic link. Remove it.")
    try:
        document = parse(place.read_bytes(), _MAX_LIST)
        is_own = isinstance(document, dict) and {"model_id", "items"} <= document.keys()
    except (OSError, DocumentError):
        is_own = False
    if not is_own:
        raise DownloadError(
            f"{place} is in the way, where the list of the files is stored. Move it, or name "
            "another directory."
        )


def _store_list(target: Path, listing: ModelFiles) -> None:
    document: dict[str, Any] = dict(listing)
    with replacing(Path(list_path(target))) as file:
        file.write(f"{json.dumps(document, indent=1)}\n".encode())
