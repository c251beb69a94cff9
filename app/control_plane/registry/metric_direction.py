"""Which way a metric improves: accuracy upwards, loss downwards; and how far that is certain."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from app.control_plane.registry.known_metrics import (
    DOWNWARDS,
    LIKELIHOODS,
    NEGATIONS,
    PREFIXES,
    QUALIFIERS,
    UPWARDS,
    UPWARDS_QUALIFIERS,
    names,
)
from app.core.errors import UnprocessableError

DirectionSource = Literal["known", "said", "guessed"]


class Direction(BaseModel):
    """Which way a metric improves.

    source: `known` from its name, `said` by the owner of the model or of its baseline, or
    `guessed`, because the name does not tell.
    """

    model_config = ConfigDict(frozen=True)

    higher_is_better: bool
    source: DirectionSource = Field(
        description="`known` from the metric's name, `said` in a registration, or `guessed`."
    )


# Names with more words than this have no known direction.
_MAX_WORDS = 40
# The longest names of the tables have this many words.
_LONGEST = 10
# Words of camel case, numbers, and other letters one by one, which no table has.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_]")
# What may stand between words without changing what they mean.
_SEPARATORS = re.compile(r"[\w\s\-./:,;@()\[\]|+#%]*")
# The parameters of CatBoost's metrics: `AUC:type=Mu`, `NDCG:top=10;type=Base`.
_PARAMETER = re.compile(r"[:;,(]\s*[a-z_]\w*=[\w.]+\)?")
# `-loss`, `1-accuracy`, `1 / accuracy`.
_TURNED = re.compile(r"\s*(?:[-\u2212\u2013]|1(?:\.0)?\s*[-\u2212\u2013/])\s*[^\W\d]")

# For guesses. Words of things that are better in small numbers.
_SMALL_IS_BETTER = names("""
    losses entropy crossentropy divergence kl residual residuals errors err misclassification eer
    mer distance deviation aic bic duration time seconds ms cost bias toxicity hamming rank
    quantile gamma fair cox multiclass lq focal false
""")
# The spread of a metric, or a loss of it, however the metric itself improves.
_ALWAYS_SMALL = names("std stdv stdev stddev stderr sem variance var drop gap decrease degradation")
_ALWAYS_LARGE = frozenset({"reduction", "improvement", "gain", "uplift"})
_INVERSIONS = NEGATIONS | {
    "minus",
    "inverse",
    "inverted",
    "inv",
    "reciprocal",
    "non",
    "not",
    "anti",
}


def direction_of(metric: str) -> Direction:
    """The direction of a metric by its name: `known`, or else `guessed`.

    It is known where the whole name consists of metrics in the tables that improve the same way
    and of words that change nothing: `val_loss`, `testRMSE`, `latency-p99`. `neg` or `negative`
    before a loss or a likelihood turns it round. Any other word leaves a guess, which is upwards
    unless a word of the name suggests otherwise.
    """
    return _direction_of(metric)


def known_words(metric: str) -> tuple[set[str], set[str]]:
    """The metrics of the tables in a name, and its other words; none where only a guess is left."""
    if direction_of(metric).source != "known":
        return set(), set()
    name = _PARAMETER.sub(" ", unicodedata.normalize("NFKC", metric))
    segments = _segments(_WORD.findall(name))
    metrics = {segment.text for segment in segments if segment.kind == "metric"}
    return metrics, {segment.text for segment in segments if segment.kind != "metric"}


def resolve_directions(
    metrics: Iterable[str], recorded: Mapping[str, Direction]
) -> dict[str, Direction]:
    """The direction of each metric: as recorded, or by its name where none is recorded."""
    return {name: recorded.get(name) or direction_of(name) for name in metrics}


def said_directions(said: Mapping[str, bool]) -> dict[str, Direction]:
    """The directions that a request states, by the exact names of metrics.

    Raises UnprocessableError where the name of a metric is known to mean the opposite.
    """
    found = {}
    for name, higher in said.items():
        by_name = direction_of(name)
        if by_name.source == "known" and by_name.higher_is_better != higher:
            raise UnprocessableError(
                f"higher_is_better says that {_stated(name, higher)}, but a metric of that name "
                f"is better {_where(by_name)}. Leave it out, or give the metric another name."
            )
        found[name] = by_name if by_name.source == "known" else _said(higher)
    return found


def improvement_directions(
    baseline_id: str | None,
    baseline: Mapping[str, Direction],
    said: Mapping[str, bool],
    *,
    is_own: bool,
) -> dict[str, Direction]:
    """The directions for a comparison with a baseline: the baseline's, and those of a request.

    baseline: its recorded directions. is_own: whether the baseline is the caller's own, who may
    then say the direction of a metric for which the record has a guess. Another tenant's word
    turns no guess into a statement.

    Raises UnprocessableError where the request contradicts the baseline, or a known name.
    """
    found = dict(baseline)
    for name, direction in said_directions(said).items():
        recorded = baseline.get(name)
        if recorded is None or (is_own and recorded.source == "guessed"):
            found[name] = direction
        elif recorded.higher_is_better != direction.higher_is_better:
            raise UnprocessableError(
                f"higher_is_better says that {_stated(name, direction.higher_is_better)}, but "
                f"the baseline {baseline_id or ''} has it recorded as better "
                f"{_where(recorded)} ({recorded.source}). Leave it out to compare as the baseline "
                "is recorded."
            )
    return found


def _said(higher: bool) -> Direction:
    return Direction(higher_is_better=higher, source="said")


def _stated(name: str, higher: bool) -> str:
    return f"{name!r} is better {'higher' if higher else 'lower'}"


def _where(direction: Direction) -> str:
    return "higher" if direction.higher_is_better else "lower"


class _Segment(NamedTuple):
    """A part of a name. up: for a metric of the tables, its direction."""

    kind: Literal["metric", "qualifier", "score", "number", "negation", "unknown"]
    text: str
    up: bool | None = None


def _tables() -> dict[str, _Segment]:
    """What each word, or sequence of words without separators, means."""
    found: dict[str, _Segment] = {}
    for prefix in ("", *PREFIXES):
        for names_of, up in ((UPWARDS | LIKELIHOODS, True), (DOWNWARDS, False)):
            found |= {prefix + name: _Segment("metric", name, up) for name in names_of}
    found |= {name: _Segment("qualifier", name) for name in QUALIFIERS}
    found |= {name: _Segment("score", name) for name in UPWARDS_QUALIFIERS}
    return found | {name: _Segment("negation", name) for name in NEGATIONS}


_TABLES = _tables()
# Words that may be written without a separator. A shorter one would be found by chance.
_SHORTEST = 3
# A longer word is not split: a name with many such words would take long.
_MAX_SPLIT = 64


def _by_start() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in sorted(_TABLES, key=len, reverse=True):
        if len(word) >= _SHORTEST:
            found.setdefault(word[:_SHORTEST], []).append(word)
    return found


# The words with the same first characters, the longest first.
_BY_START = _by_start()


@lru_cache(maxsize=4096)
def _direction_of(metric: str) -> Direction:
    name = _PARAMETER.sub(" ", unicodedata.normalize("NFKC", metric))
    segments = _segments(_WORD.findall(name)[: _MAX_WORDS + 1])
    is_plain = (
        _SEPARATORS.fullmatch(name) is not None
        and len(segments) <= _MAX_WORDS
        and _TURNED.match(name) is None
    )
    known = _known(segments) if is_plain else None
    if known is not None:
        return Direction(higher_is_better=known, source="known")
    return Direction(higher_is_better=_guess(name, segments), source="guessed")


def _segments(words: list[str]) -> list[_Segment]:
    """A name's words, grouped so that each group is the longest that the tables have."""
    words = [piece for word in words for piece in _pieces(word.lower())]
    found, start = [], 0
    while start < len(words):
        for end in range(min(len(words), start + _LONGEST), start, -1):
            segment = _segment("".join(words[start:end]))
            if segment is not None:
                break
        else:
            end, segment = start + 1, _Segment("unknown", words[start])
        found.append(segment)
        start = end
    return found


def _pieces(word: str) -> list[str]:
    """A word as words of the tables without separators, if it is that: `valloss`, `NEGLOGLOSS`."""
    if word in _TABLES or len(word) > _MAX_SPLIT:
        return [word]
    # For each place, the pieces of the rest of the word, if it has any.
    rests: list[list[str] | None] = [None] * len(word) + [[]]
    for start in range(len(word) - _SHORTEST, -1, -1):
        for piece in _BY_START.get(word[start : start + _SHORTEST], ()):
            if word.startswith(piece, start):
                rest = rests[start + len(piece)]
                if rest is not None:
                    rests[start] = [piece, *rest]
                    break
    return rests[0] or [word]


def _segment(text: str) -> _Segment | None:
    if text.isascii() and text.isdigit():
        return _Segment("number", text)
    return _TABLES.get(text)


def _known(segments: list[_Segment]) -> bool | None:
    """Whether a higher value is better; None where the name does not tell."""
    kinds = [segment.kind for segment in segments]
    metrics = [segment for segment in segments if segment.kind == "metric"]
    if not metrics or "unknown" in kinds or kinds[0] == "number":
        return None
    up = metrics[0].up
    if any(segment.up != up for segment in metrics) or ("score" in kinds and not up):
        return None
    if "negation" not in kinds:
        return up
    is_negated_once = kinds.count("negation") == 1 and kinds.index("negation") < kinds.index(
        "metric"
    )
    # `neg_recall` may be the recall of the negative class.
    turns = not up or any(segment.text in LIKELIHOODS for segment in metrics)
    return not up if is_negated_once and turns else None


def _guess(name: str, segments: list[_Segment]) -> bool:
    words = {segment.text for segment in segments}
    if words & _ALWAYS_LARGE:
        return True
    if words & _ALWAYS_SMALL:
        return False
    metrics = [index for index, segment in enumerate(segments) if segment.kind == "metric"]
    up = bool(segments[metrics[-1]].up) if metrics else not words & _SMALL_IS_BETTER
    before = segments[: metrics[0]] if metrics else segments
    turns = sum(segment.text in _INVERSIONS for segment in before)
    return up ^ (turns % 2 == 1) ^ (_TURNED.match(name) is not None)
