"""The list of a model's files in a request: what the trainer says that the model consists of."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.json_data import LARGEST_INTEGER
from app.rest.fields import HexDigest, WholeNumber, refuse_secret
from app.rest.request_model import RequestModel

# Files that a registration may list: as many as fit into a request with its bound on values.
MAX_LISTED = 4000
# Bytes in UTF-8 of a path and of one part of it, as file systems limit them; and how many parts.
MAX_PATH = 1024
MAX_PART = 255
MAX_PARTS = 32

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


def path_problem(path: str) -> str | None:
    """Why a text is not the path of a file within a model; None for one that is.

    A path is relative, and its parts are separated by `/` on every system.
    """
    parts = path.split("/")
    if path.startswith("/") or {"", ".", ".."} & set(parts):
        return "must be relative, without empty parts and without . and .. as parts"
    if _UNSAFE.search(path) is not None:
        return "must contain no backslashes and no control characters"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "must be Unicode text without unpaired surrogates"
    if len(encoded) > MAX_PATH or any(len(part.encode()) > MAX_PART for part in parts):
        return f"must have at most {MAX_PATH} bytes, and {MAX_PART} in each part"
    if len(parts) > MAX_PARTS:
        return f"must have at most {MAX_PARTS} parts"
    return None


def _checked_path(path: str) -> str:
    problem = path_problem(path)
    if problem is not None:
        raise ValueError(problem)
    return refuse_secret(path)


class FileEntry(RequestModel):
    """One file of a model."""

    path: Annotated[str, AfterValidator(_checked_path)] = Field(
        min_length=1,
        max_length=MAX_PATH,
        description="Within the model's directory, with / between its parts.",
        examples=["MLmodel"],
    )
    size: Annotated[int, Field(ge=0, le=LARGEST_INTEGER), WholeNumber] = Field(
        description="In bytes."
    )
    sha256: HexDigest


def check_paths(paths: Sequence[str]) -> str | None:
    """Why paths cannot be those of one model's files; None where they can.

    They are sorted by their Unicode code points, each occurs once, also once Unicode has been
    normalised (NFC, as some file systems do), and none is below another.
    """
    previous: str | None = None
    for path in paths:
        if previous is not None and path <= previous:
            reason = "occurs twice" if path == previous else f"must come before {previous!r}"
            return f"{path!r} {reason}; sort the files by path"
        previous = path
    normalised: dict[str, str] = {}
    for path in paths:
        other = normalised.setdefault(unicodedata.normalize("NFC", path), path)
        if other != path:
            return f"two paths differ only in how Unicode writes them: {path!r}"
    known = set(paths)
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in known:
                return f"{parent!r} is a file, and {path!r} is below it"
            parent = parent.rpartition("/")[0]
    return None


def _consistent(files: list[FileEntry]) -> list[FileEntry]:
    problem = check_paths([file.path for file in files])
    if problem is not None:
        raise ValueError(problem)
    return files


FileList = Annotated[
    list[FileEntry], Field(min_length=1, max_length=MAX_LISTED), AfterValidator(_consistent)
]
