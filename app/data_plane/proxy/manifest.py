"""The route manifest: which of MLflow's routes are forwarded, for which scope, with what content.

The routes are data, in `routes.txt` beside this file; the comment at its top explains the columns.
A route that is not listed there is not forwarded. A test compares the list with the routes of the
installed MLflow.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import NamedTuple

from app.core.errors import MethodNotAllowedError, RouteRefusedError, UnknownRouteError
from app.core.request.principal import Scope

# Why a route of MLflow is not forwarded, by the name in `routes.txt`; the text is for the caller.
REASONS = {
    "administration": "it administers the MLflow server",
    "runs-code": "it runs code on the MLflow server",
    "spends-money": "it belongs to the AI gateway, which spends its operator's money",
    "calls-out": "it makes servers call addresses of the caller's choice",
    "people": "it needs MLflow's own user accounts, which the gateway replaces",
    "interface": "MLflow's web interface works without it",
    "not-implemented": "MLflow itself does not implement it",
}

# Where MLflow's clients find its routes, and where its web interface does.
MIRRORED, MIRRORS = "/api/", "/ajax-api/"
NO_MIRROR = "no-mirror"
# Marks without a value.
FLAGS = frozenset(
    {"artifact", "dataset", "file", "gateway", "graphql", "otlp", "public", NO_MIRROR}
)
# Those by which a request cannot take the fast path.
NEED_TASK = frozenset({"dataset", "file", "gateway", "graphql", "otlp"})


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path pattern of MLflow.

    Fields of the JSON body are given as dotted paths, in which `name[]` is a repeated field.

    pattern: the path below /api/mlflow; `{name}` stands for one segment, `{name:path}` for one or
        more. It is the route's label in metrics and logs.
    family: the heading in the API reference.
    scope: the scope that the caller needs; None for a refused route.
    refused: a key of REASONS, or None.
    experiments: fields of the body that contain experiment ids.
    optional_experiment: if the first of them is absent, experiment 0 is meant.
    experiment_queries: query parameters that contain experiment ids.
    experiment_header: the header that contains an experiment id, in lower case.
    source: the field of the body that says where a model's files are stored.
    run: the field of the body that names the run of a model.
    models: fields of the body that name logged models.
    own_experiments: fields of the body that name experiments which MLflow does not look up.
    issues: fields of the body that can name an issue, which MLflow does not look up.
    filters, orders: fields of the body, and parameters of the query, that contain the filter of a
        search and the keys of its order (see search_policy.py).
    maxima: fields of the body with numbers, and the largest value of each.
    dataset: the first parameter of the path names a dataset, which MLflow does not look up.
    tags: fields of the body that contain tags, or the key of one (see RESERVED_TAGS).
    otlp: the body is in OTLP, whose attributes can contain such tags.
    forbidden: fields of the body that must be empty.
    artifact: the body is an artifact, which MLflow accepts in any framing. On other routes it reads
        a chunked body as an empty one.
    names_artifact: the first parameter of the path is the name of an artifact.
    file: the body is a file, which MLflow reads whole; the query has its name.
    graphql: the body is a GraphQL request.
    gateway: the gateway itself responds. public: without a credential.
    mirror: the same as a route below /api/, for MLflow's web interface.
    needs_task: the gateway has to wait for something, or in a thread, before it can forward it.
    inspects_body: the body is JSON that the gateway has to parse, for one of the marks above.
    names_models_only: the body has to be parsed for `models` only. Most bodies of these routes, the
        most frequent ones, name none.
    """

    method: str
    pattern: str
    family: str = ""
    scope: Scope | None = None
    refused: str | None = None
    experiments: tuple[str, ...] = ()
    optional_experiment: bool = False
    experiment_queries: tuple[str, ...] = ()
    experiment_header: bytes | None = None
    source: str | None = None
    run: str | None = None
    models: tuple[str, ...] = ()
    own_experiments: tuple[str, ...] = ()
    issues: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    maxima: tuple[tuple[str, int], ...] = ()
    dataset: bool = False
    tags: tuple[str, ...] = ()
    otlp: bool = False
    forbidden: tuple[str, ...] = ()
    artifact: bool = False
    names_artifact: bool = False
    file: bool = False
    graphql: bool = False
    gateway: bool = False
    public: bool = False
    mirror: bool = False
    needs_task: bool = False
    inspects_body: bool = False
    names_models_only: bool = False


class Match(NamedTuple):
    """A route that is forwarded, and the decoded values of its path parameters in order."""

    route: Route
    parameters: tuple[str, ...] = ()


class _Pattern(NamedTuple):
    expression: re.Pattern[str]
    routes: dict[str, Route]


class Manifest:
    """The listed routes, prepared for matching."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError when a method and pattern are listed twice."""
        self.routes = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        # By the fixed segments before the first parameter, so that few expressions are tried.
        self._patterns: dict[str, list[_Pattern]] = {}
        for pattern, methods in _by_pattern(self.routes).items():
            if "{" not in pattern:
                self._fixed[pattern] = methods
            else:
                stem = pattern[: pattern.index("{")]
                stem = stem[: stem.rindex("/") + 1]
                self._patterns.setdefault(stem, []).append(_Pattern(_expression(pattern), methods))

    def match(self, method: str, path: str) -> Match:
        """The route of a request.

        path: decoded, below /api/mlflow. HEAD is allowed where GET is. Raises UnknownRouteError,
        RouteRefusedError with the reason, or MethodNotAllowedError with an Allow header.
        """
        listed_method = "GET" if method == "HEAD" else method
        allowed: set[str] = set()
        refused: Route | None = None
        for routes, parameters in self._candidates(path):
            route = routes.get(listed_method)
            # Candidates are tried in the order of MLflow's own routing: fixed paths before
            # parameters, and the next one where a path does not have the method.
            if route is not None and route.refused is None:
                return Match(route, parameters)
            if route is not None:
                raise _refusal(route)
            for other in routes.values():
                if other.refused is None:
                    allowed.add(other.method)
                else:
                    refused = other
        if allowed:
            if "GET" in allowed:
                allowed.add("HEAD")
            names = ", ".join(sorted(allowed))
            raise MethodNotAllowedError(
                f"This route of MLflow does not support {method}. Use {names}.",
                headers=[(b"allow", names.encode())],
            )
        if refused is not None:
            raise _refusal(refused)
        raise UnknownRouteError(
            "MLflow has no such route, or it is not forwarded."
            " GET /api/mlflow/api/2.0/mlflow/help lists the routes that are."
        )

    def _candidates(self, path: str) -> Iterator[tuple[dict[str, Route], tuple[str, ...]]]:
        """Routes by method, with path parameters, for each pattern that the path matches."""
        if path in self._fixed:
            yield self._fixed[path], ()
        end = len(path)
        while (end := path.rfind("/", 0, end)) >= 0:
            for expression, routes in self._patterns.get(path[: end + 1], ()):
                if found := expression.fullmatch(path):
                    yield routes, found.groups()


def load_manifest() -> Manifest:
    """The manifest of `routes.txt`. Raises ValueError that names a line which is not valid."""
    return Manifest(
        parse_routes(files("app.data_plane.proxy").joinpath("routes.txt").read_text("utf-8"))
    )


def parse_routes(text: str) -> Iterator[Route]:
    """The routes of a manifest's text, with the mirrors of those below /api/.

    Raises ValueError that names a line which is not valid.
    """
    listed = list(_listed_routes(text))
    own_lines = {(route.method, route.pattern) for route, _ in listed}
    for route, has_mirror in listed:
        yield route
        path = MIRRORS + route.pattern.removeprefix(MIRRORED)
        if has_mirror and (route.method, path) not in own_lines:
            yield replace(route, pattern=path, mirror=True)


def _listed_routes(text: str) -> Iterator[tuple[Route, bool]]:
    """The route of each line, and whether it has a mirror."""
    family, refused = "", None
    for number, line in enumerate(text.splitlines(), 1):
        columns = line.partition("#")[0].split()
        if not columns:
            continue
        try:
            if columns[0].startswith("["):
                family = " ".join(columns).strip("[]")
                refused = family.removeprefix("refused: ") if ":" in family else None
                if refused is not None and refused not in REASONS:
                    raise ValueError(f"unknown reason {refused!r}")  # noqa: TRY301 - caught below
            elif refused is not None:
                method, pattern = columns
                route = Route(method=method, pattern=pattern, family=family, refused=refused)
                yield route, pattern.startswith(MIRRORED)
            else:
                route = _open_route(family, *columns)
                has_mirror = route.pattern.startswith(MIRRORED) and NO_MIRROR not in columns
                yield route, has_mirror
        except (ValueError, TypeError) as error:
            raise ValueError(f"routes.txt, line {number}: {error}") from None


def _open_route(family: str, method: str, pattern: str, scope: str, *marks: str) -> Route:
    experiments, queries, forbidden, models, own, tags = [], [], [], [], [], []
    issues, filters, orders, maxima = [], [], [], []
    header = source = run = None
    optional = False
    for mark in marks:
        name, _, value = mark.partition("=")
        match name:
            case "experiment":
                experiments.append(value.removesuffix("?"))
                optional = optional or value.endswith("?")
            case "experiment-query":
                queries.append(value)
            case "experiment-header":
                header = value.encode()
            case "source":
                source = value
            case "run":
                run = value
            case "model":
                models.append(value)
            case "own-experiment":
                own.append(value)
            case "issue":
                issues.append(value)
            case "filter":
                filters.append(value)
            case "order":
                orders.append(value)
            case "at-most":
                field, _, maximum = value.partition(":")
                maxima.append((field, int(maximum)))
            case "tags":
                tags.append(value)
            case "forbid":
                forbidden.append(value)
            case _ if mark in FLAGS:
                pass
            case _:
                raise ValueError(f"unknown mark {mark!r}")
    others = any((experiments, own, source, run, tags, forbidden, issues, filters, orders, maxima))
    return Route(
        method=method,
        pattern=pattern,
        family=family,
        scope=Scope(scope),
        experiments=tuple(experiments),
        optional_experiment=optional,
        experiment_queries=tuple(queries),
        experiment_header=header,
        source=source,
        run=run,
        models=tuple(models),
        own_experiments=tuple(own),
        issues=tuple(issues),
        filters=tuple(filters),
        orders=tuple(orders),
        maxima=tuple(maxima),
        dataset="dataset" in marks,
        tags=tuple(tags),
        otlp="otlp" in marks,
        forbidden=tuple(forbidden),
        artifact="artifact" in marks,
        names_artifact=pattern.endswith("/mlflow-artifacts/artifacts/{artifact_path:path}"),
        file="file" in marks,
        graphql="graphql" in marks,
        gateway="gateway" in marks,
        public="public" in marks,
        needs_task=not NEED_TASK.isdisjoint(marks),
        inspects_body=others or bool(models),
        names_models_only=bool(models) and not others,
    )


def _by_pattern(routes: Iterable[Route]) -> dict[str, dict[str, Route]]:
    patterns: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = patterns.setdefault(route.pattern, {})
        if route.method in methods:
            raise ValueError(f"{route.method} {route.pattern} is listed twice")
        methods[route.method] = route
    return patterns


def _expression(pattern: str) -> re.Pattern[str]:
    text = ""
    for fixed, parameter, many in re.findall(r"([^{]*)(?:\{(\w+)(:path)?\})?", pattern):
        text += re.escape(fixed)
        if many:
            # What follows it in some refused routes is matched by it too: with two such parameters
            # in one expression, hostile paths would be slow to match.
            return re.compile(text + "([^/].*)", re.DOTALL)
        text += "([^/]+)" if parameter else ""
    return re.compile(text)


def _refusal(route: Route) -> RouteRefusedError:
    reason = route.refused or ""
    return RouteRefusedError(
        f"The gateway does not forward {route.pattern}: {REASONS[reason]}.",
        extra={"refused": reason},
    )
