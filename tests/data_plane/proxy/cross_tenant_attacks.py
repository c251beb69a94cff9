"""What one tenant, the attacker, tries against another, the victim: a table of all open routes.

Longer than 400 lines because it has at least one row for each route.

A key of the table is a route of the manifest, its rows are the requests that the attacker sends to
it. Their strings have placeholders such as `{victim.run}`, which `attack.py` lists.

A request must be refused, unless `may_succeed` is set: then the response may have status 200, and
be about the attacker's own data or about none. No row stores a value of the victim's among the
attacker's data, so that every such value in a response comes from the victim.

Longer than most files here: a table with a row for each attack on each route.
"""

from typing import Any

from app.data_plane.proxy.interface.own_responses import OWN_RESPONSES
from tests.data_plane.proxy.attack import (
    Attack,
    AttackerPlaceholders,
    in_body,
    in_body_and_query,
    in_query,
)
from tests.data_plane.proxy.mlflow_documents import (
    assessment,
    label_schema,
    otlp_spans,
    records,
    trace_location,
    trace_v3,
)

ATTACKER = AttackerPlaceholders()

# --- shared by several routes ---

OTHER_WORKSPACE = [
    Attack(query={"workspace": "{victim.tenant}"}, may_succeed=True),
]
ALL_EXPERIMENTS = {"max_results": 1000, "view_type": "ALL"}

# Spellings of the path of the victim's artifact.
_FILE = "{victim.experiment}/{victim.run}/artifacts/{victim.file_name}"
_FROM_ROOT = "workspaces/{victim.tenant}/" + _FILE
ARTIFACT_PATHS = [
    _FILE,
    _FROM_ROOT,
    _FILE.replace("/", "%2F"),
    _FROM_ROOT.replace("/", "%2F"),
    _FROM_ROOT.replace("/", "%252F"),
    "../{victim.tenant}/" + _FILE,
    "%2e%2e/{victim.tenant}/" + _FILE,
    "..%2f{victim.tenant}%2f" + _FILE,
    "%252e%252e%252f{victim.tenant}%252f" + _FILE,
    "x/../../{victim.tenant}/" + _FILE,
    "..%5c{victim.tenant}%5c" + _FILE,
    "..;/{victim.tenant}/" + _FILE,
    "./../{victim.tenant}/" + _FILE,
    "workspaces/{victim.tenant}%2F..%2F{victim.tenant}/" + _FILE,
    "%2Fworkspaces/{victim.tenant}/" + _FILE,
    "file:%2F%2F%2F" + _FROM_ROOT,
    "workspaces//{victim.tenant}/" + _FILE,
    _FILE + "%00",
]


def on_artifact_paths(**request: Any) -> list[Attack]:
    """One request for each spelling of the path of the victim's artifact."""
    return [Attack(path={"artifact_path": path}, **request) for path in ARTIFACT_PATHS]


PRESIGNED_URL = in_body(
    {"run_id": "{victim.run}", "path": "{victim.file_name}"},
    {"run_id": "{attacker.run}", "path": "../../../../{victim.tenant}/{victim.file}"},
    {"model_id": "{victim.model}", "path": "MLmodel"},
)

VICTIM_MODEL = {"model_id": "{victim.model}"}
ATTACKER_MODEL = {"model_id": "{attacker.model}"}
FAIL_VICTIM_MODEL = {"model_id": "{victim.model}", "status": "LOGGED_MODEL_UPLOAD_FAILED"}
PAIR = [{"key": "x", "value": "y"}]

REGISTERED = {"name": "{victim.registered}"}
VERSION_1 = {"name": "{victim.registered}", "version": "1"}
PROMPT = {"name": "{victim.prompt}"}
SEARCH_MODELS = in_query(
    {"max_results": 1000},
    {"filter": "name = '{victim.registered}'"},
    {"filter": "name LIKE '{victim.marker}%'"},
    may_succeed=True,
)

DELETE_TRACES = in_body(
    {"experiment_id": "{victim.experiment}", "request_ids": ["{victim.trace}"]},
    {"experiment_id": "{victim.experiment}", "max_timestamp_millis": "{now}"},
    {
        "experiment_id": "{attacker.experiment}",
        "request_ids": ["{victim.trace}", "{victim.trace_v2}"],
    },
    may_succeed=True,
)
# Traces made by both versions of the API, read and changed through version 2.
VICTIM_TRACES = ["{victim.trace_v2}", "{victim.trace}"]

VICTIM_TRACE = {"trace_id": "{victim.trace}"}
ATTACKER_TRACE = {"trace_id": "{attacker.trace}"}
TRACE_TAG = {"trace_id": "{victim.trace}", "key": "{victim.key.tracetag}"}
# The victim's assessment, once below its own trace and once below one of the attacker's.
ASSESSMENT_OF_VICTIM = {**VICTIM_TRACE, "assessment_id": "{victim.assessment}"}
ASSESSMENT_OF_ATTACKER = {**ATTACKER_TRACE, "assessment_id": "{victim.assessment}"}
NEW_ASSESSMENT = {"assessment": assessment("{victim.trace}", "n", ATTACKER)}
CHANGED_ASSESSMENT = {
    "assessment": assessment("{victim.trace}", "n", ATTACKER, assessment_id="{victim.assessment}"),
    "update_mask": "rationale",
}


def spans(trace: str, experiment: str, *, may_succeed: bool = False, **headers: str) -> Attack:
    """A span of a trace (32 hexadecimal digits), which names one of the victim's traces."""
    attributes = {"mlflow.traceRequestId": '"{victim.trace}"'}
    return Attack(
        json=otlp_spans(trace, "{attacker.unique.span}", **attributes),
        headers={"X-MLflow-Experiment-Id": experiment, **headers},
        may_succeed=may_succeed,
    )


VICTIM_DATASET = {"dataset_id": "{victim.dataset}"}
ATTACKER_DATASET = {"dataset_id": "{attacker.dataset}"}
VICTIM_RECORD = {"dataset_record_ids": ["{victim.record}"]}

RESOLVE_VICTIM_ISSUE = {
    "issue_id": "{victim.issue}",
    "status": "resolved",
    "name": "{attacker.unique.taken}",
}


def graphql(query: str, variables: Any) -> Attack:
    """A GraphQL request. MLflow reports in the body that it found nothing, with status 200."""
    return Attack(json={"query": query, "variables": variables}, may_succeed=True)


RUN_FIELDS = "{apiError {message} run {info {runUuid runName} data {params {key value}}}}"
# The page, its files, and what the gateway itself says in MLflow's place: the same to everybody.
OWN_ROUTES = ("GET /", *(f"GET {pattern}" for pattern in OWN_RESPONSES))
FILE_PATHS = [
    "{victim.file_name}",
    "../../../../{victim.tenant}/{victim.file}",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/{victim.tenant}/{victim.file}",
    "..%5c..%5c{victim.file}",
    "/workspaces/{victim.tenant}/{victim.file}",
    "file:///workspaces/{victim.tenant}/{victim.file}",
]


def on_static_paths() -> list[Attack]:
    """A public path from which each of these could lead elsewhere."""
    paths = ("x.js", "../get-artifact", "%2e%2e/api/2.0/mlflow/experiments/search", "..%2fgraphql")
    return [Attack(path={"path": path}) for path in (*paths, *ARTIFACT_PATHS)]


TRACE_ARTIFACT = [
    Attack(query={"request_id": trace, **path})
    for trace in ("{victim.trace}", "{victim.trace_v2}", "{victim.trace_otlp}")
    for path in ({}, {"path": "traces.json"}, {"path": "../artifacts/traces.json"})
] + [Attack(query={"request_id": "{attacker.trace}", "path": path}) for path in FILE_PATHS]

# --- the table ---

ATTACKS: dict[str, list[Attack]] = {
    # the server
    "GET /health": OTHER_WORKSPACE,
    "GET /version": OTHER_WORKSPACE,
    "GET /api/2.0/mlflow/help": OTHER_WORKSPACE,
    "GET /api/3.0/mlflow/server-info": OTHER_WORKSPACE,
    # experiments
    "POST /api/2.0/mlflow/experiments/create": in_body(
        {
            "name": "{attacker.unique.e}",
            "tags": [{"key": "mlflow.experimentId", "value": "1"}],
        },
        may_succeed=True,
    ),
    "POST /api/2.0/mlflow/experiments/delete": in_body({"experiment_id": "{victim.experiment}"}),
    "POST /api/2.0/mlflow/experiments/restore": in_body({"experiment_id": "{victim.experiment}"}),
    "POST /api/2.0/mlflow/experiments/update": in_body(
        {"experiment_id": "{victim.experiment}", "new_name": "{attacker.unique.taken}"},
        {"experimentId": "{victim.experiment}", "newName": "{attacker.unique.taken}"},
    ),
    "POST /api/2.0/mlflow/experiments/set-experiment-tag": in_body(
        {"experiment_id": "{victim.experiment}", "key": "{victim.key.exptag}", "value": "x"}
    ),
    "POST /api/2.0/mlflow/experiments/delete-experiment-tag": in_body(
        {"experiment_id": "{victim.experiment}", "key": "{victim.key.exptag}"}
    ),
    "GET /api/2.0/mlflow/experiments/get": in_query({"experiment_id": "{victim.experiment}"}),
    "GET /api/2.0/mlflow/experiments/get-by-name": in_query(
        {"experiment_name": "{victim.experiment_name}"}
    ),
    "GET /api/2.0/mlflow/experiments/search": in_query(
        ALL_EXPERIMENTS,
        {**ALL_EXPERIMENTS, "filter": "name = '{victim.experiment_name}'"},
        {**ALL_EXPERIMENTS, "filter": "tags.`{victim.key.exptag}` LIKE '%'"},
        may_succeed=True,
    ),
    "POST /api/2.0/mlflow/experiments/search": in_body(
        ALL_EXPERIMENTS,
        {**ALL_EXPERIMENTS, "filter": "name LIKE '{victim.marker}%'"},
        may_succeed=True,
    ),
    # runs
    "GET /api/2.0/mlflow/runs/get": in_query(
        {"run_id": "{victim.run}"},
        {"run_uuid": "{victim.run}"},
        {"run_id": "{victim.run}", "run_uuid": "{attacker.run}"},
    ),
    "GET /api/2.0/mlflow/metrics/get-history": in_query(
        {"run_id": "{victim.run}", "metric_key": "{victim.key.metric}"},
        {"run_uuid": "{victim.run}", "metric_key": "{victim.key.metric}"},
    ),
    "GET /api/2.0/mlflow/metrics/get-history-bulk-interval": in_query(
        {"run_ids": "{victim.run}", "metric_key": "{victim.key.metric}", "max_results": 10},
        {
            "run_ids": ["{attacker.run}", "{victim.run}"],
            "metric_key": "{victim.key.metric}",
            "max_results": 10,
        },
        may_succeed=True,
    ),
    "POST /api/2.0/mlflow/runs/create": in_body(
        {"experiment_id": "{victim.experiment}", "start_time": "{now}"},
        {"experimentId": "{victim.experiment}", "run_name": "{attacker.unique.run}"},
        {
            "experiment_id": "{victim.experiment}",
            "tags": [{"key": "mlflow.parentRunId", "value": "{victim.run}"}],
        },
    ),
    "POST /api/2.0/mlflow/runs/delete": in_body(
        {"run_id": "{victim.run}"}, {"runId": "{victim.run}"}
    ),
    "POST /api/2.0/mlflow/runs/restore": in_body({"run_id": "{victim.run}"}),
    "POST /api/2.0/mlflow/runs/update": in_body(
        {"run_id": "{victim.run}", "status": "FAILED", "end_time": "{now}"},
        {"run_uuid": "{victim.run}", "run_name": "{attacker.unique.taken}"},
    ),
    "POST /api/2.0/mlflow/runs/set-tag": in_body(
        {"run_id": "{victim.run}", "key": "{victim.key.tag}", "value": "x"},
        {"run_uuid": "{victim.run}", "key": "{victim.key.tag}", "value": "x"},
    ),
    "POST /api/2.0/mlflow/runs/delete-tag": in_body(
        {"run_id": "{victim.run}", "key": "{victim.key.tag}"}
    ),
    "POST /api/2.0/mlflow/runs/log-metric": in_body(
        {"run_id": "{victim.run}", "key": "{victim.key.metric}", "value": 9, "timestamp": "{now}"},
        {
            "run_uuid": "{victim.run}",
            "key": "{victim.key.metric}",
            "value": 9,
            "timestamp": "{now}",
        },
    ),
    "POST /api/2.0/mlflow/runs/log-parameter": in_body(
        {"run_id": "{victim.run}", "key": "{attacker.unique.p}", "value": "x"},
        {"run_uuid": "{victim.run}", "key": "{attacker.unique.p}", "value": "x"},
    ),
    "POST /api/2.0/mlflow/runs/log-batch": in_body(
        {
            "run_id": "{victim.run}",
            "metrics": [{"key": "m", "value": 1, "timestamp": "{now}", "step": 0}],
            "params": [{"key": "{attacker.unique.p}", "value": "x"}],
            "tags": [{"key": "{victim.key.tag}", "value": "x"}],
        }
    ),
    "POST /api/2.0/mlflow/runs/log-model": in_body(
        {
            "run_id": "{victim.run}",
            "model_json": '{"artifact_path": "m", "run_id": "{victim.run}", "flavors": {},'
            ' "utc_time_created": "2026-01-01"}',
        }
    ),
    "POST /api/2.0/mlflow/runs/log-inputs": in_body(
        {"run_id": "{victim.run}", "models": [VICTIM_MODEL]},
        {
            "run_id": "{victim.run}",
            "datasets": [
                {"dataset": {"name": "n", "digest": "d", "source_type": "local", "source": "s"}}
            ],
        },
    ),
    "POST /api/2.0/mlflow/runs/outputs": in_body(
        {"run_id": "{victim.run}", "models": [ATTACKER_MODEL]}
    ),
    "POST /api/2.0/mlflow/runs/search": in_body(
        {"experiment_ids": ["{victim.experiment}"]},
        {
            "experiment_ids": ["{victim.experiment}", "{attacker.experiment}"],
            "run_view_type": "ALL",
        },
        {"experimentIds": ["{victim.experiment}"]},
        {
            "experiment_ids": ["{attacker.experiment}", "{victim.experiment}"],
            "filter": "dataset.name = '{victim.key.inputname}'",
        },
        {"filter": "attributes.run_id = '{victim.run}'"},
        may_succeed=True,
    ),
    # artifacts
    "GET /api/2.0/mlflow-artifacts/artifacts/{artifact_path:path}": on_artifact_paths(),
    "GET /api/2.0/mlflow-artifacts/presigned/{artifact_path:path}": on_artifact_paths(),
    # A path without a workspace is in the attacker's own, whatever it looks like.
    "PUT /api/2.0/mlflow-artifacts/artifacts/{artifact_path:path}": on_artifact_paths(
        content=b"overwritten", may_succeed=True
    ),
    "DELETE /api/2.0/mlflow-artifacts/artifacts/{artifact_path:path}": on_artifact_paths(
        may_succeed=True
    ),
    "POST /api/2.0/mlflow-artifacts/mpu/create/{artifact_path:path}": on_artifact_paths(
        json={"path": "f", "num_parts": 1}
    ),
    "POST /api/2.0/mlflow-artifacts/mpu/complete/{artifact_path:path}": on_artifact_paths(
        json={"path": "f", "upload_id": "u", "parts": []}
    ),
    "POST /api/2.0/mlflow-artifacts/mpu/abort/{artifact_path:path}": on_artifact_paths(
        json={"path": "f", "upload_id": "u"}
    ),
    "GET /api/2.0/mlflow-artifacts/artifacts": in_query(
        {"path": "{victim.experiment}/{victim.run}/artifacts"},
        {"path": "workspaces/{victim.tenant}"},
        {"path": "../{victim.tenant}"},
        {"path": "%2e%2e"},
        {"path": "/"},
        {"path": ""},
        {"path": "file:///"},
        may_succeed=True,
    ),
    "GET /api/2.0/mlflow/artifacts/list": in_query(
        {"run_id": "{victim.run}"},
        {"run_uuid": "{victim.run}"},
        {"run_id": "{victim.run}", "path": "d"},
        {
            "run_id": "{attacker.run}",
            "path": "../../../{victim.tenant}/{victim.experiment}/{victim.run}",
        },
        {"run_id": "{attacker.run}", "path": "%2e%2e/%2e%2e"},
    ),
    "POST /api/2.0/mlflow/artifacts/presigned-download-url": PRESIGNED_URL,
    "POST /api/2.0/mlflow/artifacts/presigned-upload-url": PRESIGNED_URL,
    # logged models
    "POST /api/2.0/mlflow/logged-models": in_body(
        {"experiment_id": "{victim.experiment}", "name": "n"}
    ),
    "POST /api/2.0/mlflow/logged-models/search": in_body(
        {"experiment_ids": ["{victim.experiment}"]},
        {"experiment_ids": ["{victim.experiment}", "{attacker.experiment}"]},
        {"experiment_ids": ["{attacker.experiment}"], "filter": "name LIKE '{victim.marker}%'"},
        may_succeed=True,
    ),
    "GET /api/2.0/mlflow/logged-models/{model_id}": [
        Attack(VICTIM_MODEL),
        Attack(ATTACKER_MODEL, query=VICTIM_MODEL, may_succeed=True),
    ],
    "DELETE /api/2.0/mlflow/logged-models/{model_id}": [
        Attack(VICTIM_MODEL),
        Attack(VICTIM_MODEL, json=VICTIM_MODEL),
    ],
    "PATCH /api/2.0/mlflow/logged-models/{model_id}": [
        Attack(VICTIM_MODEL, json=FAIL_VICTIM_MODEL),
        Attack(ATTACKER_MODEL, json=FAIL_VICTIM_MODEL, may_succeed=True),
    ],
    "GET /api/2.0/mlflow/logged-models/{model_id}/artifacts/directories": [
        Attack(VICTIM_MODEL),
        Attack(ATTACKER_MODEL, query=VICTIM_MODEL, may_succeed=True),
        Attack(
            ATTACKER_MODEL,
            query={"artifact_directory_path": "../../../../{victim.tenant}/{victim.experiment}"},
        ),
    ],
    "POST /api/2.0/mlflow/logged-models/{model_id}/params": [
        Attack(VICTIM_MODEL, json={**VICTIM_MODEL, "params": PAIR}),
        Attack(ATTACKER_MODEL, json={**VICTIM_MODEL, "params": PAIR}, may_succeed=True),
    ],
    "PATCH /api/2.0/mlflow/logged-models/{model_id}/tags": [
        Attack(
            VICTIM_MODEL,
            json={**VICTIM_MODEL, "tags": [{"key": "{victim.key.modeltag}", "value": "y"}]},
        ),
        Attack(ATTACKER_MODEL, json={**VICTIM_MODEL, "tags": PAIR}, may_succeed=True),
    ],
    "DELETE /api/2.0/mlflow/logged-models/{model_id}/tags/{tag_key}": [
        Attack({**VICTIM_MODEL, "tag_key": "{victim.key.modeltag}"}),
        Attack({**ATTACKER_MODEL, "tag_key": "x"}, json=VICTIM_MODEL, may_succeed=True),
    ],
    # registered models and their versions
    "POST /api/2.0/mlflow/registered-models/create": in_body(
        {"name": "{attacker.unique.model}", "description": "d"}, may_succeed=True
    ),
    "GET /api/2.0/mlflow/registered-models/get": in_query(REGISTERED, PROMPT),
    "POST /api/2.0/mlflow/registered-models/rename": in_body(
        {**REGISTERED, "new_name": "{attacker.unique.taken}"},
        {**REGISTERED, "newName": "{attacker.unique.taken}"},
    ),
    "PATCH /api/2.0/mlflow/registered-models/update": in_body_and_query(
        {**REGISTERED, "description": "x"}
    ),
    "DELETE /api/2.0/mlflow/registered-models/delete": in_body_and_query(REGISTERED, PROMPT),
    "POST /api/2.0/mlflow/registered-models/set-tag": in_body(
        {**REGISTERED, "key": "{victim.key.regtag}", "value": "x"}
    ),
    "DELETE /api/2.0/mlflow/registered-models/delete-tag": in_body_and_query(
        {**REGISTERED, "key": "{victim.key.regtag}"}
    ),
    "GET /api/2.0/mlflow/registered-models/alias": in_query(
        {**REGISTERED, "alias": "{victim.alias}"}
    ),
    "POST /api/2.0/mlflow/registered-models/alias": in_body(
        {**REGISTERED, "alias": "{victim.alias}", "version": "2"},
        {"name": "{attacker.registered}", "alias": "{victim.alias}", "version": "99"},
    ),
    "DELETE /api/2.0/mlflow/registered-models/alias": in_body_and_query(
        {**REGISTERED, "alias": "{victim.alias}"}
    ),
    "GET /api/2.0/mlflow/registered-models/get-latest-versions": in_query(REGISTERED),
    "POST /api/2.0/mlflow/registered-models/get-latest-versions": in_body(REGISTERED),
    "GET /api/2.0/mlflow/registered-models/search": SEARCH_MODELS,
    "GET /api/2.0/mlflow/model-versions/search": SEARCH_MODELS,
    "POST /api/2.0/mlflow/model-versions/create": in_body(
        {**REGISTERED, "source": "runs:/{attacker.run}/model", "run_id": "{attacker.run}"},
        *(
            {"name": "{attacker.registered}", **source}
            for source in (
                {"source": "runs:/{victim.run}/model", "run_id": "{victim.run}"},
                {"source": "runs:/{victim.run}/model"},
                {"source": "runs:/{victim.run}/model", "run_id": "{attacker.run}"},
                {"source": "models:/{victim.model}"},
                {"source": "models:/{victim.model}", "model_id": "{victim.model}"},
                {"source": "models:/{victim.registered}/1"},
                {"source": "models:/{victim.registered}@{victim.alias}"},
                {"source": "{victim.artifact_uri}"},
                {"source": "{victim.artifact_uri}", "run_id": "{victim.run}"},
                {"source": "{attacker.artifact_uri}/../../../../{victim.tenant}"},
                {"source": "mlflow-artifacts:/{victim.file}"},
            )
        ),
    ),
    "GET /api/2.0/mlflow/model-versions/get": in_query(VERSION_1),
    "GET /api/2.0/mlflow/model-versions/get-download-uri": in_query(VERSION_1),
    "PATCH /api/2.0/mlflow/model-versions/update": in_body_and_query(
        {**VERSION_1, "description": "x"}
    ),
    "DELETE /api/2.0/mlflow/model-versions/delete": in_body_and_query(VERSION_1),
    "POST /api/2.0/mlflow/model-versions/set-tag": in_body(
        {**VERSION_1, "key": "{victim.key.versiontag}", "value": "x"}
    ),
    "DELETE /api/2.0/mlflow/model-versions/delete-tag": in_body_and_query(
        {**VERSION_1, "key": "{victim.key.versiontag}"}
    ),
    "POST /api/2.0/mlflow/model-versions/transition-stage": in_body(
        {**VERSION_1, "stage": "Production", "archive_existing_versions": True}
    ),
    # traces, version 2
    "GET /api/2.0/mlflow/traces": in_query(
        {"experiment_ids": "{victim.experiment}"},
        {"experiment_ids": ["{attacker.experiment}", "{victim.experiment}"]},
        {"experiment_ids": ["{attacker.experiment}"], "filter": "run_id = '{victim.run}'"},
        may_succeed=True,
    ),
    "POST /api/2.0/mlflow/traces": in_body(
        {"experiment_id": "{victim.experiment}", "timestamp_ms": "{now}", "tags": []}
    ),
    "POST /api/2.0/mlflow/traces/delete-traces": DELETE_TRACES,
    "POST /api/2.0/mlflow/traces/link-to-run": in_body(
        {"trace_ids": ["{attacker.trace_v2}"], "run_id": "{victim.run}"},
        {"trace_ids": ["{victim.trace_v2}"], "run_id": "{victim.run}"},
        # MLflow links to the attacker's run only what is the attacker's already: nothing.
        {"trace_ids": ["{victim.trace}"], "run_id": "{attacker.run}"},
        may_succeed=True,
    ),
    "POST /api/2.0/mlflow/traces/link-prompts": in_body(
        {
            "trace_id": "{victim.trace}",
            "prompt_versions": [{"name": "{attacker.prompt}", "version": "1"}],
        }
    ),
    "GET /api/2.0/mlflow/traces/{request_id}/info": [
        Attack({"request_id": trace}) for trace in VICTIM_TRACES
    ],
    "PATCH /api/2.0/mlflow/traces/{request_id}": [
        row
        for trace in VICTIM_TRACES
        for row in (
            Attack(
                {"request_id": trace},
                json={"request_id": trace, "timestamp_ms": "{now}", "status": "ERROR"},
            ),
            # The id in the body is the victim's, the one in the path the attacker's own.
            Attack(
                {"request_id": "{attacker.trace_v2}"},
                json={"request_id": trace, "timestamp_ms": "{now}", "status": "ERROR"},
                may_succeed=True,
            ),
        )
    ],
    "PATCH /api/2.0/mlflow/traces/{request_id}/tags": [
        row
        for trace in VICTIM_TRACES
        for row in (
            Attack(
                {"request_id": trace},
                json={"request_id": trace, "key": "{victim.key.tracetag}", "value": "x"},
            ),
            Attack(
                {"request_id": "{attacker.trace_v2}"},
                json={"request_id": trace, "key": "x", "value": "x"},
                may_succeed=True,
            ),
        )
    ],
    "DELETE /api/2.0/mlflow/traces/{request_id}/tags": [
        row
        for trace in VICTIM_TRACES
        for tag in [{"request_id": trace, "key": "{victim.key.tracetag}"}]
        for row in (
            Attack({"request_id": trace}, json=tag),
            Attack({"request_id": trace}, query=tag),
        )
    ],
    # traces, version 3
    "POST /api/3.0/mlflow/traces": in_body(
        trace_v3("tr-{random_hex}", "{victim.experiment}", ATTACKER),
        trace_v3("{victim.trace}", "{victim.experiment}", ATTACKER),
        trace_v3("{victim.trace}", "{attacker.experiment}", ATTACKER),
        trace_v3("{victim.trace_v2}", "{attacker.experiment}", ATTACKER),
    ),
    "POST /api/3.0/mlflow/traces/delete-traces": DELETE_TRACES,
    "GET /api/3.0/mlflow/traces/{trace_id}": [Attack(VICTIM_TRACE)],
    "PATCH /api/3.0/mlflow/traces/{trace_id}/tags": [
        Attack(VICTIM_TRACE, json={**TRACE_TAG, "value": "x"}),
        Attack(ATTACKER_TRACE, json={**VICTIM_TRACE, "key": "x", "value": "x"}, may_succeed=True),
    ],
    "DELETE /api/3.0/mlflow/traces/{trace_id}/tags": [
        Attack(VICTIM_TRACE, json=TRACE_TAG),
        Attack(VICTIM_TRACE, query=TRACE_TAG),
    ],
    "POST /api/3.0/mlflow/traces/{trace_id}/assessments": [
        Attack(VICTIM_TRACE, json=NEW_ASSESSMENT),
        Attack(ATTACKER_TRACE, json=NEW_ASSESSMENT, may_succeed=True),
        Attack(
            ATTACKER_TRACE,
            json={
                "assessment": assessment(
                    "{attacker.trace}", "n", ATTACKER, overrides="{victim.assessment}"
                )
            },
        ),
    ],
    "GET /api/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}": [
        Attack(ASSESSMENT_OF_VICTIM),
        Attack(ASSESSMENT_OF_ATTACKER),
    ],
    "PATCH /api/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}": [
        Attack(ASSESSMENT_OF_VICTIM, json=CHANGED_ASSESSMENT),
        Attack(ASSESSMENT_OF_ATTACKER, json=CHANGED_ASSESSMENT),
        Attack(
            ASSESSMENT_OF_ATTACKER,
            json={
                "assessment": assessment(
                    "{attacker.trace}", "n", ATTACKER, assessment_id="{victim.assessment}"
                )
            },
        ),
    ],
    # MLflow responds alike to the deletion of what is there and of what is not; so below.
    "DELETE /api/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}": [
        Attack(ASSESSMENT_OF_VICTIM, may_succeed=True),
        Attack(ASSESSMENT_OF_ATTACKER, may_succeed=True),
    ],
    "GET /api/3.0/mlflow/traces/batchGet": in_query(
        {"trace_ids": ["{victim.trace}", "{victim.trace_otlp}", "{attacker.trace}"]},
        {"trace_ids": "{victim.trace}", "experiment_ids": "{victim.experiment}"},
        may_succeed=True,
    ),
    "POST /api/3.0/mlflow/traces/batchGetInfos": in_body(
        {"trace_ids": ["{victim.trace}", "{victim.trace_v2}", "{attacker.trace}"]},
        {"trace_ids": ["{victim.trace}"], "experiment_ids": ["{victim.experiment}"]},
        may_succeed=True,
    ),
    "GET /api/3.0/mlflow/traces/get": in_query(
        {"trace_id": "{victim.trace}"},
        {"trace_id": "{victim.trace_otlp}", "allow_partial": "true"},
    ),
    "POST /api/3.0/mlflow/traces/search": in_body(
        {"locations": [trace_location("{victim.experiment}")]},
        {
            "locations": [
                trace_location("{attacker.experiment}"),
                trace_location("{victim.experiment}"),
            ]
        },
        {
            "locations": [trace_location("{attacker.experiment}")],
            "filter": "attributes.run_id = '{victim.run}'",
        },
        {
            "locations": [trace_location("{attacker.experiment}")],
            "filter": "prompt = '{victim.prompt}/1'",
        },
        may_succeed=True,
    ),
    "POST /api/3.0/mlflow/traces/metrics": in_body(
        {
            "experiment_ids": ["{victim.experiment}"],
            "view_type": "TRACES",
            "metric_name": "trace_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
            "dimensions": ["trace_name"],
        },
        {
            "experiment_ids": ["{victim.experiment}", "{attacker.experiment}"],
            "view_type": "ASSESSMENTS",
            "metric_name": "assessment_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
            "dimensions": ["assessment_name"],
        },
        may_succeed=True,
    ),
    "POST /api/3.0/mlflow/traces/calculate-filter-correlation": in_body(
        {
            "experiment_ids": ["{victim.experiment}", "{attacker.experiment}"],
            "filter_string1": "tags.`{victim.key.tracetag}` LIKE '%'",
            "filter_string2": "status = 'OK'",
        },
        may_succeed=True,
    ),
    "POST /v1/traces": [
        spans("{random_hex}", "{victim.experiment}"),
        spans("{victim.otlp_trace_id}", "{victim.experiment}"),
        # MLflow drops the spans of a trace whose id is taken.
        spans("{victim.otlp_trace_id}", "{attacker.experiment}", may_succeed=True),
        spans(
            "{random_hex}",
            "{attacker.experiment}",
            may_succeed=True,
            **{"X-MLflow-Run-Id": "{victim.run}"},
        ),
    ],
    # evaluation datasets
    "POST /api/3.0/mlflow/datasets/create": in_body(
        {"name": "{attacker.unique.d}", "experiment_ids": ["{victim.experiment}"]},
        {
            "name": "{attacker.unique.d}",
            "experiment_ids": ["{attacker.experiment}", "{victim.experiment}"],
        },
        {"name": "{attacker.unique.d}", "experimentIds": ["{victim.experiment}"]},
    ),
    "GET /api/3.0/mlflow/datasets/search": in_query(
        {},
        {"experiment_ids": "{victim.experiment}"},
        {"filter_string": "name LIKE '{victim.marker}%'"},
        may_succeed=True,
    ),
    "POST /api/3.0/mlflow/datasets/search": in_body(
        {},
        {"experiment_ids": ["{victim.experiment}", "{attacker.experiment}"]},
        {"filter_string": "name = '{victim.dataset_name}'"},
        may_succeed=True,
    ),
    "GET /api/3.0/mlflow/datasets/{dataset_id}": [Attack(VICTIM_DATASET)],
    "DELETE /api/3.0/mlflow/datasets/{dataset_id}": [
        Attack(VICTIM_DATASET, may_succeed=True),
        Attack(VICTIM_DATASET, json=VICTIM_DATASET, may_succeed=True),
    ],
    "GET /api/3.0/mlflow/datasets/{dataset_id}/records": [
        Attack(VICTIM_DATASET),
        Attack(ATTACKER_DATASET, query=VICTIM_DATASET, may_succeed=True),
    ],
    "POST /api/3.0/mlflow/datasets/{dataset_id}/records": [
        Attack(VICTIM_DATASET, json={**VICTIM_DATASET, "records": records(ATTACKER)}),
        Attack(
            ATTACKER_DATASET,
            json={**VICTIM_DATASET, "records": records(ATTACKER)},
            may_succeed=True,
        ),
    ],
    "DELETE /api/3.0/mlflow/datasets/{dataset_id}/records": [
        Attack(VICTIM_DATASET, json={**VICTIM_DATASET, **VICTIM_RECORD}),
        Attack(ATTACKER_DATASET, json={**ATTACKER_DATASET, **VICTIM_RECORD}, may_succeed=True),
    ],
    "GET /api/3.0/mlflow/datasets/{dataset_id}/experiment-ids": [
        Attack(VICTIM_DATASET, may_succeed=True)
    ],
    "POST /api/3.0/mlflow/datasets/{dataset_id}/add-experiments": [
        Attack(VICTIM_DATASET, json={"experiment_ids": ["{attacker.experiment}"]}),
        Attack(ATTACKER_DATASET, json={"experiment_ids": ["{victim.experiment}"]}),
    ],
    "POST /api/3.0/mlflow/datasets/{dataset_id}/remove-experiments": [
        Attack(VICTIM_DATASET, json={"experiment_ids": ["{victim.experiment}"]})
    ],
    "PATCH /api/3.0/mlflow/datasets/{dataset_id}/tags": [
        Attack(VICTIM_DATASET, json={**VICTIM_DATASET, "tags": '{"x": "y"}'}),
        Attack(ATTACKER_DATASET, json={**VICTIM_DATASET, "tags": '{"x": "y"}'}, may_succeed=True),
    ],
    "DELETE /api/3.0/mlflow/datasets/{dataset_id}/tags/{key}": [
        Attack({**VICTIM_DATASET, "key": "{victim.key.dstag}"}, may_succeed=True)
    ],
    # issues
    "POST /api/3.0/mlflow/issues": in_body(
        {"experiment_id": "{victim.experiment}", "name": "n", "description": "d"}
    ),
    "POST /api/3.0/mlflow/issues/search": in_body(
        {"experiment_id": "{victim.experiment}", "include_trace_count": True},
        {"filter_string": "status = 'pending'"},
        {},
        may_succeed=True,
    ),
    "GET /api/3.0/mlflow/issues/{issue_id}": [
        Attack({"issue_id": "{victim.issue}"}),
        Attack(
            {"issue_id": "{attacker.issue}"},
            query={"issue_id": "{victim.issue}"},
            may_succeed=True,
        ),
    ],
    "PATCH /api/3.0/mlflow/issues/{issue_id}": [
        Attack({"issue_id": "{victim.issue}"}, json=RESOLVE_VICTIM_ISSUE),
        Attack({"issue_id": "{attacker.issue}"}, json=RESOLVE_VICTIM_ISSUE, may_succeed=True),
    ],
    # label schemas
    "POST /api/3.0/mlflow/label-schemas/create": in_body(
        label_schema("{victim.experiment}", "{attacker.unique.s}", "i"),
        label_schema("{victim.experiment}", "{victim.schema_name}", "i"),
    ),
    "GET /api/3.0/mlflow/label-schemas/get": in_query({"schema_id": "{victim.schema}"}),
    "GET /api/3.0/mlflow/label-schemas/get-by-name": in_query(
        {"experiment_id": "{victim.experiment}", "name": "{victim.schema_name}"},
        {"experiment_id": "{attacker.experiment}", "name": "{victim.schema_name}"},
    ),
    "GET /api/3.0/mlflow/label-schemas/list": in_query(
        {"experiment_id": "{victim.experiment}"}, may_succeed=True
    ),
    "PATCH /api/3.0/mlflow/label-schemas/update": in_body_and_query(
        {"schema_id": "{victim.schema}", "name": "{attacker.unique.taken}"}
    ),
    "DELETE /api/3.0/mlflow/label-schemas/delete": [
        Attack(json={"schema_id": "{victim.schema}"}, may_succeed=True),
        Attack(query={"schema_id": "{victim.schema}"}, may_succeed=True),
    ],
    # the web interface
    **{
        name: [*OTHER_WORKSPACE, Attack(query={"username": "{victim.tenant}"}, may_succeed=True)]
        for name in OWN_ROUTES
    },
    "GET /static-files/{path:path}": on_static_paths(),
    "POST /graphql": [
        graphql(
            "query($i: MlflowGetRunInput!) {mlflowGetRun(input: $i) " + RUN_FIELDS + "}",
            {"i": {"runId": "{victim.run}"}},
        ),
        graphql(
            "query($i: MlflowGetRunInput!) {mlflowGetRun(input: $i) " + RUN_FIELDS + "}",
            {"i": {"runUuid": "{victim.run}", "runId": "{attacker.run}"}},
        ),
        graphql(
            "query($i: MlflowGetExperimentInput!) {mlflowGetExperiment(input: $i)"
            " {apiError {message} experiment {name artifactLocation tags {key value}}}}",
            {"i": {"experimentId": "{victim.experiment}"}},
        ),
        *(
            graphql(
                kind + "($i: MlflowSearchRunsInput!) {mlflowSearchRuns(input: $i)"
                " {runs {info {runUuid runName} modelVersions {name source}}}}",
                {"i": {"experimentIds": ["{victim.experiment}", "{attacker.experiment}"]}},
            )
            for kind in ("query", "mutation")
        ),
        graphql(
            "query($i: MlflowListArtifactsInput!) {mlflowListArtifacts(input: $i)"
            " {rootUri files {path}}}",
            {"i": {"runId": "{victim.run}"}},
        ),
        graphql(
            "query($i: MlflowListArtifactsInput!) {mlflowListArtifacts(input: $i)"
            " {rootUri files {path}}}",
            {"i": {"runId": "{attacker.run}", "path": "../../../../{victim.tenant}"}},
        ),
        graphql(
            "query($i: MlflowSearchModelVersionsInput!) {mlflowSearchModelVersions(input: $i)"
            " {modelVersions {name source description}}}",
            {"i": {"filter": "name = '{victim.registered}'"}},
        ),
        graphql(
            "query($i: MlflowGetMetricHistoryBulkIntervalInput!)"
            " {mlflowGetMetricHistoryBulkInterval(input: $i) {metrics {key value runId}}}",
            {"i": {"runIds": ["{victim.run}"], "metricKey": "{victim.key.metric}"}},
        ),
        graphql(
            "mutation($i: MlflowSearchDatasetsInput!) {mlflowSearchDatasets(input: $i)"
            " {datasetSummaries {name digest}}}",
            {"i": {"experimentIds": ["{victim.experiment}"]}},
        ),
    ],
    "GET /get-artifact": [
        *(Attack(query={"run_id": "{victim.run}", "path": path}) for path in FILE_PATHS),
        *(Attack(query={"run_uuid": "{attacker.run}", "path": path}) for path in FILE_PATHS),
        Attack(query={"run_id": ["{victim.run}", "{attacker.run}"], "path": "{victim.file_name}"}),
    ],
    "GET /model-versions/get-artifact": [
        Attack(query={**VERSION_1, "path": "{victim.file_name}"}),
        Attack(query={**VERSION_1, "version": "2", "path": "MLmodel"}),
        *(
            Attack(query={"name": "{attacker.registered}", "version": "1", "path": path})
            for path in FILE_PATHS
        ),
    ],
    "POST /ajax-api/2.0/mlflow/experiments/search-datasets": in_body(
        {"experiment_ids": ["{victim.experiment}"]},
        {"experimentIds": ["{attacker.experiment}", "{victim.experiment}"]},
        may_succeed=True,
    ),
    "GET /ajax-api/2.0/mlflow/get-trace-artifact": TRACE_ARTIFACT,
    "GET /ajax-api/3.0/mlflow/get-trace-artifact": TRACE_ARTIFACT,
    "GET /ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files": [
        Attack(VICTIM_MODEL, query={"artifact_file_path": "MLmodel"}),
        *(Attack(ATTACKER_MODEL, query={"artifact_file_path": path}) for path in FILE_PATHS),
    ],
    "GET /ajax-api/2.0/mlflow/metrics/get-history-bulk": in_query(
        {"run_id": "{victim.run}", "metric_key": "{victim.key.metric}"},
        {"run_id": ["{attacker.run}", "{victim.run}"], "metric_key": "{victim.key.metric}"},
        may_succeed=True,
    ),
    "POST /ajax-api/2.0/mlflow/upload-artifact": [
        Attack(query={"run_uuid": "{victim.run}", "path": "{victim.file_name}"}, content=b"x"),
        *(
            Attack(query={"run_uuid": "{attacker.run}", "path": path}, content=b"overwritten")
            # The others name a file of the attacker's own, whatever they look like.
            for path in FILE_PATHS[1:]
            if "%5c" not in path
        ),
    ],
}
