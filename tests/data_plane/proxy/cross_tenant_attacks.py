"""What tenant B tries against tenant A: for every open route, at least one attempt.

Longer than 400 lines because it is a table with a row for each route. A's things are `a`, B's own
are `b`. An attempt that does not say `fine=True` must be refused; one that does may be answered
with 200, of B's own things or of none. No attempt stores a word of A's among B's things, so that
every such word in an answer to B comes from A.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from app.data_plane.proxy.manifest import Route, load_manifest
from tests.data_plane.proxy.tenant_fixture_data import (
    World,
    assessment,
    label_schema,
    now,
    otlp_spans,
    records,
    trace_v3,
)


@dataclass
class Attempt:
    """One request of B's. path: below /api/mlflow. fine: it may succeed."""

    method: str
    path: str
    request: dict[str, Any] = field(default_factory=dict)
    fine: bool = False


Cases = Callable[[World, World], Iterable[Attempt]]
CASES: dict[str, Cases] = {}
MANIFEST = load_manifest()
TWO, THREE = "/api/2.0/mlflow", "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts"


def attempts(route: Route, a: World, b: World) -> list[Attempt]:
    """Everything that B tries on a route. Raises KeyError for a route that has no case."""
    return list(CASES[f"{route.method} {route.pattern}"](a, b))


def _case(*routes: str) -> Callable[[Cases], Cases]:
    """A function whose attempts are those of several routes, each told by its path."""

    def keep(cases: Cases) -> Cases:
        for name in routes:
            CASES[name] = lambda a, b, name=name: [  # type: ignore[misc]
                one for one in cases(a, b) if name == _route(one)
            ]
        return cases

    return keep


def _route(attempt: Attempt) -> str:
    route = MANIFEST.match(attempt.method, attempt.path).route
    return f"{route.method} {route.pattern}"


def _posts(path: str, *bodies: Callable[[World, World], Any], fine: bool = False) -> None:
    """A POST route whose attempts are these JSON bodies."""
    CASES[f"POST {path}"] = lambda a, b: [
        Attempt("POST", path, {"json": body(a, b)}, fine) for body in bodies
    ]


def _sends(method: str, path: str, *bodies: Callable[[World, World], Any]) -> None:
    """Another method with JSON bodies; each must be refused, in the query as well."""
    CASES[f"{method} {path}"] = lambda a, b: [
        one
        for body in bodies
        for one in (
            Attempt(method, path, {"json": body(a, b)}),
            Attempt(method, path, {"params": body(a, b)}),
        )
    ]


def _gets(path: str, *queries: Callable[[World, World], Any], fine: bool = False) -> None:
    """A GET route whose attempts are these queries, and the same in a JSON body."""
    CASES[f"GET {path}"] = lambda a, b: [
        one
        for query in queries
        for one in (
            Attempt("GET", path, {"params": query(a, b)}, fine),
            Attempt("GET", path, {"json": query(a, b)}),
        )
    ]


def _same(value: Any) -> Callable[[World, World], Any]:
    return lambda a, b: value


# --- the server ---

for _path in ("/health", "/version", f"{TWO}/help", f"{THREE}/server-info"):
    _gets(_path, _same({"workspace": "default"}), fine=True)
    CASES[f"GET {_path}"] = lambda a, b, path=_path: [  # type: ignore[misc]
        Attempt("GET", path, {"params": {"workspace": a.tenant}}, True)
    ]

# --- experiments ---

_posts(
    f"{TWO}/experiments/create",
    lambda a, b: {"name": b.word("e"), "tags": [{"key": "mlflow.experimentId", "value": "1"}]},
    fine=True,
)
_posts(f"{TWO}/experiments/delete", lambda a, b: {"experiment_id": a.experiment})
_posts(f"{TWO}/experiments/restore", lambda a, b: {"experiment_id": a.experiment})
_posts(
    f"{TWO}/experiments/update",
    lambda a, b: {"experiment_id": a.experiment, "new_name": b.word("taken")},
    lambda a, b: {"experimentId": a.experiment, "newName": b.word("taken")},
)
_posts(
    f"{TWO}/experiments/set-experiment-tag",
    lambda a, b: {"experiment_id": a.experiment, "key": a.key("exptag"), "value": "x"},
)
_posts(
    f"{TWO}/experiments/delete-experiment-tag",
    lambda a, b: {"experiment_id": a.experiment, "key": a.key("exptag")},
)
_gets(f"{TWO}/experiments/get", lambda a, b: {"experiment_id": a.experiment})
_gets(f"{TWO}/experiments/get-by-name", lambda a, b: {"experiment_name": a.experiment_name})
_ALL = {"max_results": 1000, "view_type": "ALL"}
_gets(
    f"{TWO}/experiments/search",
    _same(_ALL),
    lambda a, b: _ALL | {"filter": f"name = '{a.experiment_name}'"},
    lambda a, b: _ALL | {"filter": f"tags.`{a.key('exptag')}` LIKE '%'"},
    fine=True,
)
_posts(
    f"{TWO}/experiments/search",
    _same(_ALL),
    lambda a, b: _ALL | {"filter": f"name LIKE '{a.marker}%'"},
    fine=True,
)

# --- runs ---

_gets(
    f"{TWO}/runs/get",
    lambda a, b: {"run_id": a.run},
    lambda a, b: {"run_uuid": a.run},
    lambda a, b: {"run_id": a.run, "run_uuid": b.run},
)
_gets(
    f"{TWO}/metrics/get-history",
    lambda a, b: {"run_id": a.run, "metric_key": a.key("metric")},
    lambda a, b: {"run_uuid": a.run, "metric_key": a.key("metric")},
)
_gets(
    f"{TWO}/metrics/get-history-bulk-interval",
    lambda a, b: {"run_ids": a.run, "metric_key": a.key("metric"), "max_results": 10},
    lambda a, b: {"run_ids": [b.run, a.run], "metric_key": a.key("metric"), "max_results": 10},
    fine=True,
)
_posts(
    f"{TWO}/runs/create",
    lambda a, b: {"experiment_id": a.experiment, "start_time": now()},
    lambda a, b: {"experimentId": a.experiment, "run_name": b.word("run")},
    lambda a, b: {
        "experiment_id": a.experiment,
        "tags": [{"key": "mlflow.parentRunId", "value": a.run}],
    },
)
_posts(f"{TWO}/runs/delete", lambda a, b: {"run_id": a.run}, lambda a, b: {"runId": a.run})
_posts(f"{TWO}/runs/restore", lambda a, b: {"run_id": a.run})
_posts(
    f"{TWO}/runs/update",
    lambda a, b: {"run_id": a.run, "status": "FAILED", "end_time": now()},
    lambda a, b: {"run_uuid": a.run, "run_name": b.word("taken")},
)
_posts(
    f"{TWO}/runs/set-tag",
    lambda a, b: {"run_id": a.run, "key": a.key("tag"), "value": "x"},
    lambda a, b: {"run_uuid": a.run, "key": a.key("tag"), "value": "x"},
)
_posts(f"{TWO}/runs/delete-tag", lambda a, b: {"run_id": a.run, "key": a.key("tag")})
_posts(
    f"{TWO}/runs/log-metric",
    lambda a, b: {"run_id": a.run, "key": a.key("metric"), "value": 9, "timestamp": now()},
    lambda a, b: {"run_uuid": a.run, "key": a.key("metric"), "value": 9, "timestamp": now()},
)
_posts(
    f"{TWO}/runs/log-parameter",
    lambda a, b: {"run_id": a.run, "key": b.word("p"), "value": "x"},
    lambda a, b: {"run_uuid": a.run, "key": b.word("p"), "value": "x"},
)
_posts(
    f"{TWO}/runs/log-batch",
    lambda a, b: {
        "run_id": a.run,
        "metrics": [{"key": "m", "value": 1, "timestamp": now(), "step": 0}],
        "params": [{"key": b.word("p"), "value": "x"}],
        "tags": [{"key": a.key("tag"), "value": "x"}],
    },
)
_posts(
    f"{TWO}/runs/log-model",
    lambda a, b: {
        "run_id": a.run,
        "model_json": f'{{"artifact_path": "m", "run_id": "{a.run}", "flavors": {{}},'
        f' "utc_time_created": "2026-01-01"}}',
    },
)
_posts(
    f"{TWO}/runs/log-inputs",
    lambda a, b: {"run_id": a.run, "models": [{"model_id": a.model}]},
    lambda a, b: {
        "run_id": a.run,
        "datasets": [
            {"dataset": {"name": "n", "digest": "d", "source_type": "local", "source": "s"}}
        ],
    },
)
_posts(f"{TWO}/runs/outputs", lambda a, b: {"run_id": a.run, "models": [{"model_id": b.model}]})
_posts(
    f"{TWO}/runs/search",
    lambda a, b: {"experiment_ids": [a.experiment]},
    lambda a, b: {"experiment_ids": [a.experiment, b.experiment], "run_view_type": "ALL"},
    lambda a, b: {"experimentIds": [a.experiment]},
    lambda a, b: {
        "experiment_ids": [b.experiment, a.experiment],
        "filter": f"dataset.name = '{a.key('inputname')}'",
    },
    lambda a, b: {"filter": f"attributes.run_id = '{a.run}'"},
    fine=True,
)

# --- artifacts ---


def _paths(a: World, path: str) -> list[str]:
    """Spellings of the path of an artifact of A's, all percent-encoded."""
    full = f"workspaces/{a.tenant}/{path}"
    return [
        path,
        full,
        quote(path, safe=""),
        quote(full, safe=""),
        quote(quote(full, safe=""), safe=""),
        f"../{a.tenant}/{path}",
        f"%2e%2e/{a.tenant}/{path}",
        f"..%2f{a.tenant}%2f{path}",
        f"%252e%252e%252f{a.tenant}%252f{path}",
        f"x/../../{a.tenant}/{path}",
        f"..%5c{a.tenant}%5c{path}",
        f"..;/{a.tenant}/{path}",
        f"./../{a.tenant}/{path}",
        f"workspaces/{a.tenant}%2F..%2F{a.tenant}/{path}",
        f"%2Fworkspaces/{a.tenant}/{path}",
        f"file:%2F%2F%2F{full}",
        f"workspaces//{a.tenant}/{path}",
        f"{path}%00",
    ]


def _on_files(method: str, kind: str, fine: bool = False, **request: Any) -> Cases:
    def cases(a: World, b: World) -> list[Attempt]:
        return [Attempt(method, f"{FILES}/{kind}/{p}", request, fine) for p in _paths(a, a.file)]

    return cases


CASES[f"GET {FILES}/artifacts/{{artifact_path:path}}"] = _on_files("GET", "artifacts")
CASES[f"GET {FILES}/presigned/{{artifact_path:path}}"] = _on_files("GET", "presigned")
# A path without a workspace is one of B's own, whatever it looks like.
CASES[f"PUT {FILES}/artifacts/{{artifact_path:path}}"] = _on_files(
    "PUT", "artifacts", True, content=b"overwritten"
)
CASES[f"DELETE {FILES}/artifacts/{{artifact_path:path}}"] = _on_files("DELETE", "artifacts", True)
for _verb, _body in (
    ("create", {"path": "f", "num_parts": 1}),
    ("complete", {"path": "f", "upload_id": "u", "parts": []}),
    ("abort", {"path": "f", "upload_id": "u"}),
):
    CASES[f"POST {FILES}/mpu/{_verb}/{{artifact_path:path}}"] = _on_files(
        "POST", f"mpu/{_verb}", json=_body
    )
_gets(
    f"{FILES}/artifacts",
    lambda a, b: {"path": f"{a.experiment}/{a.run}/artifacts"},
    lambda a, b: {"path": f"workspaces/{a.tenant}"},
    lambda a, b: {"path": f"../{a.tenant}"},
    lambda a, b: {"path": "%2e%2e"},
    lambda a, b: {"path": "/"},
    lambda a, b: {"path": ""},
    lambda a, b: {"path": "file:///"},
    fine=True,
)
_gets(
    f"{TWO}/artifacts/list",
    lambda a, b: {"run_id": a.run},
    lambda a, b: {"run_uuid": a.run},
    lambda a, b: {"run_id": a.run, "path": "d"},
    lambda a, b: {"run_id": b.run, "path": f"../../../{a.tenant}/{a.experiment}/{a.run}"},
    lambda a, b: {"run_id": b.run, "path": "%2e%2e/%2e%2e"},
)
for _kind in ("download", "upload"):
    _posts(
        f"{TWO}/artifacts/presigned-{_kind}-url",
        lambda a, b: {"run_id": a.run, "path": a.file.rpartition("/")[2]},
        lambda a, b: {"run_id": b.run, "path": f"../../../../{a.tenant}/{a.file}"},
        lambda a, b: {"model_id": a.model, "path": "MLmodel"},
    )

# --- logged models ---

_posts(f"{TWO}/logged-models", lambda a, b: {"experiment_id": a.experiment, "name": "n"})
_posts(
    f"{TWO}/logged-models/search",
    lambda a, b: {"experiment_ids": [a.experiment]},
    lambda a, b: {"experiment_ids": [a.experiment, b.experiment]},
    lambda a, b: {"experiment_ids": [b.experiment], "filter": f"name LIKE '{a.marker}%'"},
    fine=True,
)


@_case(
    f"GET {TWO}/logged-models/{{model_id}}",
    f"DELETE {TWO}/logged-models/{{model_id}}",
    f"PATCH {TWO}/logged-models/{{model_id}}",
    f"GET {TWO}/logged-models/{{model_id}}/artifacts/directories",
    f"POST {TWO}/logged-models/{{model_id}}/params",
    f"PATCH {TWO}/logged-models/{{model_id}}/tags",
    f"DELETE {TWO}/logged-models/{{model_id}}/tags/{{tag_key}}",
)
def _logged_model(a: World, b: World) -> list[Attempt]:
    one = f"{TWO}/logged-models/{a.model}"
    mine = f"{TWO}/logged-models/{b.model}"
    change = {"model_id": a.model, "status": "LOGGED_MODEL_UPLOAD_FAILED"}
    pair = [{"key": "x", "value": "y"}]
    theirs = [{"key": a.key("modeltag"), "value": "y"}]
    away = f"../../../../{a.tenant}/{a.experiment}"
    return [
        Attempt("GET", one),
        Attempt("GET", mine, {"params": {"model_id": a.model}}, True),
        Attempt("PATCH", one, {"json": change}),
        Attempt("PATCH", mine, {"json": change}, True),
        Attempt("GET", f"{one}/artifacts/directories"),
        Attempt("GET", f"{mine}/artifacts/directories", {"params": {"model_id": a.model}}, True),
        Attempt(
            "GET", f"{mine}/artifacts/directories", {"params": {"artifact_directory_path": away}}
        ),
        Attempt("POST", f"{one}/params", {"json": {"model_id": a.model, "params": pair}}),
        Attempt("POST", f"{mine}/params", {"json": {"model_id": a.model, "params": pair}}, True),
        Attempt("PATCH", f"{one}/tags", {"json": {"model_id": a.model, "tags": theirs}}),
        Attempt("PATCH", f"{mine}/tags", {"json": {"model_id": a.model, "tags": pair}}, True),
        Attempt("DELETE", f"{one}/tags/{a.key('modeltag')}"),
        Attempt("DELETE", f"{mine}/tags/x", {"json": {"model_id": a.model}}, True),
        Attempt("DELETE", one),
        Attempt("DELETE", one, {"json": {"model_id": a.model}}),
    ]


# --- registered models and their versions ---


def _named(a: World, b: World) -> dict[str, Any]:
    return {"name": a.registered}


def _versioned(a: World, b: World) -> dict[str, Any]:
    return {"name": a.registered, "version": "1"}


_posts(
    f"{TWO}/registered-models/create",
    lambda a, b: {"name": b.word("model"), "description": "d"},
    fine=True,
)
_gets(f"{TWO}/registered-models/get", _named, lambda a, b: {"name": a.prompt})
_posts(
    f"{TWO}/registered-models/rename",
    lambda a, b: _named(a, b) | {"new_name": b.word("taken")},
    lambda a, b: {"name": a.registered, "newName": b.word("taken")},
)
_sends("PATCH", f"{TWO}/registered-models/update", lambda a, b: _named(a, b) | {"description": "x"})
_sends("DELETE", f"{TWO}/registered-models/delete", _named, lambda a, b: {"name": a.prompt})
_posts(
    f"{TWO}/registered-models/set-tag",
    lambda a, b: _named(a, b) | {"key": a.key("regtag"), "value": "x"},
)
_sends(
    "DELETE",
    f"{TWO}/registered-models/delete-tag",
    lambda a, b: _named(a, b) | {"key": a.key("regtag")},
)
_gets(f"{TWO}/registered-models/alias", lambda a, b: _named(a, b) | {"alias": a.alias})
_posts(
    f"{TWO}/registered-models/alias",
    lambda a, b: _versioned(a, b) | {"alias": a.alias, "version": "2"},
    lambda a, b: {"name": b.registered, "alias": a.alias, "version": "99"},
)
_sends("DELETE", f"{TWO}/registered-models/alias", lambda a, b: _named(a, b) | {"alias": a.alias})
_gets(f"{TWO}/registered-models/get-latest-versions", _named)
_posts(f"{TWO}/registered-models/get-latest-versions", _named)
for _kind in ("registered-models", "model-versions"):
    _gets(
        f"{TWO}/{_kind}/search",
        _same({"max_results": 1000}),
        lambda a, b: {"filter": f"name = '{a.registered}'"},
        lambda a, b: {"filter": f"name LIKE '{a.marker}%'"},
        fine=True,
    )
_posts(
    f"{TWO}/model-versions/create",
    lambda a, b: {"name": a.registered, "source": f"runs:/{b.run}/model", "run_id": b.run},
    lambda a, b: {"name": b.registered, "source": f"runs:/{a.run}/model", "run_id": a.run},
    lambda a, b: {"name": b.registered, "source": f"runs:/{a.run}/model"},
    lambda a, b: {"name": b.registered, "source": f"runs:/{a.run}/model", "run_id": b.run},
    lambda a, b: {"name": b.registered, "source": f"models:/{a.model}"},
    lambda a, b: {"name": b.registered, "source": f"models:/{a.model}", "model_id": a.model},
    lambda a, b: {"name": b.registered, "source": f"models:/{a.registered}/1"},
    lambda a, b: {"name": b.registered, "source": f"models:/{a.registered}@{a.alias}"},
    lambda a, b: {"name": b.registered, "source": a.artifact_uri},
    lambda a, b: {"name": b.registered, "source": a.artifact_uri, "run_id": a.run},
    lambda a, b: {"name": b.registered, "source": f"{b.artifact_uri}/../../../../{a.tenant}"},
    lambda a, b: {"name": b.registered, "source": f"mlflow-artifacts:/{a.file}"},
)
_gets(f"{TWO}/model-versions/get", _versioned)
_gets(f"{TWO}/model-versions/get-download-uri", _versioned)
_sends(
    "PATCH", f"{TWO}/model-versions/update", lambda a, b: _versioned(a, b) | {"description": "x"}
)
_sends("DELETE", f"{TWO}/model-versions/delete", _versioned)
_posts(
    f"{TWO}/model-versions/set-tag",
    lambda a, b: _versioned(a, b) | {"key": a.key("versiontag"), "value": "x"},
)
_sends(
    "DELETE",
    f"{TWO}/model-versions/delete-tag",
    lambda a, b: _versioned(a, b) | {"key": a.key("versiontag")},
)
_posts(
    f"{TWO}/model-versions/transition-stage",
    lambda a, b: _versioned(a, b) | {"stage": "Production", "archive_existing_versions": True},
)

# --- traces ---

_gets(
    f"{TWO}/traces",
    lambda a, b: {"experiment_ids": a.experiment},
    lambda a, b: {"experiment_ids": [b.experiment, a.experiment]},
    lambda a, b: {"experiment_ids": [b.experiment], "filter": f"run_id = '{a.run}'"},
    fine=True,
)
_posts(
    f"{TWO}/traces",
    lambda a, b: {"experiment_id": a.experiment, "timestamp_ms": now(), "tags": []},
)
_posts(
    f"{THREE}/traces",
    lambda a, b: trace_v3(f"tr-{secrets.token_hex(16)}", a.experiment, b),
    lambda a, b: trace_v3(a.trace, a.experiment, b),
    lambda a, b: trace_v3(a.trace, b.experiment, b),
    lambda a, b: trace_v3(a.trace_v2, b.experiment, b),
)
for _kind in (TWO, THREE):
    _posts(
        f"{_kind}/traces/delete-traces",
        lambda a, b: {"experiment_id": a.experiment, "request_ids": [a.trace]},
        lambda a, b: {"experiment_id": a.experiment, "max_timestamp_millis": now()},
        lambda a, b: {"experiment_id": b.experiment, "request_ids": [a.trace, a.trace_v2]},
        fine=True,
    )
_posts(
    f"{TWO}/traces/link-to-run",
    lambda a, b: {"trace_ids": [b.trace_v2], "run_id": a.run},
    lambda a, b: {"trace_ids": [a.trace_v2], "run_id": a.run},
    # Linked to B's own run is what is B's already: nothing.
    lambda a, b: {"trace_ids": [a.trace], "run_id": b.run},
    fine=True,
)
_posts(
    f"{TWO}/traces/link-prompts",
    lambda a, b: {"trace_id": a.trace, "prompt_versions": [{"name": b.prompt, "version": "1"}]},
)


@_case(
    f"PATCH {TWO}/traces/{{request_id}}",
    f"GET {TWO}/traces/{{request_id}}/info",
    f"DELETE {TWO}/traces/{{request_id}}/tags",
    f"PATCH {TWO}/traces/{{request_id}}/tags",
)
def _trace_v2(a: World, b: World) -> list[Attempt]:
    found = []
    for trace in (a.trace_v2, a.trace):
        one, tag = f"{TWO}/traces/{trace}", {"request_id": trace, "key": a.key("tracetag")}
        end = {"request_id": trace, "timestamp_ms": now(), "status": "ERROR"}
        found += [
            Attempt("GET", f"{one}/info"),
            Attempt("PATCH", one, {"json": end}),
            Attempt("PATCH", f"{one}/tags", {"json": tag | {"value": "x"}}),
            Attempt("DELETE", f"{one}/tags", {"json": tag}),
            Attempt("DELETE", f"{one}/tags", {"params": tag}),
            # The id in the body is A's, the one in the path B's own.
            Attempt("PATCH", f"{TWO}/traces/{b.trace_v2}", {"json": end}, True),
            Attempt(
                "PATCH",
                f"{TWO}/traces/{b.trace_v2}/tags",
                {"json": tag | {"key": "x", "value": "x"}},
                True,
            ),
        ]
    return found


@_case(
    f"GET {THREE}/traces/{{trace_id}}",
    f"DELETE {THREE}/traces/{{trace_id}}/tags",
    f"PATCH {THREE}/traces/{{trace_id}}/tags",
    f"POST {THREE}/traces/{{trace_id}}/assessments",
    f"DELETE {THREE}/traces/{{trace_id}}/assessments/{{assessment_id}}",
    f"GET {THREE}/traces/{{trace_id}}/assessments/{{assessment_id}}",
    f"PATCH {THREE}/traces/{{trace_id}}/assessments/{{assessment_id}}",
)
def _trace_v3(a: World, b: World) -> list[Attempt]:
    one, mine = f"{THREE}/traces/{a.trace}", f"{THREE}/traces/{b.trace}"
    tag = {"trace_id": a.trace, "key": a.key("tracetag")}
    which = f"assessments/{a.assessment}"
    new = {"assessment": assessment(a.trace, "n", b)}
    change = {
        "assessment": assessment(a.trace, "n", b, assessment_id=a.assessment),
        "update_mask": "rationale",
    }
    known = assessment(b.trace, "n", b, assessment_id=a.assessment)
    overriding = assessment(b.trace, "n", b, overrides=a.assessment)
    return [
        Attempt("GET", one),
        Attempt("PATCH", f"{one}/tags", {"json": tag | {"value": "x"}}),
        Attempt("PATCH", f"{mine}/tags", {"json": tag | {"key": "x", "value": "x"}}, True),
        Attempt("DELETE", f"{one}/tags", {"json": tag}),
        Attempt("DELETE", f"{one}/tags", {"params": tag}),
        Attempt("POST", f"{one}/assessments", {"json": new}),
        Attempt("POST", f"{mine}/assessments", {"json": new}, True),
        Attempt("POST", f"{mine}/assessments", {"json": {"assessment": overriding}}),
        Attempt("GET", f"{one}/{which}"),
        Attempt("GET", f"{mine}/{which}"),
        Attempt("PATCH", f"{one}/{which}", {"json": change}),
        Attempt("PATCH", f"{mine}/{which}", {"json": change}),
        Attempt("PATCH", f"{mine}/{which}", {"json": {"assessment": known}}),
        # MLflow answers the deletion of what is not there like any other; so below.
        Attempt("DELETE", f"{one}/{which}", fine=True),
        Attempt("DELETE", f"{mine}/{which}", fine=True),
    ]


_gets(
    f"{THREE}/traces/batchGet",
    lambda a, b: {"trace_ids": [a.trace, a.trace_otlp, b.trace]},
    lambda a, b: {"trace_ids": a.trace, "experiment_ids": a.experiment},
    fine=True,
)
_posts(
    f"{THREE}/traces/batchGetInfos",
    lambda a, b: {"trace_ids": [a.trace, a.trace_v2, b.trace]},
    lambda a, b: {"trace_ids": [a.trace], "experiment_ids": [a.experiment]},
    fine=True,
)
_gets(
    f"{THREE}/traces/get",
    lambda a, b: {"trace_id": a.trace},
    lambda a, b: {"trace_id": a.trace_otlp, "allow_partial": "true"},
)
_posts(
    f"{THREE}/traces/search",
    lambda a, b: {"locations": [location(a.experiment)]},
    lambda a, b: {"locations": [location(b.experiment), location(a.experiment)]},
    lambda a, b: {
        "locations": [location(b.experiment)],
        "filter": f"attributes.run_id = '{a.run}'",
    },
    lambda a, b: {"locations": [location(b.experiment)], "filter": f"prompt = '{a.prompt}/1'"},
    fine=True,
)
_posts(
    f"{THREE}/traces/metrics",
    lambda a, b: {
        "experiment_ids": [a.experiment],
        "view_type": "TRACES",
        "metric_name": "trace_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
        "dimensions": ["trace_name"],
    },
    lambda a, b: {
        "experiment_ids": [a.experiment, b.experiment],
        "view_type": "ASSESSMENTS",
        "metric_name": "assessment_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
        "dimensions": ["assessment_name"],
    },
    fine=True,
)
_posts(
    f"{THREE}/traces/calculate-filter-correlation",
    lambda a, b: {
        "experiment_ids": [a.experiment, b.experiment],
        "filter_string1": f"tags.`{a.key('tracetag')}` LIKE '%'",
        "filter_string2": "status = 'OK'",
    },
    fine=True,
)


def location(experiment: str) -> dict[str, Any]:
    """A place where traces are searched."""
    return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}


def _spans(a: World, b: World) -> list[Attempt]:
    new, old = secrets.token_hex(16), a.trace_otlp.removeprefix("tr-")

    def send(trace: str, experiment: str, fine: bool = False, **more: str) -> Attempt:
        body = otlp_spans(trace, b.word("span"), **{"mlflow.traceRequestId": f'"{a.trace}"'})
        headers = {"X-MLflow-Experiment-Id": experiment, **more}
        return Attempt("POST", "/v1/traces", {"json": body, "headers": headers}, fine)

    return [
        send(new, a.experiment),
        send(old, a.experiment),
        # MLflow drops the spans of a trace that it finds taken.
        send(old, b.experiment, True),
        send(secrets.token_hex(16), b.experiment, True, **{"X-MLflow-Run-Id": a.run}),
    ]


CASES["POST /v1/traces"] = _spans

# --- datasets, issues, label schemas ---

_posts(
    f"{THREE}/datasets/create",
    lambda a, b: {"name": b.word("d"), "experiment_ids": [a.experiment]},
    lambda a, b: {"name": b.word("d"), "experiment_ids": [b.experiment, a.experiment]},
    lambda a, b: {"name": b.word("d"), "experimentIds": [a.experiment]},
)
_gets(
    f"{THREE}/datasets/search",
    _same({}),
    lambda a, b: {"experiment_ids": a.experiment},
    lambda a, b: {"filter_string": f"name LIKE '{a.marker}%'"},
    fine=True,
)
_posts(
    f"{THREE}/datasets/search",
    _same({}),
    lambda a, b: {"experiment_ids": [a.experiment, b.experiment]},
    lambda a, b: {"filter_string": f"name = '{a.dataset_name}'"},
    fine=True,
)


@_case(
    f"DELETE {THREE}/datasets/{{dataset_id}}",
    f"GET {THREE}/datasets/{{dataset_id}}",
    f"POST {THREE}/datasets/{{dataset_id}}/add-experiments",
    f"GET {THREE}/datasets/{{dataset_id}}/experiment-ids",
    f"DELETE {THREE}/datasets/{{dataset_id}}/records",
    f"GET {THREE}/datasets/{{dataset_id}}/records",
    f"POST {THREE}/datasets/{{dataset_id}}/records",
    f"POST {THREE}/datasets/{{dataset_id}}/remove-experiments",
    f"PATCH {THREE}/datasets/{{dataset_id}}/tags",
    f"DELETE {THREE}/datasets/{{dataset_id}}/tags/{{key}}",
)
def _dataset(a: World, b: World) -> list[Attempt]:
    one, mine = f"{THREE}/datasets/{a.dataset}", f"{THREE}/datasets/{b.dataset}"
    theirs = {"dataset_id": a.dataset}
    some = {"dataset_record_ids": [a.record]}
    return [
        Attempt("GET", one),
        Attempt("GET", f"{one}/records"),
        Attempt("GET", f"{one}/experiment-ids", fine=True),
        Attempt("GET", f"{mine}/records", {"params": theirs}, True),
        Attempt("POST", f"{one}/records", {"json": theirs | {"records": records(b)}}),
        Attempt("POST", f"{mine}/records", {"json": theirs | {"records": records(b)}}, True),
        Attempt("DELETE", f"{one}/records", {"json": theirs | some}),
        Attempt("DELETE", f"{mine}/records", {"json": {"dataset_id": b.dataset} | some}, True),
        Attempt("POST", f"{one}/add-experiments", {"json": {"experiment_ids": [b.experiment]}}),
        Attempt("POST", f"{mine}/add-experiments", {"json": {"experiment_ids": [a.experiment]}}),
        Attempt("POST", f"{one}/remove-experiments", {"json": {"experiment_ids": [a.experiment]}}),
        Attempt("PATCH", f"{one}/tags", {"json": theirs | {"tags": '{"x": "y"}'}}),
        Attempt("PATCH", f"{mine}/tags", {"json": theirs | {"tags": '{"x": "y"}'}}, True),
        Attempt("DELETE", f"{one}/tags/{a.key('dstag')}", fine=True),
        Attempt("DELETE", one, fine=True),
        Attempt("DELETE", one, {"json": theirs}, True),
    ]


_posts(
    f"{THREE}/issues",
    lambda a, b: {"experiment_id": a.experiment, "name": "n", "description": "d"},
)
_posts(
    f"{THREE}/issues/search",
    lambda a, b: {"experiment_id": a.experiment, "include_trace_count": True},
    lambda a, b: {"filter_string": "status = 'pending'"},
    _same({}),
    fine=True,
)


@_case(f"GET {THREE}/issues/{{issue_id}}", f"PATCH {THREE}/issues/{{issue_id}}")
def _issue(a: World, b: World) -> list[Attempt]:
    body = {"issue_id": a.issue, "status": "resolved", "name": b.word("taken")}
    return [
        Attempt("GET", f"{THREE}/issues/{a.issue}"),
        Attempt("GET", f"{THREE}/issues/{b.issue}", {"params": {"issue_id": a.issue}}, True),
        Attempt("PATCH", f"{THREE}/issues/{a.issue}", {"json": body}),
        Attempt("PATCH", f"{THREE}/issues/{b.issue}", {"json": body}, True),
    ]


_posts(
    f"{THREE}/label-schemas/create",
    lambda a, b: label_schema(a.experiment, b.word("s"), "i"),
    lambda a, b: label_schema(a.experiment, a.schema_name, "i"),
)
_gets(f"{THREE}/label-schemas/get", lambda a, b: {"schema_id": a.schema})
_gets(
    f"{THREE}/label-schemas/get-by-name",
    lambda a, b: {"experiment_id": a.experiment, "name": a.schema_name},
    lambda a, b: {"experiment_id": b.experiment, "name": a.schema_name},
)
_gets(f"{THREE}/label-schemas/list", lambda a, b: {"experiment_id": a.experiment}, fine=True)
_sends(
    "PATCH",
    f"{THREE}/label-schemas/update",
    lambda a, b: {"schema_id": a.schema, "name": b.word("taken")},
)
CASES[f"DELETE {THREE}/label-schemas/delete"] = lambda a, b: [
    Attempt("DELETE", f"{THREE}/label-schemas/delete", {where: {"schema_id": a.schema}}, True)
    for where in ("json", "params")
]
