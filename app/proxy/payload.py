"""What a request may carry to the routes that the manifest marks.

Three things are looked at: the id of experiment 0, which stands for the tenant's experiment
Default; fields that would let a client choose where the server reads or writes; and the source and
run that a model comes from. Every other body passes unread.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from app.errors import InvalidParameterError
from app.proxy.manifest import Route

# MLflow reads parameters from the body of a GET that has no query; its clients never send one.
BODILESS = frozenset({"GET", "HEAD"})
# A longer JSON body is refused where the gateway has to read it.
MAX_INSPECTED = 2 * 1024 * 1024
MAX_DEPTH = 64
# Decoding until nothing changes takes a time that grows with the square of the length.
MAX_SOURCE = 2048

DEFAULT = "0"
# Tags by which MLflow finds a trace's files: a server that follows them reads any path.
RESERVED_TAGS = frozenset(
    {"mlflow.artifactLocation", "mlflow.trace.archiveLocation", "mlflow.trace.spansLocation"}
)
# What MLflow's clients send as the source of a prompt, which has none.
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#]")


def rewrite(route: Route, body: bytes, default_experiment: str, workspace: str) -> bytes:
    """The JSON body to send upstream on a route with `inspects_body`.

    default_experiment is the id of the tenant's experiment Default; workspace is the tenant's, or
    "" where tenants share one MLflow. Answers the very bytes that came when nothing had to change.
    Raises InvalidParameterError, with what is wrong, for a body that is not one JSON object read
    the same way by everybody, and for what the route must not carry.
    """
    document = parse(body) if body.strip() else {}
    for field in route.forbidden:
        if any(document.get(name) not in (None, "") for name in _names(field)):
            raise InvalidParameterError(
                f"{field} cannot be chosen here: the registry decides where artifacts are stored."
            )
    if route.tag is not None:
        _check_tag(document, route.tag)
    if route.source is not None:
        for name in _names(route.source):
            if document.get(name) is not None:
                check_source(document[name], workspace)
    changed = False
    if route.optional_experiment:
        names = _names(route.experiments[0])
        if all(document.get(name) in (None, "") for name in names):
            for name in names:
                document.pop(name, None)
            document[names[0]] = default_experiment
            changed = True
    for field in route.experiments:
        changed = _replace(document, _steps(field), default_experiment) or changed
    if not changed:
        return body
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:
        raise InvalidParameterError("The JSON body has a number that is too large.") from None


def runs_named(route: Route, body: bytes) -> frozenset[str]:
    """The ids of the runs that a body which passed `rewrite` says a model comes from."""
    if route.run is None:
        return frozenset()
    document = parse(body) if body.strip() else {}
    found = {document.get(name) for name in _names(route.run)}
    for name in _names(route.source) if route.source else ():
        scheme, _, path = str(document.get(name) or "").partition(":/")
        if scheme == "runs":
            found.add(path.partition("/")[0])
    return frozenset(run for run in found if run and isinstance(run, str))


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


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, read strictly: UTF-8, no key twice, no NaN, at most 64 deep.

    Raises InvalidParameterError.
    """
    try:
        document = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise InvalidParameterError("The body must be JSON in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidParameterError(f"The body is not valid JSON: {problem}.") from None
    if not isinstance(document, dict):
        raise InvalidParameterError("The body must be a JSON object.")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(document) > MAX_DEPTH:
        raise InvalidParameterError("The body is not valid JSON: it is nested too deeply.")
    return document


def check_source(source: object, workspace: str) -> None:
    """Raise InvalidParameterError unless a source lies within the tenant, as far as it says.

    Allowed are `runs:/…`, `models:/…` and `mlflow-artifacts:/workspaces/<workspace>/…`, without an
    authority. Whether a run or model is the tenant's own, MLflow finds out by its workspace.
    """
    if not isinstance(source, str):
        raise InvalidParameterError("source must be a string.")
    if source in PROMPT_SOURCES:
        return
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


def _check_tag(document: dict[str, Any], field: str) -> None:
    for name in _names(field):
        if isinstance(document.get(name), str) and document[name] in RESERVED_TAGS:
            raise InvalidParameterError(f"The tag {document[name]} is the server's own.")


def _parameter(pair: bytes, names: tuple[str, ...], default_experiment: str) -> bytes:
    name, equals, value = pair.partition(b"=")
    if not equals or unquote_plus(value.decode("latin-1")) != DEFAULT:
        return pair
    if unquote_plus(name.decode("latin-1")) not in names:
        return pair
    return name + b"=" + quote_plus(default_experiment).encode()


@cache
def _names(field: str) -> tuple[str, str]:
    """A field's two spellings in JSON: protobuf's parser, which MLflow uses, takes both."""
    head, *rest = field.split("_")
    return field, head + "".join(part.title() for part in rest)


@cache
def _steps(field: str) -> tuple[tuple[tuple[str, str], bool], ...]:
    return tuple(
        (_names(part.removesuffix("[]")), part.endswith("[]")) for part in field.split(".")
    )


def _replace(
    node: Any, steps: tuple[tuple[tuple[str, str], bool], ...], default_experiment: str
) -> bool:
    """Replace experiment 0 at the end of a path of fields, in place. True if there was one."""
    if not isinstance(node, dict):
        return False
    (names, repeated), *rest = steps
    changed = False
    for name in names if names[0] != names[1] else names[:1]:
        value = node.get(name)
        if rest:
            for child in value if repeated and isinstance(value, list) else [value]:
                changed = _replace(child, tuple(rest), default_experiment) or changed
        elif repeated and isinstance(value, list):
            if any(map(_is_default, value)):
                node[name] = [default_experiment if _is_default(one) else one for one in value]
                changed = True
        elif _is_default(value):
            node[name] = default_experiment
            changed = True
    return changed


def _is_default(value: object) -> bool:
    return value == DEFAULT or (type(value) is int and value == 0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("it has a key twice")
    return result


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [child for node in level for child in _children(node)]
    return depth


def _children(node: Any) -> Iterator[Any]:
    values = node.values() if isinstance(node, dict) else node
    return (value for value in values if isinstance(value, dict | list))


def _decoded(text: str) -> str:
    while (decoded := unquote_plus(text)) != text:
        text = decoded
    return text
