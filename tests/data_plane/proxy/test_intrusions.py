"""Attacks that MLflow's own isolation of workspaces does not stop; the gateway refuses them."""

import base64
import gzip
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from app.standalone.mlflow import ChildMLflow
from tests.data_plane.proxy.mlflow_documents import assessment, now, otlp_spans, trace_v3
from tests.data_plane.proxy.tenant_fixture_data import FILES, V2, V3, TenantData, create_tenant_data
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

OTLP = "/api/mlflow/v1/traces"
Tags = dict[str, str]


@pytest.fixture(scope="module")
def victim(gateway: RunningGateway) -> Iterator[TenantData]:
    with gateway.client(gateway.key("victim-of-intrusion")) as client:
        yield create_tenant_data(client, "victim-of-intrusion")


@pytest.fixture(scope="module")
def attacker(gateway: RunningGateway) -> Iterator[TenantData]:
    with gateway.client(gateway.key("intruder")) as client:
        yield create_tenant_data(client, "intruder")


@pytest.mark.parametrize("field", ["model_id", "modelId", "mo\\u0064el_id"])
@pytest.mark.parametrize("batch", [False, True])
def test_a_metric_is_not_logged_to_a_model_of_another_tenant(
    victim: TenantData, attacker: TenantData, batch: bool, field: str
) -> None:
    before = victim.client.get(f"{V2}/logged-models/{victim.model}").json()
    metric = (
        f'"key": "{secrets.token_hex(4)}", "value": 1, "timestamp": 1, "{field}": "{victim.model}"'
    )
    body = f'{{"run_id": "{attacker.run}", {metric}}}'
    if batch:
        body = f'{{"run_id": "{attacker.run}", "metrics": [{{{metric}, "step": 0}}]}}'
    path = f"{V2}/runs/{'log-batch' if batch else 'log-metric'}"
    attacker.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert victim.client.get(f"{V2}/logged-models/{victim.model}").json() == before


def test_a_trace_does_not_take_over_an_assessment_of_another_tenant(
    victim: TenantData, attacker: TenantData
) -> None:
    url = f"{V3}/traces/{victim.trace}/assessments/{victim.assessment}"
    before = victim.client.get(url).json()
    trace = f"tr-{secrets.token_hex(16)}"
    taken = assessment(trace, "taken", attacker, assessment_id=victim.assessment)
    # The second time it is an update, which MLflow merges by the assessment's id alone.
    for assessments in ([], [taken]):
        attacker.client.post(
            f"{V3}/traces",
            json=trace_v3(trace, attacker.experiment, attacker, assessments=assessments),
        )
    assert victim.client.get(url).json() == before


def trace_count(owner: TenantData) -> int:
    body = {"experiment_id": owner.experiment, "include_trace_count": True}
    found = good(owner.client.post(f"{V3}/issues/search", json=body))["issues"]
    (issue,) = [one for one in found if one["issue_id"] == owner.issue]
    return int(issue.get("trace_count", 0))


def test_the_traces_of_an_issue_are_not_counted_up_by_another_tenant(
    victim: TenantData, attacker: TenantData
) -> None:
    before = trace_count(victim)

    def refer(owner: TenantData, name: str, issue: str) -> dict[str, Any]:
        reference = {
            key: value
            for key, value in assessment(owner.trace, issue, owner).items()
            if key not in ("feedback", "expectation")
        }
        del reference["assessment_name"]
        return {**reference, name: issue, "issue": {"issue_name": "i"}}

    path = f"{V3}/traces/{attacker.trace}/assessments"
    for name in ("assessment_name", "assessmentName"):
        body = {"assessment": refer(attacker, name, victim.issue)}
        problem = refused(attacker.client.post(path, json=body), 404, "not_found")
        assert f"no issue {victim.issue!r}" in problem["message"]
        patch = {"assessment": {name: victim.issue}, "update_mask": "assessmentName"}
        refused(
            attacker.client.patch(f"{path}/{attacker.assessment}", json=patch), 404, "not_found"
        )
        trace = f"tr-{secrets.token_hex(16)}"
        given = [refer(attacker, name, victim.issue)]
        document = trace_v3(trace, attacker.experiment, attacker, assessments=given)
        refused(attacker.client.post(f"{V3}/traces", json=document), 404, "not_found")
    assert trace_count(victim) == before
    own = {"assessment": refer(attacker, "assessment_name", attacker.issue)}
    counted = trace_count(attacker)
    good(attacker.client.post(path, json=own))
    assert trace_count(attacker) == counted + 1


# --- the tags by which MLflow finds the spans of an archived trace ---


def by_start_trace_v3(attacker: TenantData, tags: Tags) -> str:
    trace = f"tr-{secrets.token_hex(16)}"
    attacker.client.post(
        f"{V3}/traces", json=trace_v3(trace, attacker.experiment, attacker, tags=tags)
    )
    return trace


def by_start_trace_v2(attacker: TenantData, tags: Tags) -> str:
    body = {"experiment_id": attacker.experiment, "timestamp_ms": now(), "tags": pairs(tags)}
    response = attacker.client.post(f"{V2}/traces", json=body)
    return str(response.json()["trace_info"]["request_id"]) if response.is_success else "none"


def by_end_trace_v2(attacker: TenantData, tags: Tags) -> str:
    trace = by_start_trace_v2(attacker, {})
    body = {"request_id": trace, "timestamp_ms": now(), "status": "OK", "tags": pairs(tags)}
    attacker.client.patch(f"{V2}/traces/{trace}", json=body)
    return trace


def by_otlp_json(attacker: TenantData, tags: Tags) -> str:
    trace = secrets.token_hex(16)
    attacker.client.post(OTLP, json=tagged_spans(trace, tags), headers=experiment(attacker))
    return f"tr-{trace}"


def by_otlp_with_odd_content_type(attacker: TenantData, tags: Tags) -> str:
    """JSON with escaped names, with content types that MLflow reads as JSON and others may not."""
    trace = secrets.token_hex(16)
    body = json.dumps(tagged_spans(trace, tags)).replace("mlflow.traceTag", "\\u006dlflow.traceTag")
    for odd in (b"\xa0", b"\x85", b" ;x", b""):
        headers = {**experiment(attacker), "Content-Type": b"application/json" + odd}
        attacker.client.post(OTLP, content=body, headers=headers)  # type: ignore[arg-type]
    return f"tr-{trace}"


def by_otlp(attacker: TenantData, tags: Tags) -> str:
    trace = secrets.token_hex(16)
    headers = {**experiment(attacker), "Content-Type": "application/x-protobuf"}
    attacker.client.post(OTLP, content=protobuf(tagged_spans(trace, tags)), headers=headers)
    return f"tr-{trace}"


def by_otlp_gzip(attacker: TenantData, tags: Tags) -> str:
    trace = secrets.token_hex(16)
    headers = {
        **experiment(attacker),
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress(protobuf(tagged_spans(trace, tags)))
    attacker.client.post(OTLP, content=body, headers=headers)
    return f"tr-{trace}"


def by_set_tag(attacker: TenantData, tags: Tags) -> str:
    trace = by_start_trace_v3(attacker, {})
    for version in (V2, V3):
        for key, value in tags.items():
            attacker.client.patch(
                f"{version}/traces/{trace}/tags", json={"key": key, "value": value}
            )
    return trace


TAG_SENDERS = [
    by_set_tag,
    by_start_trace_v3,
    by_start_trace_v2,
    by_end_trace_v2,
    by_otlp_json,
    by_otlp_with_odd_content_type,
    by_otlp,
    by_otlp_gzip,
]


def pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def experiment(attacker: TenantData) -> dict[str, str]:
    return {"X-MLflow-Experiment-Id": attacker.experiment}


def tagged_spans(trace: str, tags: Tags) -> dict[str, Any]:
    attributes = {f"mlflow.traceTag.{key}": value for key, value in tags.items()}
    return otlp_spans(trace, "span", **{"mlflow.traceRequestId": f'"tr-{trace}"'}, **attributes)


def protobuf(body: dict[str, Any]) -> bytes:
    """An OTLP request in JSON, whose ids are hexadecimal, as protobuf."""
    for resource in body["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return bytes(ParseDict(body, TracesData()).SerializeToString())


@pytest.mark.parametrize("sender", TAG_SENDERS)
def test_no_archive_of_another_tenant_is_read_or_deleted(
    sender: Callable[[TenantData, Tags], str],
    victim: TenantData,
    attacker: TenantData,
    mlflow_server: ChildMLflow,
) -> None:
    """The attacker declares the victim's directory to be the archive of a trace of its own."""
    path = f"{victim.experiment}/{victim.run}/artifacts"
    secret = protobuf(otlp_spans("1" * 32, victim.unique("archived")))
    victim.request("PUT", f"{FILES}/{path}/traces.pb", content=secret)
    place = mlflow_server._directory / "artifacts" / "workspaces" / victim.tenant / path
    tags = {
        "mlflow.trace.spansLocation": "ARCHIVE_REPO",
        "mlflow.trace.archiveLocation": str(place),
    }
    trace = sender(attacker, tags)
    for way in ("get", "batchGet"):
        name = "trace_id" if way == "get" else "trace_ids"
        response = attacker.client.get(f"{V3}/traces/{way}", params={name: trace})
        assert victim.marker not in response.text
    for version in (V2, V3):
        attacker.client.post(
            f"{version}/traces/delete-traces",
            json={"experiment_id": attacker.experiment, "request_ids": [trace]},
        )
    assert victim.client.get(f"{FILES}/{path}/traces.pb").content == secret
