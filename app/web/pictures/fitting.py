"""Names in pictures, shortened so that they fit."""

import unicodedata
from collections.abc import Sequence

_NARROW = frozenset("fijlrtI .,:;'|!/\\-()[]·")
_SLIM = frozenset("ckLsvxyz_")
_WIDE = frozenset("mwMW@%&…")


def fit_start(text: str, room: float) -> str:
    """A text, or as much of its beginning as fits. room: in letters of average width."""
    return text if width_of(text) <= room else f"{_kept(text, room)}…"


def fit_end(text: str, room: float) -> str:
    """The same with its end, which tells versions of one model apart."""
    return text if width_of(text) <= room else f"…{_kept(text[::-1], room)[::-1]}"


def notes_that_fit(notes: Sequence[str], room: float) -> str:
    """As many of the first notes as fit: a number of which the end is cut off reads as another."""
    for kept in range(len(notes), 1, -1):
        line = " · ".join(notes[:kept])
        if width_of(line) <= room:
            return line
    return fit_start(notes[0], room)


def width_of(text: str) -> float:
    """About how wide a text is, in letters of average width, in the widest usual font."""
    return sum(map(_width, text))


def _kept(text: str, room: float) -> str:
    left = room - width_of("…")
    for place, letter in enumerate(text):
        left -= _width(letter)
        if left < 0:
            return text[:place]
    return text


def _width(letter: str) -> float:
    if letter in _NARROW:
        return 0.6
    if letter in _SLIM:
        return 0.9
    if letter in _WIDE:
        return 1.6
    # Of other scripts than the Latin one, many letters are as wide as they are high.
    if ord(letter) > 0x24F or unicodedata.east_asian_width(letter) in "WF":
        return 1.7
    return 1.2 if letter.isupper() else 1.0
