"""The files of a model: hashing a directory, and comparing it with what a gateway lists."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from hokusai.errors import DocumentError
from hokusai.verify.strict_json import canonical_json

# Parts of paths at the top of a directory that OpenSSF Model Signing leaves out by default.
OMS_IGNORED = frozenset({".git", ".gitattributes", ".github", ".gitignore"})
# What a gateway accepts as a path: bytes of it and of one part, and the number of parts.
MAX_PATH = 1024
MAX_PART = 255
MAX_PARTS = 32
# Differing files that a message names.
MAX_NAMED = 5

_CHUNK = 1024 * 1024
# Characters of a path that a message repeats.
_MAX_QUOTED = 100
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ModelFile(NamedTuple):
    """One file of a model.

    Attributes:
        path: Within the model's directory, with `/` between its parts.
        size: In bytes.
        sha256: Of its content, 64 hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


def hash_directory(
    directory: str | os.PathLike[str], *, follow_links: bool = False
) -> list[ModelFile]:
    """Hash the files of a directory and of those below it, sorted by path.

    Args:
        directory: The directory.
        follow_links: Take a symbolic link for the file that it leads to, as MLflow does when it
            uploads a directory. Links to directories are left out then.

    Raises:
        DocumentError: It is not a directory, or has something that cannot be read, or that is
            neither a file nor a directory.
    """
    root = os.fspath(directory)
    if not os.path.isdir(root):
        raise DocumentError(f"{root} is not a directory.")
    found: list[ModelFile] = []
    for parent, directories, names in os.walk(root, onerror=_unreadable):
        for name in directories if not follow_links else ():
            if os.path.islink(os.path.join(parent, name)):
                raise DocumentError(f"{os.path.join(parent, name)} is a symbolic link.")
        for name in names:
            place = os.path.join(parent, name)
            path = os.path.relpath(place, root).replace(os.sep, "/")
            found.append(ModelFile(path, *hash_file(place, follow_links=follow_links)))
    return sorted(found)


def hash_file(place: str | os.PathLike[str], *, follow_links: bool = False) -> tuple[int, str]:
    """Return the size of a file in bytes, and its SHA-256.

    Raises:
        DocumentError: It cannot be read, or is not a file. Without `follow_links`, that includes
            symbolic links.
    """
    name = os.fspath(place)
    digest, size = hashlib.sha256(), 0
    try:
        mode = (os.stat if follow_links else os.lstat)(name).st_mode
        if not stat.S_ISREG(mode):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "neither a file nor a directory"
            raise DocumentError(f"{name} is {kind}.")
        with open(name, "rb") as file:
            while True:
                chunk = file.read(_CHUNK)
                if not chunk:
                    break
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        _unreadable(error)
    return size, digest.hexdigest()


def _unreadable(error: OSError) -> None:
    raise DocumentError(f"{error.filename} cannot be read: {error.strerror}.") from None


def list_path(directory: str | os.PathLike[str]) -> str:
    """Return where the list of a directory's files is stored: beside it, not among them."""
    return f"{os.path.abspath(directory)}.files.json"


def oms_root(files: Iterable[ModelFile]) -> str:
    """Return the digest by which OpenSSF Model Signing v1.0 names a model of these files.

    It binds their contents and their order, and their paths only together with the list.
    """
    signed = [file for file in files if file.path.split("/", 1)[0] not in OMS_IGNORED]
    signed.sort(key=lambda file: file.path.split("/"))
    return hashlib.sha256(b"".join(bytes.fromhex(file.sha256) for file in signed)).hexdigest()


def list_digest(files: Iterable[ModelFile]) -> str:
    """Return the SHA-256 of the list itself, which binds paths, sizes and the number of files."""
    listed = [file._asdict() for file in sorted(files)]
    return hashlib.sha256(canonical_json(listed).encode()).hexdigest()


def path_problem(path: str) -> str | None:
    """Return why a text is not the path of a file within a model; None for one that is."""
    parts = path.split("/")
    if not path or {"", ".", ".."} & set(parts):
        return 'it is not relative, or one of its parts is empty, "." or ".."'
    if _UNSAFE.search(path):
        return "it has a backslash or a control character"
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        return "it is not Unicode text"
    if sum(sizes) + len(sizes) - 1 > MAX_PATH or max(sizes) > MAX_PART or len(parts) > MAX_PARTS:
        return "it is too long"
    return None


def parse_files(document: Any) -> list[ModelFile]:
    """Return the files of a list as a gateway or `hokusai models download` writes it.

    Args:
        document: A JSON object whose member `items` has objects with `path`, `size` and `sha256`.

    Raises:
        DocumentError: It is not such a list, or a path could lead out of a directory.
    """
    items = document.get("items") if isinstance(document, Mapping) else None
    if not isinstance(items, list):
        raise DocumentError("A list of files is a JSON object with the member items.")
    files: list[ModelFile] = []
    for item in items:
        file = item if isinstance(item, Mapping) else {}
        path, size, digest = file.get("path"), file.get("size"), file.get("sha256")
        if (
            not isinstance(path, str)
            or not isinstance(size, int)
            or isinstance(size, bool)
            or size < 0
            or not isinstance(digest, str)
            or not _DIGEST.fullmatch(digest)
        ):
            raise DocumentError("A file of the list has not the members path, size and sha256.")
        files.append(ModelFile(path, size, digest))
    require_safe([file.path for file in files])
    return sorted(files)


def require_safe(paths: Sequence[str]) -> None:
    """Check that paths are those of different files within one directory.

    Raises:
        DocumentError: One could lead out of it, two would have one place, or one is below another.
    """
    for path in paths:
        problem = path_problem(path)
        if problem is not None:
            raise DocumentError(f"The path {_quoted(path)} of the list is not safe: {problem}.")
    distinct = set(paths)
    if len({unicodedata.normalize("NFC", path) for path in distinct}) != len(paths):
        raise DocumentError("The list has the same path twice.")
    for path in paths:
        parts = path.split("/")
        for end in range(1, len(parts)):
            parent = "/".join(parts[:end])
            if parent in distinct:
                raise DocumentError(f"The list has a file below the file {_quoted(parent)}.")


def _quoted(path: str) -> str:
    return canonical_json(path[:_MAX_QUOTED])


def differences(listed: Iterable[ModelFile], found: Iterable[ModelFile]) -> str | None:
    """Return how the files of a directory differ from a list, in words; None if they do not."""
    return differences_of({file.path: file for file in listed}, {file.path: file for file in found})


def differences_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return the same of what is known of each file, by its path."""
    different = [
        *(f"{path} is missing" for path in sorted(before.keys() - after.keys())),
        *(f"{path} is not in the list" for path in sorted(after.keys() - before.keys())),
        *(
            f"{path} is different"
            for path in sorted(before.keys() & after.keys())
            if before[path] != after[path]
        ),
    ]
    if not different:
        return None
    more = len(different) - MAX_NAMED
    return ", ".join(different[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


__all__ = [
    "ModelFile",
    "differences",
    "differences_of",
    "hash_directory",
    "hash_file",
    "list_digest",
    "list_path",
    "oms_root",
    "parse_files",
    "path_problem",
    "require_safe",
]
