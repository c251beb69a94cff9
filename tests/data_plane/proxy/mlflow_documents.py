"""The longer JSON bodies of MLflow's API, with names and values marked as one tenant's."""

import json
import secrets
import time
from typing import Any, Protocol


class Marker(Protocol):
    """Makes names and values that are recognizable as those of one tenant."""

    def key(self, kind: str) -> str: ...

    def unique(self, kind: str) -> str: ...


def now() -> int:
    """Milliseconds since the epoch."""
    return int(time.time() * 1000)


def trace_location(experiment: str) -> dict[str, Any]:
    """Where a trace is stored, and searched."""
    return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}


def trace_v3(trace: str, experiment: str, owner: Marker, **info: Any) -> dict[str, Any]:
    """The body of POST /api/3.0/mlflow/traces."""
    return {
        "trace": {
            "trace_info": {
                "trace_id": trace,
                "trace_location": trace_location(experiment),
                "request_preview": owner.unique("request"),
                "response_preview": owner.unique("response"),
                "request_time": "2026-01-01T00:00:00Z",
                "execution_duration": "1.5s",
                "state": "OK",
                "trace_metadata": {owner.key("meta"): owner.unique("v")},
                "tags": {owner.key("tracetag"): owner.unique("v")},
                **info,
            }
        }
    }


def assessment(trace: str, name: str, owner: Marker, **more: Any) -> dict[str, Any]:
    """An Assessment message with feedback."""
    return {
        "assessment_name": name,
        "trace_id": trace,
        "source": {"source_type": "HUMAN", "source_id": owner.unique("source")},
        "feedback": {"value": owner.unique("value")},
        "rationale": owner.unique("rationale"),
        "create_time": "2026-01-01T00:00:00Z",
        "last_update_time": "2026-01-01T00:00:00Z",
        "metadata": {owner.key("assessmentmeta"): owner.unique("v")},
        **more,
    }


def records(owner: Marker) -> str:
    """One record of an evaluation dataset, as the JSON text that MLflow expects."""
    return json.dumps(
        [
            {
                "inputs": {"q": owner.unique("question")},
                "expectations": {"a": owner.unique("answer")},
                "tags": {"t": owner.unique("v")},
            }
        ]
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
