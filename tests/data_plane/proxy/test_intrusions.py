"""Ways round MLflow's own isolation of workspaces, each found by trying: the gateway shuts them."""

import base64
import gzip
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from app.standalone.mlflow import ChildMLflow
from tests.data_plane.proxy.tenant_fixture_data import (
    FILES,
    V2,
    V3,
    World,
    assessment,
    make_world,
    now,
    otlp_spans,
    trace_v3,
)
from tests.support.gateway import RunningGateway

OTLP = "/api/mlflow/v1/traces"
Tags = dict[str, str]


@pytest.fixture(scope="module")
def worlds(gateway: RunningGateway) -> Iterator[tuple[World, World]]:
    """The victim and the intruder."""
    with gateway.client(gateway.key("prey")) as one, gateway.client(gateway.key("thief")) as two:
        yield make_world(one, "prey"), make_world(two, "thief")


@pytest.mark.parametrize("field", ["model_id", "modelId", "mo\\u0064el_id"])
@pytest.mark.parametrize("batch", [False, True])
def test_a_metric_reaches_no_model_of_another_tenant(
    worlds: tuple[World, World], batch: bool, field: str
) -> None:
    a, b = worlds
    before = a.client.get(f"{V2}/logged-models/{a.model}").json()
    metric = f'"key": "{secrets.token_hex(4)}", "value": 1, "timestamp": 1, "{field}": "{a.model}"'
    body = f'{{"run_id": "{b.run}", {metric}}}'
    if batch:
        body = f'{{"run_id": "{b.run}", "metrics": [{{{metric}, "step": 0}}]}}'
    path = f"{V2}/runs/{'log-batch' if batch else 'log-metric'}"
    b.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert a.client.get(f"{V2}/logged-models/{a.model}").json() == before


def test_a_trace_takes_no_assessment_of_another_tenant(worlds: tuple[World, World]) -> None:
    a, b = worlds
    mine = f"{V3}/traces/{a.trace}/assessments/{a.assessment}"
    before = a.client.get(mine).json()
    trace = f"tr-{secrets.token_hex(16)}"
    taken = assessment(trace, "taken", b, assessment_id=a.assessment)
    # The second time it is an update, which MLflow merges by the assessment's id alone.
    for assessments in ([], [taken]):
        b.client.post(
            f"{V3}/traces", json=trace_v3(trace, b.experiment, b, assessments=assessments)
        )
    assert a.client.get(mine).json() == before


# --- the tags by which MLflow finds the spans of an archived trace ---


def by_start_v3(b: World, tags: Tags) -> str:
    trace = f"tr-{secrets.token_hex(16)}"
    b.client.post(f"{V3}/traces", json=trace_v3(trace, b.experiment, b, tags=tags))
    return trace


def by_start_v2(b: World, tags: Tags) -> str:
    body = {"experiment_id": b.experiment, "timestamp_ms": now(), "tags": pairs(tags)}
    answer = b.client.post(f"{V2}/traces", json=body)
    return str(answer.json()["trace_info"]["request_id"]) if answer.is_success else "none"


def by_end_v2(b: World, tags: Tags) -> str:
    trace = by_start_v2(b, {})
    body = {"request_id": trace, "timestamp_ms": now(), "status": "OK", "tags": pairs(tags)}
    b.client.patch(f"{V2}/traces/{trace}", json=body)
    return trace


def by_otlp_json(b: World, tags: Tags) -> str:
    trace = secrets.token_hex(16)
    b.client.post(OTLP, json=tagged_spans(trace, tags), headers=experiment(b))
    return f"tr-{trace}"


def by_odd_type(b: World, tags: Tags) -> str:
    """JSON with escaped names under types that MLflow takes for JSON, and others might not."""
    trace = secrets.token_hex(16)
    body = json.dumps(tagged_spans(trace, tags)).replace("mlflow.traceTag", "\\u006dlflow.traceTag")
    for odd in (b"\xa0", b"\x85", b" ;x", b""):
        headers = {**experiment(b), "Content-Type": b"application/json" + odd}
        b.client.post(OTLP, content=body, headers=headers)  # type: ignore[arg-type]
    return f"tr-{trace}"


def by_otlp(b: World, tags: Tags) -> str:
    trace = secrets.token_hex(16)
    headers = {**experiment(b), "Content-Type": "application/x-protobuf"}
    b.client.post(OTLP, content=protobuf(tagged_spans(trace, tags)), headers=headers)
    return f"tr-{trace}"


def by_otlp_gzip(b: World, tags: Tags) -> str:
    trace = secrets.token_hex(16)
    headers = {
        **experiment(b),
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress(protobuf(tagged_spans(trace, tags)))
    b.client.post(OTLP, content=body, headers=headers)
    return f"tr-{trace}"


def by_tag(b: World, tags: Tags) -> str:
    trace = by_start_v3(b, {})
    for version in (V2, V3):
        for key, value in tags.items():
            b.client.patch(f"{version}/traces/{trace}/tags", json={"key": key, "value": value})
    return trace


TAG_SENDERS = [
    by_tag,
    by_start_v3,
    by_start_v2,
    by_end_v2,
    by_otlp_json,
    by_odd_type,
    by_otlp,
    by_otlp_gzip,
]


def pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def experiment(b: World) -> dict[str, str]:
    return {"X-MLflow-Experiment-Id": b.experiment}


def tagged_spans(trace: str, tags: Tags) -> dict[str, Any]:
    attributes = {f"mlflow.traceTag.{key}": value for key, value in tags.items()}
    return otlp_spans(trace, "span", **{"mlflow.traceRequestId": f'"tr-{trace}"'}, **attributes)


def protobuf(body: dict[str, Any]) -> bytes:
    """OTLP's JSON, which has its ids in hexadecimal, as protobuf."""
    for resource in body["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return bytes(ParseDict(body, TracesData()).SerializeToString())


@pytest.mark.parametrize("sender", TAG_SENDERS)
def test_no_archive_of_another_tenant_is_read_or_deleted(
    sender: Callable[[World, Tags], str], worlds: tuple[World, World], mlflow_server: ChildMLflow
) -> None:
    """B gives a trace of its own A's directory as the place of its spans, and reads the trace."""
    a, b = worlds
    path = f"{a.experiment}/{a.run}/artifacts"
    secret = protobuf(otlp_spans("1" * 32, a.word("archived")))
    a.ask("PUT", f"{FILES}/{path}/traces.pb", content=secret)
    place = mlflow_server._directory / "artifacts" / "workspaces" / a.tenant / path
    tags = {
        "mlflow.trace.spansLocation": "ARCHIVE_REPO",
        "mlflow.trace.archiveLocation": str(place),
    }
    trace = sender(b, tags)
    for way in ("get", "batchGet"):
        name = "trace_id" if way == "get" else "trace_ids"
        assert a.marker not in b.client.get(f"{V3}/traces/{way}", params={name: trace}).text
    for version in (V2, V3):
        b.client.post(
            f"{version}/traces/delete-traces",
            json={"experiment_id": b.experiment, "request_ids": [trace]},
        )
    assert a.client.get(f"{FILES}/{path}/traces.pb").content == secret
