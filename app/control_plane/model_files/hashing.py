"""Digests of all files of a model together, from the SHA-256 of each.

None reads a file: all are computed from the list of paths and digests, which takes tens of
milliseconds for ten thousand files, and so a thread.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from app.core import canonical_json

# Parts of paths at the top of a model's directory that OpenSSF Model Signing leaves out by default
# (`model_signing`, option --ignore-git-paths), each with everything below it.
OMS_IGNORED = frozenset({".git", ".gitattributes", ".github", ".gitignore"})


class ModelFile(NamedTuple):
    """One file of a model.

    path: within the model's directory, with `/` between its parts. size: in bytes. sha256: of its
    content, 64 hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


def oms_files(files: Iterable[ModelFile]) -> list[ModelFile]:
    """The files that OpenSSF Model Signing v1.0 signs by default, in its order.

    That is the order of the parts of their paths, so that `a/b` comes before `a-b`, although `-` is
    less than `/`.
    """
    signed = [file for file in files if file.path.split("/", 1)[0] not in OMS_IGNORED]
    # As the lists of the parts would be sorted, but much faster: no path has a NUL, and no
    # other thread runs during a sort.
    return sorted(signed, key=lambda file: file.path.replace("/", "\0"))


def list_digest(files: Iterable[ModelFile]) -> str:
    """The SHA-256 of the list itself, of all files, sorted by path, in canonical form.

    Unlike the other two it binds the paths, the sizes and the number of files, and leaves out none.
    """
    digest, separator = sha256(b"["), ""
    # One by one, so that a thread lets others run meanwhile.
    for file in sorted(files, key=_path_of):
        digest.update(f"{separator}{canonical_json.canonicalize(file._asdict())}".encode())
        separator = ", "
    digest.update(b"]")
    return digest.hexdigest()


def oms_root(files: Iterable[ModelFile]) -> str:
    """The digest of the subject that OpenSSF Model Signing v1.0 signs (method `files`, SHA-256).

    It is the SHA-256 of the files' digests one after the other, and binds no path by itself: the
    list that is signed with it does.
    """
    return sha256(b"".join(bytes.fromhex(file.sha256) for file in oms_files(files))).hexdigest()


def weights_root(files: Iterable[ModelFile]) -> str | None:
    """The platform's `sha256-merkle-v1`, as its contracts compare models; None without any file.

    The leaves are the files' digests, in the order of their paths as text. A parent is the SHA-256
    of its two children, and the last node of an odd level is paired with itself. What MLflow
    changes after a model was made is left out.

    Neither binds the paths nor the number of files: [a, b, c] and [a, b, c, c] have one root
    (as in CVE-2012-2459). So it serves the contracts only.
    """
    included = sorted((file for file in files if not _is_volatile(file.path)), key=_path_of)
    level = [bytes.fromhex(file.sha256) for file in included]
    if not level:
        return None
    while len(level) > 1:
        level = _parents(level)
    return level[0].hex()


def _parents(level: Sequence[bytes]) -> list[bytes]:
    if len(level) % 2:
        level = [*level, level[-1]]
    return [
        sha256(left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)
    ]


def _is_volatile(path: str) -> bool:
    return path == "MLmodel" or path.startswith("metadata/") or "registered_model_meta" in path


def _path_of(file: ModelFile) -> str:
    return file.path
