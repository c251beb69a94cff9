"""The search policy: how much work a search may ask of MLflow.

MLflow joins a table for each condition of a filter, and for each key of an order. PostgreSQL plans
such a query in a time that grows faster than the square of their number: a request of 5 KB with 300
conditions keeps PostgreSQL and MLflow busy for minutes, also after its client and the gateway have
stopped waiting. MLflow has no bound of its own.

PostgreSQL evaluates RLIKE: with back-references, a pattern of 30 bytes and a text of 3 KB keep it
busy for minutes too.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from app.core.errors import InvalidParameterError
from app.data_plane.proxy.json_fields import values
from app.data_plane.proxy.manifest import Route

# Of one request: conditions of its filters, characters of each, keys of its order, and regular
# expressions. The longest filters name runs in a list, of which one with this many characters has
# 800.
MAX_CONDITIONS = 30
MAX_FILTER = 32 * 1024
MAX_KEYS = 10
MAX_PATTERNS = 3
# Experiments that a search names. Its client can name all of a tenant's.
MAX_EXPERIMENTS = 10_000

# What compares in a filter: each condition has one. Those in quoted text are counted as well, since
# a second parser of quotes and comments would not always agree with MLflow's. Words are counted
# only before what can follow them in a condition.
_COMPARISON = re.compile(
    r"[=<>!~]+|\b(?:in|[ir]?like|is)(?=\s*(?:[('\"`#/]|--|null\b|not\b))", re.IGNORECASE
)
_PATTERN = re.compile(r"\brlike\b", re.IGNORECASE)
_BACK_REFERENCE = re.compile(r"\\[1-9]")


def check_document(route: Route, document: dict[str, Any]) -> None:
    """Check the search in a JSON body. Raises InvalidParameterError for one beyond the bounds."""
    for path in route.experiments:
        if "[]" in path and sum(1 for _ in values(document, path)) > MAX_EXPERIMENTS:
            raise InvalidParameterError(
                f"A request may name at most {MAX_EXPERIMENTS} experiments. Send it in parts."
            )
    _check(
        (value for path in route.filters for value in values(document, path)),
        (value for path in route.orders for value in values(document, path)),
    )


def check_query(route: Route, query: bytes) -> None:
    """The same for the parameters of a GET, which may be percent-encoded."""
    if not query or not (route.filters or route.orders):
        return
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    filters = {path.removesuffix("[]") for path in route.filters}
    orders = {path.removesuffix("[]") for path in route.orders}
    _check(
        (value for name, value in pairs if name in filters),
        (value for name, value in pairs if name in orders),
    )


def check_variables(node: Any) -> None:
    """The same for the variables of a GraphQL request, wherever they have a filter or an order."""
    if isinstance(node, list):
        for child in node:
            check_variables(child)
    elif isinstance(node, dict):
        order = node.get("orderBy")
        _check([node.get("filter")], order if isinstance(order, list) else [order])
        for child in node.values():
            check_variables(child)


def _check(filters: Iterable[object], keys: Iterable[object]) -> None:
    conditions = patterns = 0
    for text in filters:
        if isinstance(text, str):
            if len(text) > MAX_FILTER:
                raise InvalidParameterError(
                    f"A filter may have at most {MAX_FILTER} characters. Search in several parts."
                )
            conditions += sum(1 for _ in _COMPARISON.finditer(text))
            patterns += sum(1 for _ in _PATTERN.finditer(text))
            if patterns and _BACK_REFERENCE.search(text) is not None:
                raise InvalidParameterError(
                    "A regular expression in a filter must not have back-references (\\1)."
                )
    if conditions > MAX_CONDITIONS:
        raise InvalidParameterError(
            f"The filters of a search may have at most {MAX_CONDITIONS} conditions, and this one "
            f"has {conditions}. Search with fewer, and filter the results."
        )
    if patterns > MAX_PATTERNS:
        raise InvalidParameterError(
            f"The filters of a search may have at most {MAX_PATTERNS} regular expressions (RLIKE)."
        )
    if sum(1 for _ in keys) > MAX_KEYS:
        raise InvalidParameterError(f"A search may be ordered by at most {MAX_KEYS} keys.")
