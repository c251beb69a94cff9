"""Small pieces of Markdown that the generated pages share."""

import re
from collections.abc import Iterable, Iterator, Sequence

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^# +(.+?)\s*$")
_CODE_SPAN = re.compile(r"(`[^`]*`)")


def prose(text: str) -> Iterator[tuple[bool, str]]:
    """Each line with its end, and whether it is prose rather than part of a fenced code block."""
    fence: str | None = None
    for line in text.splitlines(keepends=True):
        found = FENCE.match(line)
        if fence is None and found:
            fence = found[1]
            yield False, line
        elif fence is not None:
            if found and found[1].startswith(fence) and line.strip() == found[1]:
                fence = None
            yield False, line
        else:
            yield True, line


def title(text: str) -> str:
    """The first heading of the first level. Raises ValueError if there is none."""
    for is_prose, line in prose(text):
        found = _HEADING.match(line) if is_prose else None
        if found:
            return found[1]
    raise ValueError("the page has no heading of the first level")


def escaped(text: str) -> str:
    """Text that shows as it is: no HTML and no emphasis outside of its code spans."""
    parts = _CODE_SPAN.split(text)
    for index in range(0, len(parts), 2):
        parts[index] = re.sub(r"([\\*_\[\]])", r"\\\1", parts[index]).replace("<", "&lt;")
    return "".join(parts)


def fenced(code: str, language: str = "") -> str:
    """A fenced block; its fence is longer than any in the code."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; line ends and bars in them are taken care of."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def indented(text: str) -> str:
    """A block of Markdown inside of another one."""
    return "".join(f"    {line}" if line.strip() else line for line in text.splitlines(True))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
