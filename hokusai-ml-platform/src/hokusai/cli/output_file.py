"""The file of an option such as `--output`: replaced as a whole, and only by one of its kind."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Callable, Iterator

from hokusai.errors import ConfigurationError, DocumentError, HokusaiError, InputError
from hokusai.whole_files import replacing

# Whether a file begins as those of a kind do.
IsKind = Callable[[bytes], bool]
# How many bytes of it are looked at.
_MAX_READ = 64 * 1024 * 1024


@contextmanager
def output_file(path: str | os.PathLike[str], kind: str, is_kind: IsKind) -> Iterator[IO[bytes]]:
    """A file to write, which is there under its name only at the end of the block.

    So begin the block before what takes long: what is in the way is then said at once, and what
    was there stays where the rest fails.

    Args:
        path: The file; `-` for standard output. A device or a pipe is written as it is.
        kind: What is written, in words.
        is_kind: Whether a file that exists has such a content, and may be replaced.

    Raises:
        InputError: The file exists and has something else.
        ConfigurationError: It cannot be written.
    """
    name = os.fspath(path)
    if name == "-":
        yield sys.stdout.buffer
        return
    try:
        if _is_special(name):
            with open(name, "wb") as special:
                yield special
            return
        _require_kind(name, kind, is_kind)
        with replacing(Path(name)) as file:
            yield file
    except HokusaiError:
        raise  # one of them is an OSError
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be written: {error.strerror}.") from None


def json_with(*members: str) -> IsKind:
    """Whether a file is a JSON object with these members."""

    def is_kind(content: bytes) -> bool:
        from hokusai.verify.strict_json import parse

        try:
            document = parse(content)
        except DocumentError:
            return False
        return isinstance(document, dict) and set(members) <= document.keys()

    return is_kind


def _is_special(name: str) -> bool:
    return os.path.exists(name) and not stat.S_ISREG(os.stat(name).st_mode)


def _require_kind(name: str, kind: str, is_kind: IsKind) -> None:
    if not os.path.exists(name):
        return
    with open(name, "rb") as file:
        content = file.read(_MAX_READ)
    # An empty file is what `mktemp` makes.
    if content and not is_kind(content):
        raise InputError(
            f"{name} exists, and is not {kind}, which this command would replace it by. Name "
            "another file, or remove it."
        )
