"""The container of iden3's binary files: a type, a version, and sections with a number each."""

from __future__ import annotations

import struct
from typing import Iterable, Mapping

from hokusai.errors import DocumentError

_MAX_SECTIONS = 64


def pack(kind: bytes, version: int, sections: Iterable[tuple[int, bytes]]) -> bytes:
    """Write a file of a kind, such as `b"r1cs"`."""
    listed = list(sections)
    parts: list[bytes] = [kind, struct.pack("<II", version, len(listed))]
    for number, content in listed:
        parts += [struct.pack("<IQ", number, len(content)), content]
    return b"".join(parts)


def unpack(content: bytes, kind: bytes, version: int) -> Mapping[int, memoryview]:
    """Read the sections of a file.

    Raises:
        DocumentError: It is not such a file, or was cut off.
    """
    name = kind.decode()
    if content[:4] != kind or len(content) < 12:
        raise DocumentError(f"This is not a .{name} file.")
    found, count = struct.unpack_from("<II", content, 4)
    if found != version or count > _MAX_SECTIONS:
        raise DocumentError(f"This .{name} file has another version than {version}.")
    view, offset = memoryview(content), 12
    sections: dict[int, memoryview] = {}
    for _ in range(count):
        if offset + 12 > len(content):
            raise DocumentError(f"The .{name} file is cut off.")
        number, size = struct.unpack_from("<IQ", content, offset)
        offset += 12
        if offset + size > len(content):
            raise DocumentError(f"The .{name} file is cut off.")
        sections.setdefault(number, view[offset : offset + size])
        offset += size
    return sections
