"""The route manifest: which of MLflow's routes pass, for which scope, and what they may carry.

The routes are data, in `routes.txt` beside this file; its head explains the columns. Nothing
passes that is not listed there. A test holds the list against the installed MLflow.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

from app.core.errors import MethodNotAllowedError, RouteRefusedError, UnknownRouteError
from app.core.request.principal import Scope

# The reasons for which a route of MLflow's is shut, and how they are told to its caller.
REASONS = {
    "administration": "it administers the MLflow server",
    "runs-code": "it runs code on the MLflow server",
    "spends-money": "it belongs to the AI gateway, which spends its operator's money",
    "calls-out": "it makes servers call addresses of the caller's choice",
    "people": "it needs MLflow's own user accounts, which the gateway replaces",
    "interface": "it serves MLflow's web interface, not its clients",
    "not-implemented": "MLflow itself does not implement it",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path pattern of MLflow's.

    pattern: the path below /api/mlflow; `{name}` stands for one segment, `{name:path}` for one or
        more. It is the route's label in metrics and logs.
    family: the heading that the API reference lists it under.
    scope: what the caller needs; None for a refused route.
    refused: a key of REASONS, or None.
    experiments: dotted fields of the JSON body that hold experiment ids; `[]` is a repeated field.
    optional_experiment: an absent first experiment field means experiment 0, as in MLflow.
    experiment_queries: query parameters that hold experiment ids.
    experiment_header: the header that holds the experiment id, in lower case.
    source: the JSON field that names where a model's files are.
    run: the JSON field that names the run a model comes from.
    models: dotted fields of the JSON body that name logged models.
    own_experiments: dotted fields of the JSON body that name experiments which MLflow stores
        without looking them up.
    dataset: the path's first parameter is a dataset, and MLflow fails where there is none.
    tags: dotted fields of the JSON body that hold tags or the name of one, which must not be one by
        which MLflow finds a trace's files.
    otlp: the body is OpenTelemetry's; its attributes can hold such tags.
    forbidden: dotted fields of the JSON body that must be empty.
    artifact: the body is an artifact, which MLflow takes in any framing; elsewhere it reads a
        chunked body as an empty one.
    gateway: the gateway answers this route itself.
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
    dataset: bool = False
    tags: tuple[str, ...] = ()
    otlp: bool = False
    forbidden: tuple[str, ...] = ()
    artifact: bool = False
    gateway: bool = False
    # The body is JSON that has to be read: true where a mark above names one of its fields.
    inspects_body: bool = False
    # Only logged models matter of them: the hot routes, most of whose bodies have none.
    names_models_only: bool = False


class Match(NamedTuple):
    """A route that passes, and the decoded values of its path parameters in their order."""

    route: Route
    parameters: tuple[str, ...] = ()


class _Pattern(NamedTuple):
    expression: re.Pattern[str]
    routes: dict[str, Route]


class Manifest:
    """The listed routes, ready for matching."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError when a method and pattern are listed twice."""
        self.routes = tuple(routes)
        self._plain: dict[str, dict[str, Route]] = {}
        # By the fixed text before the first parameter, so that few expressions are tried.
        self._patterns: dict[str, list[_Pattern]] = {}
        for pattern, methods in _by_pattern(self.routes).items():
            if "{" not in pattern:
                self._plain[pattern] = methods
            else:
                stem = pattern[: pattern.index("{")]
                stem = stem[: stem.rindex("/") + 1]
                self._patterns.setdefault(stem, []).append(_Pattern(_expression(pattern), methods))

    def match(self, method: str, path: str) -> Match:
        """The route of a method and a fully decoded path below /api/mlflow.

        HEAD passes where GET does. Raises UnknownRouteError, RouteRefusedError with the reason,
        or MethodNotAllowedError with an Allow header.
        """
        wanted = "GET" if method == "HEAD" else method
        allowed: set[str] = set()
        refused: Route | None = None
        for routes, parameters in self._candidates(path):
            route = routes.get(wanted)
            # A fixed path comes before a parameter, as in MLflow's own routing; one that has not
            # this method leaves the request to the next candidate, as it does there.
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
                f"{method} is not possible on this route of MLflow; it takes {names}.",
                headers=[(b"allow", names.encode())],
            )
        if refused is not None:
            raise _refusal(refused)
        raise UnknownRouteError(
            "MLflow has no such route, or it is not passed on."
            " GET /api/mlflow/api/2.0/mlflow/help lists those that are."
        )

    def _candidates(self, path: str) -> Iterator[tuple[dict[str, Route], tuple[str, ...]]]:
        if path in self._plain:
            yield self._plain[path], ()
        end = len(path)
        while (end := path.rfind("/", 0, end)) >= 0:
            for expression, routes in self._patterns.get(path[: end + 1], ()):
                if found := expression.fullmatch(path):
                    yield routes, found.groups()


def load_manifest() -> Manifest:
    """The manifest of `routes.txt`. Raises ValueError naming the line that does not parse."""
    return Manifest(
        parse_routes(files("app.data_plane.proxy").joinpath("routes.txt").read_text("utf-8"))
    )


def parse_routes(text: str) -> Iterator[Route]:
    """The routes of a manifest's text. Raises ValueError naming the line that does not parse."""
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
                    raise ValueError(f"no reason {refused!r}")  # noqa: TRY301 - names the line
            elif refused is not None:
                method, pattern = columns
                yield Route(method=method, pattern=pattern, family=family, refused=refused)
            else:
                yield _open_route(family, *columns)
        except (ValueError, TypeError) as error:
            raise ValueError(f"routes.txt, line {number}: {error}") from None


def _open_route(family: str, method: str, pattern: str, scope: str, *marks: str) -> Route:
    experiments, queries, forbidden, models, own, tags = [], [], [], [], [], []
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
            case "tags":
                tags.append(value)
            case "forbid":
                forbidden.append(value)
            case "artifact" | "dataset" | "gateway" | "otlp":
                pass
            case _:
                raise ValueError(f"no mark {mark!r}")
    others = bool(experiments or own or source or run or tags or forbidden)
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
        dataset="dataset" in marks,
        tags=tuple(tags),
        otlp="otlp" in marks,
        forbidden=tuple(forbidden),
        artifact="artifact" in marks,
        gateway="gateway" in marks,
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
            # What follows, in some refused routes, is not told apart: two such parameters in one
            # expression would make hostile paths slow to match.
            return re.compile(text + "([^/].*)", re.DOTALL)
        text += "([^/]+)" if parameter else ""
    return re.compile(text)


def _refusal(route: Route) -> RouteRefusedError:
    reason = route.refused or ""
    return RouteRefusedError(
        f"The gateway does not pass on {route.pattern}: {REASONS[reason]}.",
        extra={"refused": reason},
    )
