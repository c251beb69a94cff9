"""One of everything that an MLflow client can make, all of it marked as its tenant's own."""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

V2 = "/api/mlflow/api/2.0/mlflow"
V3 = "/api/mlflow/api/3.0/mlflow"
FILES = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"
# Bytes of the artifacts that a run gets.
SIZES = (0, 700, 300_000)


@dataclass
class World:
    """A tenant's things: their ids, and their names in which the marker stands.

    marker: a word that stands in every name, value and artifact of this tenant, and nowhere else.
    ids: every id long enough to be looked for in an answer.
    """

    client: httpx.Client
    tenant: str
    marker: str
    ids: set[str] = field(default_factory=set)
    experiment: str = ""
    experiment_name: str = ""
    run: str = ""
    artifact_uri: str = ""
    file: str = ""  # the path of an artifact below the workspace
    model: str = ""  # a logged model
    logged_name: str = ""
    registered: str = ""
    alias: str = ""
    prompt: str = ""
    trace: str = ""
    trace_v2: str = ""
    trace_otlp: str = ""
    assessment: str = ""
    dataset: str = ""
    dataset_name: str = ""
    record: str = ""
    issue: str = ""
    schema: str = ""
    schema_name: str = ""
    keys: dict[str, str] = field(default_factory=dict)

    def word(self, kind: str) -> str:
        """A value of this tenant's: never the beginning of another."""
        return f"{self.marker}-{kind}-{secrets.token_hex(4)}z"

    def key(self, kind: str) -> str:
        """The name of a metric, parameter or tag of this tenant's; the same one each time."""
        return self.keys.setdefault(kind, self.word(kind))

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The document of an answer that has to be good."""
        answer = self.client.request(method, path, **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.headers.get("content-type", "").endswith("json") else None

    def new(self, id_: str) -> str:
        self.ids.add(id_)
        return id_


def make_world(client: httpx.Client, tenant: str) -> World:
    """Fill a new tenant through the gateway. client: with the tenant's key."""
    world = World(client, tenant, marker=f"m{secrets.token_hex(6)}")
    _tracking(world)
    _models(world)
    _traces(world)
    _evaluation(world)
    return world


def _tracking(w: World) -> None:
    w.experiment_name = w.word("experiment")
    w.experiment = w.ask(
        "POST",
        f"{V2}/experiments/create",
        json={"name": w.experiment_name, "tags": [{"key": w.key("exptag"), "value": w.word("v")}]},
    )["experiment_id"]
    run = w.ask(
        "POST",
        f"{V2}/runs/create",
        json={
            "experiment_id": w.experiment,
            "run_name": w.word("run"),
            "user_id": w.word("user"),
            "start_time": now(),
            "tags": [{"key": w.key("tag"), "value": w.word("v")}],
        },
    )["run"]["info"]
    w.run, w.artifact_uri = w.new(run["run_id"]), run["artifact_uri"]
    w.ask(
        "POST",
        f"{V2}/runs/log-batch",
        json={
            "run_id": w.run,
            "metrics": [
                {"key": w.key("metric"), "value": n, "timestamp": now(), "step": n}
                for n in range(3)
            ],
            "params": [{"key": w.key("param"), "value": w.word("v")}],
        },
    )
    w.ask(
        "POST",
        f"{V2}/runs/log-inputs",
        json={
            "run_id": w.run,
            "datasets": [
                {
                    "tags": [{"key": w.key("inputtag"), "value": w.word("v")}],
                    "dataset": {
                        "name": w.key("inputname"),
                        "digest": "d1",
                        "source_type": "local",
                        "source": w.word("source"),
                    },
                }
            ],
        },
    )
    w.file = f"{w.experiment}/{w.run}/artifacts/{w.word('file')}.txt"
    for size in SIZES:
        name = w.file if size else f"{w.experiment}/{w.run}/artifacts/{w.word('empty')}.txt"
        name = name if size < 1000 else f"{w.experiment}/{w.run}/artifacts/d/{w.word('large')}.bin"
        w.ask("PUT", f"{FILES}/{name}", content=(w.marker * size)[:size].encode())


def _models(w: World) -> None:
    w.logged_name = w.word("logged")
    w.model = w.new(
        w.ask(
            "POST",
            f"{V2}/logged-models",
            json={
                "experiment_id": w.experiment,
                "name": w.logged_name,
                "source_run_id": w.run,
                "params": [{"key": w.key("modelparam"), "value": w.word("v")}],
                "tags": [{"key": w.key("modeltag"), "value": w.word("v")}],
            },
        )["model"]["info"]["model_id"]
    )
    place = f"{w.experiment}/models/{w.model}/artifacts/MLmodel"
    w.ask("PUT", f"{FILES}/{place}", content=f"flavors: {{}} # {w.marker}".encode())
    w.ask(
        "PATCH",
        f"{V2}/logged-models/{w.model}",
        json={"model_id": w.model, "status": "LOGGED_MODEL_READY"},
    )
    w.ask(
        "POST",
        f"{V2}/runs/outputs",
        json={"run_id": w.run, "models": [{"model_id": w.model, "step": 1}]},
    )
    w.ask(
        "POST",
        f"{V2}/runs/log-metric",
        json={
            "run_id": w.run,
            "key": w.key("modelmetric"),
            "value": 1,
            "timestamp": now(),
            "model_id": w.model,
        },
    )
    w.registered, w.alias = w.word("registered"), w.word("alias")
    w.ask(
        "POST",
        f"{V2}/registered-models/create",
        json={
            "name": w.registered,
            "description": w.word("d"),
            "tags": [{"key": w.key("regtag"), "value": w.word("v")}],
        },
    )
    for binding in (
        {"source": f"runs:/{w.run}/model", "run_id": w.run},
        {"source": f"models:/{w.model}", "model_id": w.model},
    ):
        w.ask(
            "POST",
            f"{V2}/model-versions/create",
            json={
                "name": w.registered,
                **binding,
                "description": w.word("d"),
                "tags": [{"key": w.key("versiontag"), "value": w.word("v")}],
            },
        )
    w.ask(
        "POST",
        f"{V2}/registered-models/alias",
        json={"name": w.registered, "alias": w.alias, "version": "1"},
    )
    w.prompt = w.word("prompt")
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    w.ask("POST", f"{V2}/registered-models/create", json={"name": w.prompt, "tags": [is_prompt]})
    w.ask(
        "POST",
        f"{V2}/model-versions/create",
        json={
            "name": w.prompt,
            "source": "dummy-source",
            "tags": [is_prompt, {"key": "mlflow.prompt.text", "value": w.word("text")}],
        },
    )


def _traces(w: World) -> None:
    w.trace = w.new(f"tr-{secrets.token_hex(16)}")
    w.ask("POST", f"{V3}/traces", json=trace_v3(w.trace, w.experiment, w))
    spans(w, w.trace.removeprefix("tr-"))
    w.trace_v2 = w.new(
        w.ask(
            "POST",
            f"{V2}/traces",
            json={
                "experiment_id": w.experiment,
                "timestamp_ms": now(),
                "request_metadata": [{"key": w.key("meta"), "value": w.word("v")}],
                "tags": [{"key": w.key("tracetag"), "value": w.word("v")}],
            },
        )["trace_info"]["request_id"]
    )
    w.ask(
        "PATCH",
        f"{V2}/traces/{w.trace_v2}",
        json={"request_id": w.trace_v2, "timestamp_ms": now(), "status": "OK"},
    )
    otlp = secrets.token_hex(16)
    w.trace_otlp = w.new(f"tr-{otlp}")
    spans(w, otlp)
    for trace in (w.trace, w.trace_otlp):
        w.ask(
            "PATCH",
            f"{V3}/traces/{trace}/tags",
            json={"trace_id": trace, "key": w.key("tracetag"), "value": w.word("v")},
        )
    w.assessment = w.new(
        w.ask(
            "POST",
            f"{V3}/traces/{w.trace}/assessments",
            json={"assessment": assessment(w.trace, w.key("assessment"), w)},
        )["assessment"]["assessment_id"]
    )
    w.ask(
        "POST",
        f"{V2}/traces/link-to-run",
        json={"trace_ids": [w.trace, w.trace_otlp], "run_id": w.run},
    )
    w.ask(
        "POST",
        f"{V2}/traces/link-prompts",
        json={"trace_id": w.trace, "prompt_versions": [{"name": w.prompt, "version": "1"}]},
    )


def _evaluation(w: World) -> None:
    w.dataset_name = w.word("dataset")
    w.dataset = w.new(
        w.ask(
            "POST",
            f"{V3}/datasets/create",
            json={
                "name": w.dataset_name,
                "experiment_ids": [w.experiment],
                "tags": f'{{"{w.key("dstag")}": "{w.word("v")}"}}',
            },
        )["dataset"]["dataset_id"]
    )
    w.ask(
        "POST",
        f"{V3}/datasets/{w.dataset}/records",
        json={"dataset_id": w.dataset, "records": records(w)},
    )
    answer = w.ask("GET", f"{V3}/datasets/{w.dataset}/records")
    (record,) = _records_of(answer)
    w.record = w.new(record["dataset_record_id"])
    w.issue = w.new(
        w.ask(
            "POST",
            f"{V3}/issues",
            json={
                "experiment_id": w.experiment,
                "name": w.word("issue"),
                "description": w.word("d"),
                "source_run_id": w.run,
            },
        )["issue"]["issue_id"]
    )
    w.schema_name = w.word("schema")
    w.schema = w.new(
        w.ask(
            "POST",
            f"{V3}/label-schemas/create",
            json=label_schema(w.experiment, w.schema_name, w.word("instruction")),
        )["label_schema"]["schema_id"]
    )


def _records_of(answer: Any) -> Any:
    found = answer["records"]
    return json.loads(found) if isinstance(found, str) else found


# --- documents that are long to write down ---


def now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)


def trace_v3(trace: str, experiment: str, w: World, **info: Any) -> dict[str, Any]:
    """The body of POST /api/3.0/mlflow/traces."""
    return {
        "trace": {
            "trace_info": {
                "trace_id": trace,
                "trace_location": {
                    "type": "MLFLOW_EXPERIMENT",
                    "mlflow_experiment": {"experiment_id": experiment},
                },
                "request_preview": w.word("request"),
                "response_preview": w.word("response"),
                "request_time": "2026-01-01T00:00:00Z",
                "execution_duration": "1.5s",
                "state": "OK",
                "trace_metadata": {w.key("meta"): w.word("v")},
                "tags": {w.key("tracetag"): w.word("v")},
                **info,
            }
        }
    }


def assessment(trace: str, name: str, w: World, **more: Any) -> dict[str, Any]:
    """An Assessment message with feedback."""
    return {
        "assessment_name": name,
        "trace_id": trace,
        "source": {"source_type": "HUMAN", "source_id": w.word("source")},
        "feedback": {"value": w.word("value")},
        "rationale": w.word("rationale"),
        "create_time": "2026-01-01T00:00:00Z",
        "last_update_time": "2026-01-01T00:00:00Z",
        "metadata": {w.key("assessmentmeta"): w.word("v")},
        **more,
    }


def records(w: World) -> str:
    """One record of an evaluation dataset, as the JSON text that MLflow wants."""
    return (
        f'[{{"inputs": {{"q": "{w.word("question")}"}},'
        f' "expectations": {{"a": "{w.word("answer")}"}}, "tags": {{"t": "{w.word("v")}"}}}}]'
    )


def label_schema(experiment: str, name: str, instruction: str) -> dict[str, Any]:
    """The body of POST /api/3.0/mlflow/label-schemas/create."""
    return {
        "experiment_id": experiment,
        "name": name,
        "type": "FEEDBACK",
        "instruction": instruction,
        "input": {"text": {"max_length": 100}},
    }


def otlp_spans(trace: str, name: str, **attributes: str) -> dict[str, Any]:
    """An OTLP request in JSON with one root span. trace: 32 hexadecimal digits."""
    began = time.time_ns()
    return {
        "resourceSpans": [
            {
                "resource": {},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": trace,
                                "spanId": secrets.token_hex(8),
                                "name": name,
                                "kind": 1,
                                "startTimeUnixNano": str(began),
                                "endTimeUnixNano": str(began + 1_000_000),
                                "attributes": [
                                    {"key": key, "value": {"stringValue": value}}
                                    for key, value in attributes.items()
                                ],
                                "status": {"code": 1},
                            }
                        ]
                    }
                ],
            }
        ]
    }


def spans(w: World, trace: str) -> None:
    """Send a trace's spans by OTLP."""
    body = otlp_spans(
        trace,
        w.word("span"),
        **{"mlflow.traceRequestId": f'"tr-{trace}"', "mlflow.spanInputs": f'"{w.word("input")}"'},
    )
    w.ask(
        "POST",
        "/api/mlflow/v1/traces",
        json=body,
        headers={"X-MLflow-Experiment-Id": w.experiment},
    )
