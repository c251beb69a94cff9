"""A tenant with one object of every kind in MLflow, all marked as its own."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.data_plane.proxy.mlflow_documents import (
    assessment,
    label_schema,
    now,
    otlp_spans,
    records,
    trace_v3,
)

V2 = "/api/mlflow/api/2.0/mlflow"
V3 = "/api/mlflow/api/3.0/mlflow"
FILES = "/api/mlflow/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class TenantData:
    """What a tenant has in MLflow: the ids, and the names, each of which contains the marker.

    marker: a word in every name, value and artifact of this tenant, and nowhere else.
    ids: every id long enough to be searched for in a response.
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

    def unique(self, kind: str) -> str:
        """A new value of this tenant; never a prefix of another."""
        return f"{self.marker}-{kind}-{secrets.token_hex(4)}z"

    def key(self, kind: str) -> str:
        """The name of a metric, parameter or tag of this tenant; the same one each time."""
        return self.keys.setdefault(kind, self.unique(kind))

    @property
    def file_name(self) -> str:
        """The last part of `file`."""
        return self.file.rpartition("/")[2]

    @property
    def otlp_trace_id(self) -> str:
        """The id of `trace_otlp` as OTLP has it: 32 hexadecimal digits."""
        return self.trace_otlp.removeprefix("tr-")

    def request(self, method: str, path: str, **request: Any) -> Any:
        """The JSON body of a successful response; None if it has another type."""
        response = self.client.request(method, path, **request)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        is_json = response.headers.get("content-type", "").endswith("json")
        return response.json() if is_json else None

    def keep_id(self, id_: str) -> str:
        """Add an id to `ids`, and return it."""
        self.ids.add(id_)
        return id_


def create_tenant_data(client: httpx.Client, tenant: str) -> TenantData:
    """Fill a new tenant through the gateway. client: with the tenant's key."""
    data = TenantData(client, tenant, marker=f"m{secrets.token_hex(6)}")
    _create_experiment_and_run(data)
    _create_models(data)
    _create_traces(data)
    _create_evaluation_data(data)
    return data


def _create_experiment_and_run(data: TenantData) -> None:
    data.experiment_name = data.unique("experiment")
    data.experiment = data.request(
        "POST",
        f"{V2}/experiments/create",
        json={
            "name": data.experiment_name,
            "tags": [{"key": data.key("exptag"), "value": data.unique("v")}],
        },
    )["experiment_id"]
    run = data.request(
        "POST",
        f"{V2}/runs/create",
        json={
            "experiment_id": data.experiment,
            "run_name": data.unique("run"),
            "user_id": data.unique("user"),
            "start_time": now(),
            "tags": [{"key": data.key("tag"), "value": data.unique("v")}],
        },
    )["run"]["info"]
    data.run, data.artifact_uri = data.keep_id(run["run_id"]), run["artifact_uri"]
    data.request(
        "POST",
        f"{V2}/runs/log-batch",
        json={
            "run_id": data.run,
            "metrics": [
                {"key": data.key("metric"), "value": n, "timestamp": now(), "step": n}
                for n in range(3)
            ],
            "params": [{"key": data.key("param"), "value": data.unique("v")}],
        },
    )
    data.request(
        "POST",
        f"{V2}/runs/log-inputs",
        json={
            "run_id": data.run,
            "datasets": [
                {
                    "tags": [{"key": data.key("inputtag"), "value": data.unique("v")}],
                    "dataset": {
                        "name": data.key("inputname"),
                        "digest": "d1",
                        "source_type": "local",
                        "source": data.unique("source"),
                    },
                }
            ],
        },
    )
    directory = f"{data.experiment}/{data.run}/artifacts"
    data.file = f"{directory}/{data.unique('file')}.txt"
    for path, size in (
        (f"{directory}/{data.unique('empty')}.txt", 0),
        (data.file, 700),
        (f"{directory}/d/{data.unique('large')}.bin", 300_000),
    ):
        data.request("PUT", f"{FILES}/{path}", content=(data.marker * size)[:size].encode())


def _create_models(data: TenantData) -> None:
    data.logged_name = data.unique("logged")
    data.model = data.keep_id(
        data.request(
            "POST",
            f"{V2}/logged-models",
            json={
                "experiment_id": data.experiment,
                "name": data.logged_name,
                "source_run_id": data.run,
                "params": [{"key": data.key("modelparam"), "value": data.unique("v")}],
                "tags": [{"key": data.key("modeltag"), "value": data.unique("v")}],
            },
        )["model"]["info"]["model_id"]
    )
    place = f"{data.experiment}/models/{data.model}/artifacts/MLmodel"
    data.request("PUT", f"{FILES}/{place}", content=f"flavors: {{}} # {data.marker}".encode())
    data.request(
        "PATCH",
        f"{V2}/logged-models/{data.model}",
        json={"model_id": data.model, "status": "LOGGED_MODEL_READY"},
    )
    data.request(
        "POST",
        f"{V2}/runs/outputs",
        json={"run_id": data.run, "models": [{"model_id": data.model, "step": 1}]},
    )
    data.request(
        "POST",
        f"{V2}/runs/log-metric",
        json={
            "run_id": data.run,
            "key": data.key("modelmetric"),
            "value": 1,
            "timestamp": now(),
            "model_id": data.model,
        },
    )
    data.registered, data.alias = data.unique("registered"), data.unique("alias")
    data.request(
        "POST",
        f"{V2}/registered-models/create",
        json={
            "name": data.registered,
            "description": data.unique("d"),
            "tags": [{"key": data.key("regtag"), "value": data.unique("v")}],
        },
    )
    for binding in (
        {"source": f"runs:/{data.run}/model", "run_id": data.run},
        {"source": f"models:/{data.model}", "model_id": data.model},
    ):
        data.request(
            "POST",
            f"{V2}/model-versions/create",
            json={
                "name": data.registered,
                **binding,
                "description": data.unique("d"),
                "tags": [{"key": data.key("versiontag"), "value": data.unique("v")}],
            },
        )
    data.request(
        "POST",
        f"{V2}/registered-models/alias",
        json={"name": data.registered, "alias": data.alias, "version": "1"},
    )
    data.prompt = data.unique("prompt")
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    data.request(
        "POST", f"{V2}/registered-models/create", json={"name": data.prompt, "tags": [is_prompt]}
    )
    data.request(
        "POST",
        f"{V2}/model-versions/create",
        json={
            "name": data.prompt,
            "source": "dummy-source",
            "tags": [is_prompt, {"key": "mlflow.prompt.text", "value": data.unique("text")}],
        },
    )


def _create_traces(data: TenantData) -> None:
    data.trace = data.keep_id(f"tr-{secrets.token_hex(16)}")
    data.request("POST", f"{V3}/traces", json=trace_v3(data.trace, data.experiment, data))
    _send_spans(data, data.trace.removeprefix("tr-"))
    data.trace_v2 = data.keep_id(
        data.request(
            "POST",
            f"{V2}/traces",
            json={
                "experiment_id": data.experiment,
                "timestamp_ms": now(),
                "request_metadata": [{"key": data.key("meta"), "value": data.unique("v")}],
                "tags": [{"key": data.key("tracetag"), "value": data.unique("v")}],
            },
        )["trace_info"]["request_id"]
    )
    data.request(
        "PATCH",
        f"{V2}/traces/{data.trace_v2}",
        json={"request_id": data.trace_v2, "timestamp_ms": now(), "status": "OK"},
    )
    otlp = secrets.token_hex(16)
    data.trace_otlp = data.keep_id(f"tr-{otlp}")
    _send_spans(data, otlp)
    for trace in (data.trace, data.trace_otlp):
        data.request(
            "PATCH",
            f"{V3}/traces/{trace}/tags",
            json={"trace_id": trace, "key": data.key("tracetag"), "value": data.unique("v")},
        )
    data.assessment = data.keep_id(
        data.request(
            "POST",
            f"{V3}/traces/{data.trace}/assessments",
            json={"assessment": assessment(data.trace, data.key("assessment"), data)},
        )["assessment"]["assessment_id"]
    )
    data.request(
        "POST",
        f"{V2}/traces/link-to-run",
        json={"trace_ids": [data.trace, data.trace_otlp], "run_id": data.run},
    )
    data.request(
        "POST",
        f"{V2}/traces/link-prompts",
        json={"trace_id": data.trace, "prompt_versions": [{"name": data.prompt, "version": "1"}]},
    )


def _create_evaluation_data(data: TenantData) -> None:
    data.dataset_name = data.unique("dataset")
    data.dataset = data.keep_id(
        data.request(
            "POST",
            f"{V3}/datasets/create",
            json={
                "name": data.dataset_name,
                "experiment_ids": [data.experiment],
                "tags": f'{{"{data.key("dstag")}": "{data.unique("v")}"}}',
            },
        )["dataset"]["dataset_id"]
    )
    data.request(
        "POST",
        f"{V3}/datasets/{data.dataset}/records",
        json={"dataset_id": data.dataset, "records": records(data)},
    )
    response = data.request("GET", f"{V3}/datasets/{data.dataset}/records")
    (record,) = _records_of(response)
    data.record = data.keep_id(record["dataset_record_id"])
    data.issue = data.keep_id(
        data.request(
            "POST",
            f"{V3}/issues",
            json={
                "experiment_id": data.experiment,
                "name": data.unique("issue"),
                "description": data.unique("d"),
                "source_run_id": data.run,
            },
        )["issue"]["issue_id"]
    )
    data.schema_name = data.unique("schema")
    data.schema = data.keep_id(
        data.request(
            "POST",
            f"{V3}/label-schemas/create",
            json=label_schema(data.experiment, data.schema_name, data.unique("instruction")),
        )["label_schema"]["schema_id"]
    )


def _records_of(response: Any) -> Any:
    found = response["records"]
    return json.loads(found) if isinstance(found, str) else found


def _send_spans(data: TenantData, trace: str) -> None:
    """Send a span of a trace by OTLP. trace: 32 hexadecimal digits."""
    attributes = {
        "mlflow.traceRequestId": f'"tr-{trace}"',
        "mlflow.spanInputs": f'"{data.unique("input")}"',
    }
    body = otlp_spans(trace, data.unique("span"), **attributes)
    data.request(
        "POST",
        "/api/mlflow/v1/traces",
        json=body,
        headers={"X-MLflow-Experiment-Id": data.experiment},
    )
