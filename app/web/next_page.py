"""Where a browser goes after signing in: a page of the gateway's own origin, and no other."""

import re
from typing import Annotated

from fastapi import Query

# What a request names as `next`.
Next = Annotated[str | None, Query(alias="next")]
DEFAULT = "/"
# Printable ASCII without a backslash, which browsers read as a slash. The path is without `//`,
# with which the name of another host could begin; a query or fragment may have it.
_OWN = re.compile(r"/(?!/)(?:(?!//)[!\"$->@-\[\]-~])*(?:[?#][!-\[\]-~]*)?")
# Pages that one only passes through.
_PASSED = ("/login", "/logout")


def next_page(text: str | None) -> str:
    """The path, with query and fragment, that a request names as `next`.

    text: as decoded from the query or the form. What is not a page of this origin is replaced by
    the first page.
    """
    if not text or _OWN.fullmatch(text) is None:
        return DEFAULT
    path = re.split("[?#]", text, maxsplit=1)[0]
    return DEFAULT if path in _PASSED else text
