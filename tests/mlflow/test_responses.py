"""MLflow's error codes, JSON objects and refusals, read from responses."""

import httpx
import pytest

from app.core.errors import MLflowRefusalError, UpstreamError
from app.mlflow.responses import accepted_object, error_code, is_missing, json_object

REQUEST = httpx.Request("POST", "http://mlflow.test/api/3.0/mlflow/workspaces")


def response(status: int, json: object = None, text: str | None = None) -> httpx.Response:
    if text is not None:
        return httpx.Response(status, text=text, request=REQUEST)
    return httpx.Response(status, json=json, request=REQUEST)


@pytest.mark.parametrize(
    ("received", "code"),
    [
        (response(400, {"error_code": "INVALID_PARAMETER_VALUE"}), "INVALID_PARAMETER_VALUE"),
        (response(200, {"error_code": "INVALID_PARAMETER_VALUE"}), None),
        (response(500, text="<html>"), None),
        (response(500, ["a list"]), None),
    ],
)
def test_the_error_code_is_that_of_a_failure(received: httpx.Response, code: str | None) -> None:
    assert error_code(received) == code


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("RESOURCE_DOES_NOT_EXIST", True),
        ("INVALID_PARAMETER_VALUE", True),
        ("PERMISSION_DENIED", False),
    ],
)
def test_two_error_codes_mean_that_something_is_missing(code: str, missing: bool) -> None:
    assert is_missing(response(404, {"error_code": code})) is missing


def test_the_object_of_a_success_is_returned() -> None:
    assert json_object(response(200, {"a": 1})) == {"a": 1}


@pytest.mark.parametrize(
    "received",
    [
        response(500, text="<html>"),
        response(200, text="<html>"),
        response(200, ["a list"]),
    ],
)
def test_an_unexpected_response_is_an_upstream_error_that_names_the_route(
    received: httpx.Response,
) -> None:
    with pytest.raises(UpstreamError, match=REQUEST.url.path.replace(".", r"\.")):
        json_object(received)


def test_a_4xx_with_an_error_code_is_a_refusal() -> None:
    with pytest.raises(MLflowRefusalError, match=r"No such source\."):
        accepted_object(response(404, {"error_code": "X", "message": "No such source."}))


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
def test_other_failures_leave_open_whether_the_write_was_carried_out(status: int) -> None:
    with pytest.raises(UpstreamError):
        accepted_object(response(status, {"error_code": "X", "message": "…"}))


def test_a_4xx_without_an_error_code_is_no_decision_of_mlflow() -> None:
    with pytest.raises(UpstreamError):
        accepted_object(response(404, text="<html>"))
