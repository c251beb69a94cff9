"""Errors of MLflow reach the client in the gateway's error format."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import GatewayError, InvalidParameterError, MLflowRefusalError, UpstreamError
from app.data_plane.proxy.error_mapping import map_error
from app.mlflow import faults
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused

API = "/api/mlflow/api/2.0/mlflow"


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No."}, None, "No."),
        (500, {"error_code": "INTERNAL_ERROR", "message": "Oh."}, None, "Oh."),
        (400, {"error_code": "A", "message": "x\n[SQL: INSERT 'secret']"}, "A", "x"),
        (404, {"detail": "Not here"}, "RESOURCE_DOES_NOT_EXIST", "Not here"),
        (422, {"detail": [{"loc": ["x"]}]}, "INVALID_PARAMETER_VALUE", '[{"loc": ["x"]}]'),
        (500, {"detail": "Oops"}, "INTERNAL_ERROR", "Oops"),
        (404, "<html>", "RESOURCE_DOES_NOT_EXIST", "MLflow responded with 404."),
        (416, "", "BAD_REQUEST", "MLflow responded with 416."),
    ],
)
def test_a_refusal_keeps_status_code_and_message(
    status: int, body: object, code: str | None, message: str
) -> None:
    raw = (body if isinstance(body, str) else json.dumps(body)).encode()
    error = map_error(status, [], raw)
    assert isinstance(error, MLflowRefusalError)
    assert (error.status, error.message) == (status, message)
    assert error.error_code == code or (isinstance(body, dict) and code is None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"<!doctype html>"),
        (502, b""),
        (500, b'["error_code"]'),
    ],
)
def test_errors_that_the_caller_did_not_cause_are_a_502(status: int, body: bytes) -> None:
    error = map_error(status, [], body)
    assert isinstance(error, UpstreamError)
    assert error.status == 502


@pytest.mark.parametrize(
    ("status", "text", "expected", "reason", "words"),
    [
        (401, "Who?", 502, "upstream_credential_refused", "HOKUSAI_MLFLOW_AUTHORIZATION"),
        (403, "Invalid Host header - rebinding", 502, "upstream_misconfigured", "--allowed-hosts"),
        (
            503,
            '(psycopg2.OperationalError) connection to server at "db.internal" failed\n\tIs it?',
            503,
            "mlflow_refused",
            "MLflow's database failed. Try again",
        ),
        (
            500,
            '(psycopg2.errors.DiskFull) could not extend file "base/1/2": No space left on device',
            507,
            "upstream_storage_full",
            "MLflow has no space left",
        ),
        (500, "[Errno 28] No space left on device", 507, "upstream_storage_full", "no space left"),
        (
            400,
            "Taken. (psycopg2.errors.UniqueViolation) db.internal",
            400,
            "mlflow_refused",
            "Taken",
        ),
    ],
)
def test_faults_of_what_mlflow_needs_are_named_without_its_drivers_text(
    status: int, text: str, expected: int, reason: str, words: str
) -> None:
    document = json.dumps({"error_code": "INTERNAL_ERROR", "message": text})
    for body in (document, text) if reason != "mlflow_refused" else (document,):
        error = map_error(status, [], body.encode())
        assert (error.status, error.reason) == (expected, reason)
        assert words in error.message
        assert "psycopg2" not in error.message
        assert "db.internal" not in error.message


def test_a_failure_without_a_message_is_explained_by_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert map_error(500, [], b"", artifacts=tmp_path).status == 502
    monkeypatch.setattr(faults, "MIN_FREE", 2**62)
    assert map_error(500, [], b"", artifacts=tmp_path).status == 507
    assert map_error(500, [], b"", artifacts=tmp_path / "none").status == 502


def test_text_that_the_database_cannot_store_is_the_callers_error() -> None:
    message = "A string literal cannot contain NUL (0x00) characters."
    body = json.dumps({"error_code": "INTERNAL_ERROR", "message": message}).encode()
    error = map_error(500, [], body)
    assert isinstance(error, InvalidParameterError)
    assert "NUL" in error.message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("2.0/mlflow/logged-models/search", {"experiment_ids": ["0"], "filter": "metrics.m > 'a'"}),
        (
            "3.0/mlflow/traces/search",
            {"locations": [{"mlflow_experiment": {"experiment_id": "mine"}}]},
        ),
    ],
)
def test_a_text_where_a_number_is_needed_is_the_callers_error(
    gateway: RunningGateway, path: str, body: dict[str, Any]
) -> None:
    """MLflow responds with 500, after which its client sends the request again for minutes."""
    with gateway.client(gateway.key()) as client:
        response = client.post(f"/api/mlflow/api/{path}", json=body)
    assert "not a number" in refused(response, 400, "invalid_parameter")["message"]


def test_a_text_that_is_too_long_for_mlflows_database_is_named(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        run = good(client.post(f"{API}/runs/create", json={}))["run"]["info"]["run_id"]
        for body in ({"run_name": "n" * 300}, {"run_name": "é" * 300, "status": "FINISHED"}):
            response = client.post(f"{API}/runs/update", json={"run_id": run, **body})
            message = refused(response, 400, "mlflow_refused")["message"]
            assert "longer than 250 characters" in message


def test_only_headers_that_a_client_can_act_on_are_kept() -> None:
    headers = [(b"retry-after", b"3"), (b"set-cookie", b"a=b"), (b"content-length", b"9")]
    assert map_error(429, headers, b"").headers == ((b"retry-after", b"3"),)


@given(st.integers(400, 599), st.binary() | st.from_regex(rb'\{"(error_code|message)": .*\}'))
def test_any_response_becomes_an_error_with_a_document(status: int, body: bytes) -> None:
    error = map_error(status, [], body)
    assert isinstance(error, GatewayError)
    assert json.loads(error.body("id"))["status"] == error.status


def test_the_client_sees_the_one_error_shape(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        response = client.get(f"{API}/runs/get", params={"run_id": "a" * 32})
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["error_code"] == "RESOURCE_DOES_NOT_EXIST"
        assert problem["reason"] == "mlflow_refused"
        assert problem["request_id"] == response.headers["x-request-id"]
        missing = client.get("/api/mlflow/api/2.0/mlflow-artifacts/artifacts/1/none")
        assert missing.headers["content-type"] == "application/problem+json"
        assert missing.status_code in (400, 403, 404)


def test_sql_statements_of_mlflow_are_removed(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        for _ in range(2):
            response = client.post(f"{API}/experiments/create", json={"name": "twice"})
        assert response.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
        assert "INSERT" not in response.text
