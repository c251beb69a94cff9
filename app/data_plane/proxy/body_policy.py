"""The body policy: what the body of a request may contain, for routes that the manifest marks.

MLflow keeps its workspaces apart, but not on every route. Each rule here closes one of those gaps.
The rules concern experiment id 0, which is replaced by the id of the tenant's experiment Default;
fields by which a client could choose where the server reads or writes; and the runs, models and
experiments that a client names. All other bodies are forwarded without being parsed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from app.core.errors import InvalidParameterError
from app.data_plane.proxy.json_fields import parse, places, values
from app.data_plane.proxy.manifest import Route
from app.data_plane.proxy.search_policy import check_document

# Bytes of the JSON body in which a GET may send its parameters: several times the longest query.
MAX_PARAMETERS = 64 * 1024
# Bytes that a JSON body may have where the gateway has to parse it.
MAX_INSPECTED = 2 * 1024 * 1024
# Characters of a source. MLflow decodes it until it no longer changes, in quadratic time.
MAX_SOURCE = 2048

DEFAULT = "0"
# Tags by which MLflow finds the files of a trace: setting them would choose a path to be read.
RESERVED_TAGS = frozenset(
    {"mlflow.artifactLocation", "mlflow.trace.archiveLocation", "mlflow.trace.spansLocation"}
)
# Placeholders that MLflow's clients send as the source of a prompt.
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})
# How MLflow's ids of issues begin.
ISSUE_PREFIX = "iss-"
PROMPT_TAG = "mlflow.prompt.is_prompt"

_SCALAR = (str, int, float)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#]")


@dataclass(frozen=True, slots=True)
class Payload:
    """A body that may be forwarded, and what it names.

    runs, models, experiments, issues: ids in the body that have to be the tenant's own.
    """

    body: bytes
    runs: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    experiments: frozenset[str] = frozenset()
    issues: frozenset[str] = frozenset()

    @property
    def references_resources(self) -> bool:
        """Whether the body names anything whose owner has to be checked."""
        return bool(self.runs or self.models or self.experiments or self.issues)


def inspect(route: Route, body: bytes, default_experiment: str, workspace: str) -> Payload:
    """The JSON body to forward on a route with `inspects_body`.

    body: the same bytes are returned unless something has to be changed. default_experiment: the id
    of the tenant's experiment Default. workspace: the tenant's, or "" where tenants share one
    MLflow.

    Raises InvalidParameterError for a body that is not a JSON object, that parsers could read in
    different ways, or that contains what the route must not carry.
    """
    if not is_parsed(route, body):
        return Payload(body)
    document = parse(body) if body.strip() else {}
    check_document(route, document)
    for path, maximum in route.maxima:
        if any(_exceeds(value, maximum) for value in values(document, path)):
            raise InvalidParameterError(f"{path} may be at most {maximum}.")
    for path in route.forbidden:
        if any(value not in (None, "") for value in values(document, path)):
            field = path.rpartition(".")[2]
            raise InvalidParameterError(f"{field} must be empty or absent: the server sets it.")
    for path in route.tags:
        for tags in values(document, path):
            _check_tags(tags)
    experiments = [value for path in route.own_experiments for value in values(document, path)]
    if not all(isinstance(value, _SCALAR) for value in experiments):
        # MLflow would store the text of an object or a list as an id.
        raise InvalidParameterError("experiment_ids must be a list of ids.")
    sources = list(values(document, route.source)) if route.source is not None else []
    is_prompt = PROMPT_TAG in values(document, "tags[].key")
    for source in sources:
        if source is not None and not (is_prompt and source in PROMPT_SOURCES):
            check_source(source, workspace)
    body = _with_experiments(route, document, body, default_experiment)
    return Payload(
        body,
        runs=_ids(values(document, route.run), *map(_runs, sources)) if route.run else frozenset(),
        models=_ids(*(values(document, path) for path in route.models)),
        experiments=_ids(iter(experiments)) - {default_experiment, DEFAULT},
        issues=_ids(*(filter(_is_issue, values(document, path)) for path in route.issues)),
    )


def is_parsed(route: Route, body: bytes) -> bool:
    """Whether `inspect` has to parse a body, which takes longer the larger it is."""
    return not route.names_models_only or _may_name_model(body)


def inspect_parameters(route: Route, body: bytes, query: bytes, default_experiment: str) -> bytes:
    """The body to forward of a GET; b"" where it has no parameters.

    MLflow reads the parameters of a GET from its body if it has no query. body: the same bytes are
    returned unless an id of experiment 0 has to be replaced, in the parameters that the route marks
    in the query. Raises InvalidParameterError for a body that is not a JSON object, that parsers
    could read in different ways, or that comes with a query, which MLflow would read instead.
    """
    document = parse(body) if body.strip() else {}
    if not document:
        return b""
    if query:
        raise InvalidParameterError(
            "A GET sends its parameters either in the query or in a JSON body; this one has both."
        )
    check_document(route, document)
    # A list, so that all of them are replaced; `[]` stands for a single value too.
    changed = [
        _replace(document, f"{name}[]", default_experiment) for name in route.experiment_queries
    ]
    return _encode(document) if any(changed) else body


def rewrite_query(route: Route, query: bytes, default_experiment: str) -> bytes:
    """The query to forward: experiment 0 replaced in the parameters that the route marks.

    All other bytes are unchanged.
    """
    if not route.experiment_queries or b"0" not in query:
        return query
    return b"&".join(
        _parameter(pair, route.experiment_queries, default_experiment) for pair in query.split(b"&")
    )


def rewrite_experiment(value: bytes, default_experiment: str) -> bytes:
    """The value to forward of the route's `experiment_header`."""
    return default_experiment.encode() if value.strip() == DEFAULT.encode() else value


def check_source(source: object, workspace: str) -> None:
    """Raise InvalidParameterError unless a source is a URI within the tenant.

    Allowed are `runs:/…`, `models:/…` and `mlflow-artifacts:/workspaces/<workspace>/…`, without an
    authority. Whether a run or model is the tenant's own is checked elsewhere, by its workspace.
    """
    if not isinstance(source, str):
        raise InvalidParameterError("source must be a string.")
    if len(source) > MAX_SOURCE:
        raise InvalidParameterError(f"source is longer than {MAX_SOURCE} characters.")
    decoded = _decoded(source)
    scheme, colon, path = decoded.partition(":")
    segments = path.split("/")
    if (
        not colon
        or scheme not in ("runs", "models", "mlflow-artifacts")
        or not source.startswith(scheme + ":/")
        or segments[0]
        or (len(segments) > 1 and not segments[1])
        or {".", ".."} & set(segments)
        or _UNSAFE.search(decoded) is not None
    ):
        raise InvalidParameterError(
            "source must be a runs:/, models:/ or mlflow-artifacts:/ URI of your own, without"
            " relative segments. Log files that are stored elsewhere to a run first."
        )
    if scheme == "mlflow-artifacts" and workspace:
        own = segments[1:3] == ["workspaces", workspace]
        # MLflow's workspace `default` keeps artifacts outside of workspaces/ too.
        if not own and (workspace != "default" or segments[1] == "workspaces"):
            raise InvalidParameterError("source must be an artifact in your own workspace.")


def _with_experiments(
    route: Route, document: dict[str, Any], body: bytes, default_experiment: str
) -> bytes:
    """The body with the id of the tenant's experiment Default in the place of experiment 0."""
    changed = False
    if route.optional_experiment:
        path = route.experiments[0]
        if all(value in (None, "") for value in values(document, path)):
            for node, name in list(places(document, path)):
                del node[name]
            document[path] = default_experiment
            changed = True
    for path in route.experiments:
        changed = _replace(document, path, default_experiment) or changed
    return _encode(document) if changed else body


def _encode(document: dict[str, Any]) -> bytes:
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:
        raise InvalidParameterError("The JSON body has a number that is too large.") from None


def _may_name_model(body: bytes) -> bool:
    """Whether a body could have a field `model_id` or `modelId`, found out without parsing it.

    The name may be written with an escape, or in an encoding with zero bytes, such as UTF-16.
    """
    return b"odel" in body or b"\\" in body or b"\0" in body


def _is_issue(name: object) -> bool:
    """Whether the name of an assessment is the id of an issue, which the assessment refers to."""
    return isinstance(name, str) and name.startswith(ISSUE_PREFIX)


def _runs(source: object) -> Iterator[str]:
    """The run that a source names."""
    scheme, _, path = str(source).partition(":/")
    if scheme == "runs":
        yield path.partition("/")[0]


def _exceeds(value: object, maximum: int) -> bool:
    """Whether a number is larger, in each form that MLflow's parser (protobuf) reads."""
    try:
        return isinstance(value, _SCALAR) and int(value) > maximum
    except (ValueError, OverflowError):
        return False  # MLflow refuses it


def _ids(*found: Iterator[Any]) -> frozenset[str]:
    # As strings, because MLflow accepts an id that is a number, and converts it.
    return frozenset(
        str(value) for values in found for value in values if value and isinstance(value, _SCALAR)
    )


def _check_tags(tags: Any) -> None:
    """Raise InvalidParameterError for a reserved tag.

    tags: the key of a tag, an object of tags, or a list of objects with a `key`.
    """
    if isinstance(tags, list):
        names: Any = [name for tag in tags for name in values(tag, "key")]
    else:
        names = [tags] if isinstance(tags, str) else tags
    for name in names if isinstance(names, dict | list) else ():
        if isinstance(name, str) and name in RESERVED_TAGS:
            raise InvalidParameterError(f"The tag {name} is reserved for the server.")


def _parameter(pair: bytes, names: tuple[str, ...], default_experiment: str) -> bytes:
    name, equals, value = pair.partition(b"=")
    if not equals or unquote_plus(value.decode("latin-1")) != DEFAULT:
        return pair
    if unquote_plus(name.decode("latin-1")) not in names:
        return pair
    return name + b"=" + quote_plus(default_experiment).encode()


def _replace(document: dict[str, Any], path: str, default_experiment: str) -> bool:
    """Replace experiment 0 at a dotted path, in place; whether there was one."""
    changed = False
    for node, name in places(document, path):
        value = node[name]
        if path.endswith("[]") and isinstance(value, list):
            if any(map(_is_default, value)):
                node[name] = [default_experiment if _is_default(item) else item for item in value]
                changed = True
        elif _is_default(value):
            node[name] = default_experiment
            changed = True
    return changed


def _is_default(value: object) -> bool:
    return value == DEFAULT or (type(value) is int and value == 0)


def _decoded(text: str) -> str:
    while (decoded := unquote_plus(text)) != text:
        text = decoded
    return text
