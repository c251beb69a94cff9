"""Downloading the files of a registered model, each compared with the gateway's list."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from hokusai.api import GatewayAPI
from hokusai.errors import DownloadError, HokusaiError
from hokusai.results import ModelFiles
from hokusai.verify.model_files import (
    ModelFile,
    differences,
    hash_directory,
    hash_file,
    list_digest,
    list_path,
    oms_root,
    parse_files,
)


def download_model(
    api: GatewayAPI,
    model_id: str,
    directory: str | os.PathLike[str],
    on_file: Callable[[ModelFile], None] = lambda _: None,
) -> ModelFiles:
    """Download the files of a model into a directory that does not exist yet or is empty.

    They are received into the directory with `.part` after its name, and it gets its name once all
    are there. What an interrupted download has received is kept there, for the next one. The list
    of the files is stored beside the directory: see `list_path` of `hokusai.verify.model_files`.

    Args:
        api: The gateway.
        model_id: The model.
        directory: The directory. One that has exactly these files already is left as it is.
        on_file: Called before each file that is received.

    Returns:
        What the gateway knows of the files.

    Raises:
        DownloadError: The files are not known, a file is not the one of the list, or the directory
            cannot be written.
        DocumentError: The list has a path that could lead out of the directory.
        GatewayError: The gateway refused or failed.
    """
    listing = api.model_files(model_id)
    files = _checked(listing)
    target = Path(os.path.abspath(directory))
    part = target.with_name(f"{target.name}.part")
    try:
        if target.exists() and any(target.iterdir()):
            different = differences(files, hash_directory(target))
            if different is not None:
                raise DownloadError(
                    f"{target} exists, and does not have the files of {model_id}: {different}. "
                    "Name another directory."
                )
        else:
            _receive_all(api, model_id, files, part, on_file)
            if target.exists():
                target.rmdir()
            part.rename(target)
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
    _make_directory(part)
    _remove_others(part, files)
    for file in files:
        place = _place(part, file.path)
        if place.exists() and hash_file(place) == (file.size, file.sha256):
            continue
        on_file(file)
        api.download_file(model_id, file.path, _Receiver(place, file).receive)


class _Receiver:
    """Writes one file, and compares it."""

    def __init__(self, place: Path, file: ModelFile) -> None:
        self._place = place
        self._file = file

    def receive(self, pieces: Iterator[bytes]) -> None:
        digest, size = hashlib.sha256(), 0
        with open(self._place, "wb") as target:
            for piece in pieces:
                size += len(piece)
                if size > self._file.size:
                    break
                digest.update(piece)
                target.write(piece)
        if (size, digest.hexdigest()) != (self._file.size, self._file.sha256):
            os.unlink(self._place)
            raise DownloadError(
                f"The file {self._file.path} that the gateway sent is not the one of its list: it "
                "was changed in MLflow, or on the way."
            )


def _place(part: Path, path: str) -> Path:
    """Return the place of a file, with the directories above it made, none of them a link."""
    *above, name = path.split("/")
    for step in (*above, name):
        # On Windows, where it could name a drive.
        if Path(step).name != step:
            raise DownloadError(f"A file cannot have the name {step!r} on this system.")
    place = part
    for step in above:
        place = place / step
        _make_directory(place)
    place = place / name
    if place.is_symlink():
        raise DownloadError(f"{place} is a symbolic link. Remove it.")
    return place


def _make_directory(place: Path) -> None:
    try:
        place.mkdir(parents=False)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise DownloadError(f"{place} is not a directory. Remove it.") from None


def _remove_others(part: Path, files: Sequence[ModelFile]) -> None:
    """Remove what an earlier download has left that is not among the files."""
    paths = {file.path for file in files}
    directories = {path[:i] for path in paths for i, sign in enumerate(path) if sign == "/"}
    for parent, names, others in os.walk(part):
        for name in [*names, *others]:
            place = Path(parent, name)
            path = place.relative_to(part).as_posix()
            if place.is_symlink():
                raise DownloadError(f"{place} is a symbolic link. Remove it.")
            if place.is_dir() and path not in directories:
                shutil.rmtree(place)
            elif not place.is_dir() and path not in paths:
                place.unlink()


def _store_list(target: Path, listing: ModelFiles) -> None:
    document: dict[str, Any] = dict(listing)
    place = Path(list_path(target))
    temporary = place.with_name(f"{place.name}.part")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    os.replace(temporary, place)
