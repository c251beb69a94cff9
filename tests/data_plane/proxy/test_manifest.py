"""The route manifest: its agreement with the installed MLflow, and the matching of requests."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MethodNotAllowedError, RouteRefusedError, UnknownRouteError
from app.core.request.principal import Scope
from app.data_plane.proxy.manifest import REASONS, Manifest, Route, load_manifest, parse_routes
from tests.support import programs

MANIFEST = load_manifest()

# Prints the routes of the server that `mlflow server` runs: its FastAPI routers, and the Flask
# application mounted behind them. In a separate process, since the import has side effects.
ENUMERATE = """
import json, warnings
warnings.simplefilter("ignore")
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app
found = [[m, rule.rule] for rule in flask_app.url_map.iter_rules() for m in rule.methods]
def walk(routes):
    for route in routes:
        if hasattr(route, "effective_candidates"):  # a router that FastAPI includes lazily
            walk(route.effective_candidates())
        elif getattr(route, "methods", None):
            found.extend([m, (getattr(route, "starlette_route", None) or route).path]
                         for m in route.methods)
        else:
            assert type(route).__name__ == "Mount" and route.path == "", route
walk(app.routes)
print(json.dumps(found))
"""


def installed_routes(**environment: str) -> set[tuple[str, str]]:
    """Every method and path pattern of the installed MLflow, as the manifest writes them."""
    variables = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment}
    done = programs.finish([sys.executable, "-c", ENUMERATE], Path.cwd(), variables)
    assert done.returncode == 0, done.stderr
    routes = set()
    for method, rule in json.loads(done.stdout.splitlines()[-1]):
        path = re.sub(r"<(\w+)>", r"{\1}", re.sub(r"<path:(\w+)>", r"{\1:path}", rule))
        if method not in ("HEAD", "OPTIONS"):  # Flask adds these to every GET
            routes.add((method, path))
    return routes


@pytest.mark.parametrize("workspaces", ["true", "false"])
def test_every_route_of_the_installed_mlflow_is_classified(workspaces: str) -> None:
    installed = installed_routes(MLFLOW_ENABLE_WORKSPACES=workspaces)
    listed = {(route.method, route.pattern) for route in MANIFEST.routes}
    # MLflow has these only with users of its own, or not at all.
    added = {
        ("GET", "/api/2.0/mlflow/help"),
        ("GET", "/ajax-api/2.0/mlflow/users/current"),
        ("GET", "/ajax-api/3.0/mlflow/roles/list"),
        ("GET", "/ajax-api/3.0/mlflow/users/current/permissions"),
        ("GET", "/ajax-api/3.0/mlflow/users/roles/list"),
    }
    assert len(installed) > 400
    assert installed - listed == set(), "routes that MLflow has gained: classify them"
    assert listed - installed == added, "routes that MLflow has lost: take them out"


def test_a_mirror_is_what_its_twin_is() -> None:
    by_name = {(route.method, route.pattern): route for route in MANIFEST.routes}
    different = set()
    for (method, pattern), route in by_name.items():
        mirror = by_name.get((method, pattern.replace("/api/", "/ajax-api/", 1)))
        if not pattern.startswith("/api/") or mirror is None:
            assert not pattern.startswith("/api/") or pattern.endswith("/help")
        elif not mirror.mirror:
            assert method == "GET"
            different.add(mirror.pattern)
        else:
            assert replace(mirror, pattern=pattern, mirror=False) == route
    # The gateway itself responds to these, in place of MLflow.
    assert different == {
        "/ajax-api/2.0/mlflow/webhooks",
        "/ajax-api/3.0/mlflow/gateway/endpoints/bindings/list",
        "/ajax-api/3.0/mlflow/gateway/endpoints/list",
        "/ajax-api/3.0/mlflow/gateway/model-definitions/list",
        "/ajax-api/3.0/mlflow/gateway/secrets/list",
        "/ajax-api/3.0/mlflow/mcp-servers",
        "/ajax-api/3.0/mlflow/review-queues/list",
        "/ajax-api/3.0/mlflow/scorers/list",
        "/ajax-api/3.0/mlflow/server-info",
    }
    assert all(MANIFEST.match("GET", pattern).route.gateway for pattern in different)
    assert sum(route.mirror for route in MANIFEST.routes) > 200


def test_a_mirror_that_is_new_in_mlflow_is_not_forwarded() -> None:
    manifest = Manifest(parse_routes("[A]\nGET /api/2.0/mlflow/x read no-mirror"))
    with pytest.raises(UnknownRouteError):
        manifest.match("GET", "/ajax-api/2.0/mlflow/x")


def test_a_mirror_with_a_line_of_its_own_is_what_that_says() -> None:
    text = "[A]\nGET /api/x read experiment-query=e\nGET /ajax-api/x read gateway"
    own, mirror = Manifest(parse_routes(text)).routes
    assert (own.gateway, mirror.gateway, mirror.experiment_queries) == (False, True, ())


def test_a_route_is_either_open_with_a_scope_or_refused_with_a_reason() -> None:
    for route in MANIFEST.routes:
        assert (route.scope is None) == (route.refused is not None)
        assert route.scope in (None, Scope.READ, Scope.WRITE)
        assert route.refused is None or route.refused in REASONS
    assert {route.refused for route in MANIFEST.routes} - {None} == set(REASONS)


def test_reading_needs_read_and_changing_needs_write() -> None:
    for route in MANIFEST.routes:
        if route.method == "GET" and route.refused is None:
            assert route.scope is Scope.READ
        if route.method in ("PUT", "PATCH", "DELETE") and route.refused is None:
            assert route.scope is Scope.WRITE
    reading = {r.pattern for r in MANIFEST.routes if r.method == "POST" and r.scope is Scope.READ}
    assert {pattern.rpartition("/")[2] for pattern in reading} == {
        "search",
        "get-latest-versions",
        "presigned-download-url",
        "batchGetInfos",
        "calculate-filter-correlation",
        "graphql",
        "metrics",
        "search-datasets",
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/api/3.0/mlflow/workspaces", "administration"),
        ("/api/2.0/mlflow/webhooks/1/test", "calls-out"),
        ("/ajax-api/3.0/jobs/", "runs-code"),
        ("/ajax-api/3.0/mlflow/assistant/message", "runs-code"),
        ("/api/3.0/mlflow/scorers/register", "runs-code"),
        ("/api/3.0/mlflow/gateway/secrets/create", "spends-money"),
        ("/gateway/openai/v1/chat/completions", "spends-money"),
        ("/gateway/gemini/v1beta/models/x:generateContent", "spends-money"),
        ("/ajax-api/3.0/mlflow/workspaces", "administration"),
        ("/ajax-api/2.0/mlflow/webhooks/1/test", "calls-out"),
        ("/ajax-api/3.0/mlflow/scorers/register", "runs-code"),
        ("/ajax-api/3.0/mlflow/demo/generate", "runs-code"),
        ("/ajax-api/3.0/mlflow/prompt-optimization/jobs", "runs-code"),
        ("/ajax-api/2.0/mlflow/gateway-proxy", "spends-money"),
        ("/ajax-api/3.0/mlflow/gateway/secrets/create", "spends-money"),
        ("/ajax-api/2.0/mlflow/runs/create-promptlab-run", "spends-money"),
        ("/ajax-api/3.0/mlflow/review-queues/create", "people"),
        ("/ajax-api/3.0/mlflow/ui-telemetry", "interface"),
    ],
)
def test_dangerous_routes_are_refused_with_a_reason(path: str, reason: str) -> None:
    with pytest.raises(RouteRefusedError) as caught:
        MANIFEST.match("POST", path)
    assert REASONS[reason] in caught.value.message
    assert caught.value.extra == {"refused": reason}


def test_graphql_is_for_post_only() -> None:
    """A link could make a browser send a GET."""
    with pytest.raises(RouteRefusedError):
        MANIFEST.match("GET", "/graphql")
    assert MANIFEST.match("POST", "/graphql").route.graphql


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/runs",
        "/api/2.0/mlflow/runs/create/",
        "/api/2.0/mlflow/Runs/create",
        "/api/2.0/mlflow-artifacts/artifacts/",
        "/api/2.0/mlflow/logged-models//tags",
        "/api/2.0/mlflow/users/create",
        "/api/2.0/mlflow/traces/a/b/tags",
        "/metrics",
        "/docs",
        "",
    ],
)
def test_a_route_that_is_not_listed_is_unknown(path: str) -> None:
    for method in ("GET", "POST", "TRACE"):
        with pytest.raises(UnknownRouteError):
            MANIFEST.match(method, path)


def test_a_wrong_method_names_the_allowed_ones() -> None:
    with pytest.raises(MethodNotAllowedError) as caught:
        MANIFEST.match("PUT", "/api/2.0/mlflow/registered-models/alias")
    assert caught.value.headers == ((b"allow", b"DELETE, GET, HEAD, POST"),)


def test_head_is_allowed_where_get_is() -> None:
    assert MANIFEST.match("HEAD", "/health").route.method == "GET"
    with pytest.raises(MethodNotAllowedError):
        MANIFEST.match("HEAD", "/api/2.0/mlflow/runs/create")


def test_path_parameters_are_in_order() -> None:
    match = MANIFEST.match("PATCH", "/api/3.0/mlflow/traces/tr-1/assessments/a-2")
    assert match.route.pattern == "/api/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}"
    assert match.parameters == ("tr-1", "a-2")
    match = MANIFEST.match("PUT", "/api/2.0/mlflow-artifacts/artifacts/workspaces/a/1/é\nb")
    assert match.route.artifact
    assert match.parameters == ("workspaces/a/1/é\nb",)


def test_a_fixed_path_comes_before_a_parameter_unless_only_that_has_the_method() -> None:
    fixed, parameter = "/api/3.0/mlflow/datasets/search", "/api/3.0/mlflow/datasets/{dataset_id}"
    assert MANIFEST.match("GET", fixed).route.pattern == fixed
    assert MANIFEST.match("DELETE", fixed).route.pattern == parameter


SEGMENT = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)


@given(st.data())
def test_every_listed_route_matches_itself(data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(MANIFEST.routes))

    def value(found: re.Match[str]) -> str:
        segments = data.draw(st.lists(SEGMENT, min_size=1, max_size=3 if found[2] else 1))
        return "/".join(segments)

    path = re.sub(r"\{(\w+)(:path)?\}", value, route.pattern)
    try:
        matched = MANIFEST.match(route.method, path).route
    except RouteRefusedError:
        # A refused path with parameters may also match another refused route.
        assert route.refused
    else:
        if matched is not route:  # a parameter's random value may be a fixed path
            assert "{" in route.pattern
            assert matched.pattern.count("{") < route.pattern.count("{")


@pytest.mark.parametrize(
    "text",
    [
        "GET /a",
        "[A]\nGET /a",
        "[A]\nGET /a own",
        "[A]\nGET /a read colour=red",
        "[refused: whim]",
        "[refused: interface]\nGET /a read",
        "[A]\nGET /a read gateway=1",
    ],
)
def test_an_invalid_line_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=rf"line {len(text.splitlines())}"):
        list(parse_routes(text))


def test_a_route_listed_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="GET /a is listed twice"):
        Manifest([Route("GET", "/a", refused="interface"), Route("GET", "/a", scope=Scope.READ)])
