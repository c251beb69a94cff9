"""Names of members of a contribution that are meant for a known one.

A contribution keeps further members as its details, so a misspelt share would pass without a word,
and be divided evenly instead.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

# What each known member holds, in words.
MEMBERS = {
    "weight_bps": "the share in the improvement in basis points, 1 to 10000",
    "contributor": "the Ethereum address of the contributor",
    "data_size": "the number of samples",
    "data_hash": "a hash that identifies the data",
}

# Other words for a share. Any name that consists of these and of `_AROUND` is meant for one.
_SHARE = frozenset(
    {
        *("weight", "weights", "weighting", "weightage", "wt", "share", "shares", "bp", "bps"),
        *("basis", "basispoint", "basispoints", "percent", "percents", "percentage", "pct", "perc"),
        *("proportion", "proportions", "fraction", "portion", "split", "quota", "allocation"),
        *("stake", "cut", "royalty", "ownership", "contribution"),
        *("contributions",),
    }
)
_AROUND = frozenset(
    {
        *("contributor", "contributors", "data", "point", "points"),
        *("reward", "rewards", "revenue", "payout", "profit", "token", "tokens", "improvement"),
        *("in", "of", "as", "the", "my", "total", "value", "amount"),
    }
)
# Other names, without separators.
_MEANT = {
    "contributor": (
        *("contributor", "contributoraddress", "address", "wallet", "walletaddress", "ethaddress"),
        *("ethereumaddress", "contributorwallet", "contributorid", "account", "owner"),
        *("recipient", "beneficiary", "payee", "receiver", "payto", "payoutaddress"),
    ),
    "data_size": (
        *("datasize", "samples", "size", "sample", "samplesize", "samplecount", "numsamples"),
        *("nsamples", "numberofsamples", "datasetsize", "datacount"),
    ),
    "data_hash": ("datahash", "hash", "datasethash", "sha256", "datasha256", "hashofdata"),
    "weight_bps": (
        *("weightbps", "weightbp", "weightpercent", "weights", "weight", "sharebps", "sharebp"),
        *("shares", "share", "percentage", "percent", "basispoints", "proportion", "fraction"),
    ),
}
# Words of their own that one edit would make a known name.
_OTHER_WORDS = frozenset({"height", "shape", "shapes", "shard", "spare", "sharp", "eight"})
# A longer name is near none of the known ones.
_LONGEST = 24
# The characters of names without separators; `?` stands for all others.
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789?"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_]")


def meant_member(name: str) -> str | None:
    """The known member that the name of another one is near, or means; None for a name of its own.

    Near are other spellings, cases and separators, synonyms, and names with one edit: a character
    that is added, missing, replaced or exchanged with its neighbour.
    """
    plain = unicodedata.normalize("NFKC", name)[: 4 * _LONGEST]
    words = {word.lower() for word in _WORD.findall(plain)}
    if words & _SHARE and words <= _SHARE | _AROUND:
        return "weight_bps"
    squashed = re.sub(r"[\W_]+", "", plain).lower()
    if len(squashed) > _LONGEST or squashed in _OTHER_WORDS:
        return None
    return _near_names().get(re.sub(r"[^a-z0-9]", "?", squashed))


@cache
def _near_names() -> dict[str, str]:
    """Every name near a known one, without separators, and the member that it is meant for.

    Computed once, so that a request with thousands of names costs a look-up for each.
    """
    near: dict[str, str] = {}
    for member, names in reversed(_MEANT.items()):
        for name in names:
            # In a short name an edit makes another word: `date`, `side`, `data`.
            near |= dict.fromkeys(_edited(name) if len(name) > 4 else (), member)
    return near | {name: member for member, names in _MEANT.items() for name in names}


def _edited(name: str) -> Iterator[str]:
    for place in range(len(name) + 1):
        before, after = name[:place], name[place:]
        for character in _CHARACTERS:
            yield before + character + after
            yield before + character + after[1:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
