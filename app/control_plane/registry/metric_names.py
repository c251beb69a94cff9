"""The names of a model's metrics: few, and each of them another one to the reader's eye."""

import unicodedata
from collections.abc import Iterable
from typing import TypeVar

from app.core.errors import UnprocessableError

V = TypeVar("V")

MAX_METRICS = 200

# Format characters, which are invisible or change the direction of text; variation selectors and
# other marks without a width of their own are `Mn`, and most of those are seen.
_INVISIBLE = frozenset({"Cf", "Cc", "Co", "Cn", "Cs", "Zl", "Zp"})
_INVISIBLE_MARKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def check_metric_names(names: Iterable[str], most: int = MAX_METRICS) -> None:
    """Raise ValueError, whose text is a clause, for names that people cannot tell apart.

    That is a name with invisible characters, and two names that differ in upper and lower case, in
    width, or in the encoding of the same characters only (Unicode's NFKC and case folding); and for
    more than `most` names.
    """
    seen: dict[str, str] = {}
    for name in names:
        if len(seen) == most:
            raise ValueError(f"there may be at most {most} metrics: choose those that count")
        if _has_invisible(name):
            raise ValueError(f"the name {name!a} has invisible characters: leave them out")
        other = seen.setdefault(_looks(name), name)
        if other is not name:
            raise ValueError(f"the names {other!a} and {name!a} look the same: keep one of them")


def require_metric_names(names: Iterable[str], most: int = MAX_METRICS) -> None:
    """The same for names from MLflow or metadata. Raises UnprocessableError."""
    try:
        check_metric_names(names, most)
    except ValueError as error:
        raise UnprocessableError(
            f"The model's metrics cannot be used: {error}. Give those to use as `metrics`."
        ) from None


def with_distinct_names(metrics: dict[str, V]) -> dict[str, V]:
    """The same metrics. Raises as `check_metric_names`."""
    check_metric_names(metrics)
    return metrics


def _looks(name: str) -> str:
    if name.isascii():  # which NFKC leaves as it is
        return " ".join(name.lower().split())
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _has_invisible(name: str) -> bool:
    if name.isascii():
        return not name.isprintable()
    return any(map(_is_invisible, name))


def _is_invisible(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return (
        unicodedata.category(character) in _INVISIBLE
        or character in _INVISIBLE_MARKS
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )
