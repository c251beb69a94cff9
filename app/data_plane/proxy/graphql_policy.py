"""The GraphQL policy: which queries of MLflow's web interface are forwarded.

MLflow executes GraphQL in the tenant's workspace, so what a query can reach is the tenant's own.
But a short query can be long work, and the schema has more than the interface uses. So a request is
one operation, of named root fields, within bounds, whose values are all in its variables: there the
gateway can replace experiment 0.

MLflow looks up the experiment and the model versions of each run of a search one by one, where the
query selects them. The gateway lowers the number of runs of such a search: the rest is on further
pages.

The query is read by graphql-core, with which MLflow reads it too: no query can mean one thing here
and another there.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.errors import InvalidParameterError
from app.data_plane.proxy.json_fields import parse
from app.data_plane.proxy.search_policy import check_variables

if TYPE_CHECKING:
    from graphql import language

# Bytes of a request. Those of the interface have some 2 KB.
MAX_REQUEST = 64 * 1024
# Of a query: tokens, levels of fields, fields after fragments have been inserted, aliases, and
# fields of the root.
MAX_TOKENS = 2000
MAX_DEPTH = 8
MAX_FIELDS = 300
MAX_ALIASES = 8
MAX_ROOT_FIELDS = 4
# The fields of the root by the kind of the operation. MLflow declares two searches as mutations.
ROOT_FIELDS = {
    "query": frozenset(
        {
            "mlflowGetExperiment",
            "mlflowGetMetricHistoryBulkInterval",
            "mlflowGetRun",
            "mlflowListArtifacts",
            "mlflowSearchModelVersions",
            "mlflowSearchRuns",
        }
    ),
    "mutation": frozenset({"mlflowSearchDatasets", "mlflowSearchRuns"}),
}
# The name of a type, which Apollo's client requests in each object. Other names that begin with two
# underscores are introspection.
TYPE_NAME = "__typename"
# Fields of variables with ids of experiments.
EXPERIMENTS = ("experimentId", "experimentIds")
# The fields of the root that search, of which a query has one.
SEARCHES = frozenset({"mlflowSearchDatasets", "mlflowSearchModelVersions", "mlflowSearchRuns"})
# The one that searches runs, and the fields of a run that MLflow looks up for each.
SEARCH = "mlflowSearchRuns"
LOOKUPS = frozenset({"experiment", "modelVersions"})
# How many of these a query may select below searches, and how many runs such a search finds. The
# interface shows the first run. Without the field, MLflow finds 1000.
MAX_LOOKUPS = 2
MAX_RUNS = 50
PAGE_SIZE = "maxResults"
_DEFAULT = ("0", 0)


def checked_request(body: bytes, content_type: bytes, default_experiment: str) -> bytes:
    """The GraphQL request to forward.

    Experiment 0 is replaced by the tenant's Default, and a search that looks up more of each run
    finds at most MAX_RUNS. body: the same bytes are returned unless something has to be replaced.
    Raises InvalidParameterError.
    """
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise InvalidParameterError("A GraphQL request has the Content-Type application/json.")
    document = parse(body)
    query, variables = document.get("query"), document.get("variables")
    if not isinstance(query, str):
        raise InvalidParameterError("A GraphQL request has its query in the field `query`.")
    if not isinstance(variables, dict | None):
        raise InvalidParameterError("The variables of a GraphQL request must be a JSON object.")
    searches = check_query(query)
    check_variables(variables)
    places = list(_experiments(variables or {}))
    changed = bool(places)
    for node, name in places:
        value = node[name]
        node[name] = (
            [default_experiment if _is_default(item) else item for item in value]
            if isinstance(value, list)
            else default_experiment
        )
    for name in searches:
        search = (variables or {}).get(name)
        if isinstance(search, dict) and not _is_small(search.get(PAGE_SIZE)):
            search[PAGE_SIZE] = MAX_RUNS
            changed = True
    return json.dumps(document).encode() if changed else body


@lru_cache(32)
def check_query(query: str) -> frozenset[str]:
    """The variables of a query's searches that look up more of each run.

    Raises InvalidParameterError for a query that is not forwarded. The interface sends few
    different ones, so that those that passed are remembered.
    """
    # Imported only if needed: it takes as much memory as a tenth of the gateway.
    from graphql import GraphQLError, language

    try:
        document = language.parse(query, no_location=True, max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        raise InvalidParameterError(f"The GraphQL query is not valid: {error.message}") from None
    except RecursionError:
        raise InvalidParameterError("The GraphQL query is nested too deeply.") from None
    operations = []
    fragments: dict[str, language.FragmentDefinitionNode] = {}
    for definition in document.definitions:
        if isinstance(definition, language.OperationDefinitionNode):
            operations.append(definition)
        elif isinstance(definition, language.FragmentDefinitionNode):
            if definition.name.value in fragments:
                raise InvalidParameterError("The GraphQL query has two fragments of one name.")
            fragments[definition.name.value] = definition
        else:
            raise InvalidParameterError("A GraphQL query consists of operations and fragments.")
    if len(operations) != 1:
        raise InvalidParameterError("A GraphQL request has exactly one operation.")
    return _check_operation(operations[0], fragments)


def _check_operation(
    operation: "language.OperationDefinitionNode",
    fragments: "Mapping[str, language.FragmentDefinitionNode]",
) -> frozenset[str]:
    """As `check_query`."""
    from graphql import language

    allowed = ROOT_FIELDS.get(operation.operation.value, frozenset())
    roots = operation.selection_set.selections
    if len(roots) > MAX_ROOT_FIELDS:
        raise InvalidParameterError(
            f"A GraphQL query may have at most {MAX_ROOT_FIELDS} fields at its root."
        )
    for root in roots:
        if not isinstance(root, language.FieldNode) or root.name.value not in allowed:
            names = ", ".join(sorted(allowed)) or "none"
            raise InvalidParameterError(
                f"The root of a GraphQL {operation.operation.value} has only these fields: {names}."
            )
    for variable in operation.variable_definitions:
        if variable.default_value is not None:
            raise InvalidParameterError("A variable of a GraphQL query has no default value.")
    fields = [root for root in roots if isinstance(root, language.FieldNode)]
    if sum(root.name.value in SEARCHES for root in fields) > 1:
        raise InvalidParameterError("A GraphQL query may have one search.")
    bounds = _Bounds(fragments)
    searches: set[str] = set()
    for root in fields:
        bounds.lookups = 0
        bounds.check(root)
        if root.name.value != SEARCH or not bounds.lookups:
            continue
        if bounds.lookups > MAX_LOOKUPS:
            raise InvalidParameterError(
                f"A GraphQL search may select {' and '.join(sorted(LOOKUPS))} of its runs "
                f"{MAX_LOOKUPS} times in all."
            )
        values = [argument.value for argument in root.arguments]
        searches |= {one.name.value for one in values if isinstance(one, language.VariableNode)}
    return frozenset(searches)


class _Bounds:
    """Counts what a query selects, with its fragments inserted.

    lookups: how many of the fields LOOKUPS were among the checked ones.
    """

    def __init__(self, fragments: "Mapping[str, language.FragmentDefinitionNode]") -> None:
        self._fragments = fragments
        self._fields = self._aliases = 0
        self.lookups = 0

    def check(self, node: "language.SelectionNode", depth: int = 1) -> None:
        """Raises InvalidParameterError. depth: levels of fields and fragments, so that fragments
        that contain each other end too."""
        from graphql import language

        if depth > MAX_DEPTH:
            raise InvalidParameterError(
                f"A GraphQL query may have at most {MAX_DEPTH} levels of fields and fragments."
            )
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise InvalidParameterError(f"A GraphQL query may select at most {MAX_FIELDS} fields.")
        if isinstance(node, language.FieldNode):
            self._check_field(node, is_root=depth == 1)
            inner = node.selection_set
        elif isinstance(node, language.InlineFragmentNode):
            inner = node.selection_set
        else:
            assert isinstance(node, language.FragmentSpreadNode)
            fragment = self._fragments.get(node.name.value)
            if fragment is None:
                raise InvalidParameterError(
                    f"The GraphQL query has no fragment {node.name.value!r}."
                )
            inner = fragment.selection_set
        for selected in inner.selections if inner is not None else ():
            self.check(selected, depth + 1)

    def _check_field(self, field: "language.FieldNode", *, is_root: bool) -> None:
        from graphql import language

        if field.name.value.startswith("__") and field.name.value != TYPE_NAME:
            raise InvalidParameterError("The gateway does not forward GraphQL introspection.")
        if field.name.value in LOOKUPS and not is_root:
            self.lookups += 1
        if field.alias is not None:
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                raise InvalidParameterError(
                    f"A GraphQL query may have at most {MAX_ALIASES} aliases."
                )
        if field.arguments and not is_root:
            raise InvalidParameterError("Only fields at the root of a query take arguments.")
        for argument in field.arguments:
            if not isinstance(argument.value, language.VariableNode):
                raise InvalidParameterError(
                    "The values of a GraphQL query belong in its variables: "
                    f"{argument.name.value}: $input."
                )


def _experiments(node: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """The fields of variables that name experiment 0, and the objects that have them."""
    if isinstance(node, list):
        for child in node:
            yield from _experiments(child)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in EXPERIMENTS and any(
                map(_is_default, value if isinstance(value, list) else [value])
            ):
                yield node, name
            else:
                yield from _experiments(value)


def _is_small(page_size: object) -> bool:
    """Whether a search finds no more runs than MAX_RUNS. GraphQL takes 50.0 for a whole number."""
    return (
        isinstance(page_size, int | float)
        and not isinstance(page_size, bool)
        and 0 < page_size <= MAX_RUNS
    )


def _is_default(value: object) -> bool:
    return value in _DEFAULT and not isinstance(value, bool)
