"""What a request may carry to the routes that the manifest marks.

MLflow keeps workspaces apart, but not everywhere: each rule here shuts a way round that. Looked at
are the id of experiment 0, which stands for the tenant's experiment Default; fields that would let
a client choose where the server reads or writes; and the runs and models that a client names. Every
other body passes unread.
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

# MLflow reads parameters from the body of a GET that has no query; its clients never send one.
BODILESS = frozenset({"GET", "HEAD"})
# A longer JSON body is refused where the gateway has to read it.
MAX_INSPECTED = 2 * 1024 * 1024
# MLflow decodes a source until it no longer changes, in time that grows with its square.
MAX_SOURCE = 2048

DEFAULT = "0"
# Tags by which MLflow finds a trace's files: a server that follows them reads any path.
RESERVED_TAGS = frozenset(
    {"mlflow.artifactLocation", "mlflow.trace.archiveLocation", "mlflow.trace.spansLocation"}
)
# What MLflow's clients send as the source of a prompt, which has none.
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})
PROMPT_TAG = "mlflow.prompt.is_prompt"

_SCALAR = (str, int, float)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#]")


@dataclass(frozen=True, slots=True)
class Payload:
    """A body that may go upstream, and whom it names.

    runs, models, experiments: ids of those that have to be the tenant's own.
    """

    body: bytes
    runs: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    experiments: frozenset[str] = frozenset()

    @property
    def references_resources(self) -> bool:
        """Whether MLflow has to be asked whose something is."""
        return bool(self.runs or self.models or self.experiments)


def inspect(route: Route, body: bytes, default_experiment: str, workspace: str) -> Payload:
    """The JSON body to send upstream on a route with `inspects_body`.

    default_experiment is the id of the tenant's experiment Default; workspace is the tenant's, or
    "" where tenants share one MLflow. Answers the very bytes that came when nothing had to change.
    Raises InvalidParameterError, with what is wrong, for a body that is not one JSON object read
    the same way by everybody, and for what the route must not carry.
    """
    if route.names_models_only and not _may_name_model(body):
        return Payload(body)
    document = parse(body) if body.strip() else {}
    for path in route.forbidden:
        if any(value not in (None, "") for value in values(document, path)):
            field = path.rpartition(".")[2]
            raise InvalidParameterError(f"{field} cannot be chosen here: the server sets it.")
    for path in route.tags:
        for tags in values(document, path):
            _check_tags(tags)
    experiments = [one for path in route.own_experiments for one in values(document, path)]
    if not all(isinstance(one, _SCALAR) for one in experiments):
        # MLflow would keep its text as an id.
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
    )


def rewrite_query(route: Route, query: bytes, default_experiment: str) -> bytes:
    """The query to send upstream: experiment 0 replaced in the parameters that the route marks.

    Every other byte stays as it came.
    """
    if not route.experiment_queries or b"0" not in query:
        return query
    return b"&".join(
        _parameter(pair, route.experiment_queries, default_experiment) for pair in query.split(b"&")
    )


def rewrite_experiment(value: bytes, default_experiment: str) -> bytes:
    """The value of the route's `experiment_header` to send upstream."""
    return default_experiment.encode() if value.strip() == DEFAULT.encode() else value


def check_source(source: object, workspace: str) -> None:
    """Raise InvalidParameterError unless a source lies within the tenant, as far as it says.

    Allowed are `runs:/…`, `models:/…` and `mlflow-artifacts:/workspaces/<workspace>/…`, without an
    authority. Whether a run or model is the tenant's own, MLflow finds out by its workspace.
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
            " relative segments; files elsewhere have to be logged to a run first."
        )
    if scheme == "mlflow-artifacts" and workspace:
        own = segments[1:3] == ["workspaces", workspace]
        # MLflow's own workspace `default` keeps its older artifacts outside of workspaces/.
        if not own and (workspace != "default" or segments[1] == "workspaces"):
            raise InvalidParameterError("source is an artifact outside of your workspace.")


def _with_experiments(
    route: Route, document: dict[str, Any], body: bytes, default_experiment: str
) -> bytes:
    """The body with the Default experiment's id wherever it means experiment 0."""
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
    if not changed:
        return body
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:
        raise InvalidParameterError("The JSON body has a number that is too large.") from None


def _may_name_model(body: bytes) -> bool:
    """Whether a body could hold a field `model_id` or `modelId`, told without reading it.

    A name can hide behind an escape, or in another encoding than UTF-8, which has zero bytes.
    """
    return b"odel" in body or b"\\" in body or b"\0" in body


def _runs(source: object) -> Iterator[str]:
    """The run that a source says it is from."""
    scheme, _, path = str(source).partition(":/")
    if scheme == "runs":
        yield path.partition("/")[0]


def _ids(*found: Iterator[Any]) -> frozenset[str]:
    # MLflow makes text of a number.
    return frozenset(str(one) for ids in found for one in ids if one and isinstance(one, _SCALAR))


def _check_tags(tags: Any) -> None:
    """Refuse tags of the server's own: a tag's key, a map of tags, or a list of objects with it."""
    if isinstance(tags, list):
        names: Any = [name for tag in tags for name in values(tag, "key")]
    else:
        names = [tags] if isinstance(tags, str) else tags
    for name in names if isinstance(names, dict | list) else ():
        if isinstance(name, str) and name in RESERVED_TAGS:
            raise InvalidParameterError(f"The tag {name} is the server's own.")


def _parameter(pair: bytes, names: tuple[str, ...], default_experiment: str) -> bytes:
    name, equals, value = pair.partition(b"=")
    if not equals or unquote_plus(value.decode("latin-1")) != DEFAULT:
        return pair
    if unquote_plus(name.decode("latin-1")) not in names:
        return pair
    return name + b"=" + quote_plus(default_experiment).encode()


def _replace(document: dict[str, Any], path: str, default_experiment: str) -> bool:
    """Replace experiment 0 at a path of fields, in place. True if there was one."""
    changed = False
    for node, name in places(document, path):
        value = node[name]
        if path.endswith("[]") and isinstance(value, list):
            if any(map(_is_default, value)):
                node[name] = [default_experiment if _is_default(one) else one for one in value]
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
